#include "quaywall/host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "quaywall/mem.h"

/* Of the calling thread's namespace: the kernel looks it up anew at each open(2). */
static const char *filter_path(uint8_t family)
{
	return family == AF_INET ? "/proc/sys/net/bridge/bridge-nf-call-iptables"
				 : "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
}

enum host_bridge_filter host_bridge_filter(uint8_t family)
{
	CLEANUP_FD int fd = open(filter_path(family), O_RDONLY | O_CLOEXEC);
	char value;

	if (fd < 0)
		return HOST_BRIDGE_FILTER_ABSENT;
	/* It takes any number, and any but 0 is on. */
	if (read(fd, &value, 1) != 1 || value == '0')
		return HOST_BRIDGE_FILTER_OFF;
	return HOST_BRIDGE_FILTER_ON;
}

int host_bridge_filter_enable(uint8_t family, struct error *err)
{
	CLEANUP_FD int fd = open(filter_path(family), O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
				 "%s is missing: the kernel module br_netfilter is not loaded",
				 filter_path(family));
	if (fd < 0)
		return error_wrap(err, -errno, "opening %s", filter_path(family));
	if (write(fd, "1\n", 2) != 2)
		return error_wrap(err, -errno, "writing %s", filter_path(family));
	return 0;
}
