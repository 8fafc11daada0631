#include "quaywall/host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "filter.h"

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

/* ---- others' writes ---- */

/* The kernel gives a switch a fresh inode whenever nobody holds its old one, and a watch is on an inode: so
 * the files stay open. */
static int watch(int fd, uint8_t family)
{
	int pin = open(filter_path(family), O_RDONLY | O_CLOEXEC);

	if (pin >= 0)
		inotify_add_watch(fd, filter_path(family), IN_MODIFY);
	return pin;
}

static void watch_both(struct filter_watch *w)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; w->fd >= 0 && i < ARRAY_SIZE(families); i++)
		if (w->pins[i] < 0)
			w->pins[i] = watch(w->fd, families[i]);
}

void filter_watch_init(struct filter_watch *w)
{
	*w = (struct filter_watch) {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
				    .pins = {-1, -1}};
	watch_both(w);
}

void filter_watch_dispatch(struct filter_watch *w)
{
	char events[1024];

	while (read(w->fd, events, sizeof(events)) > 0)
		;
	watch_both(w);
}

void filter_watch_done(struct filter_watch *w)
{
	mem_cleanup_fd(&w->fd);
	mem_cleanup_fd(&w->pins[0]);
	mem_cleanup_fd(&w->pins[1]);
}
