/*
 * Stands between the daemon and the kernel (LD_PRELOAD), and makes the kernel answer as those before 6.9
 * do when they are asked for a table with both flags, owner and persist: it asks for one more, which no
 * kernel knows. So the daemon's own decision is tested, and needs no switch for it.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#define PROBE	     "quaywall-probe"
#define UNKNOWN_FLAG 0x40000000u

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *data, size_t len);

static void spoil(struct nlmsghdr *m)
{
	uint32_t *flags = NULL;
	struct nlattr *attr;
	int probe = 0;

	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			probe = !strcmp(mnl_attr_get_str(attr), PROBE);
		else if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS)
			flags = mnl_attr_get_payload(attr);
	}
	if (probe && flags)
		*flags |= htonl(UNKNOWN_FLAG);
}

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *data, size_t len)
{
	ssize_t (*next)(const struct mnl_socket *, const void *, size_t);
	char *copy = malloc(len);
	struct nlmsghdr *m;
	int left = (int)len;
	ssize_t sent;

	*(void **)&next = dlsym(RTLD_NEXT, "mnl_socket_sendto");
	if (!copy || !next)
		abort();
	memcpy(copy, data, len);
	for (m = (struct nlmsghdr *)copy; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
		if (m->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE))
			spoil(m);
	sent = next(s, copy, len);
	free(copy);
	return sent;
}
