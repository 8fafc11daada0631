#include "quaywall/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

/* Refusals then say which attribute was bad, and do not send the message back with all in it. Older
 * kernels do without. */
static void want_short_answers(struct mnl_socket *s)
{
	int one = 1;

	(void)mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &one, sizeof(one));
}

int nft_open(int netns_fd, struct nft **ret, struct error *err)
{
	struct nft *n CLEANUP_NFT = mem_new(1, sizeof(*n));
	int r;

	r = netlink_open(NETLINK_NETFILTER, netns_fd, 0, &n->requests, err);
	if (r < 0)
		return r;
	r = netlink_open(NETLINK_NETFILTER, netns_fd, SOCK_NONBLOCK, &n->monitor, err);
	if (r < 0)
		return r;
	want_short_answers(n->requests);
	*ret = n;
	n = NULL;
	return 0;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	if (n->requests)
		mnl_socket_close(n->requests);
	if (n->monitor)
		mnl_socket_close(n->monitor);
	for (size_t i = 0; i < ARRAY_SIZE(n->owned); i++)
		free(n->owned[i]);
	free(n);
}

static int read_generation(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_GEN_ID)
			continue;
		if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			return -EBADMSG;
		*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int nft_generation(struct nft *n, uint32_t *ret, struct error *err)
{
	_Alignas(struct nlmsghdr) char space[256];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, NFT_MSG_GETGEN, AF_UNSPEC, 0, 0);
	int r = netlink_query(n->requests, m, read_generation, ret);

	if (r < 0)
		return error_set(err, r, "cannot read the generation of the rules: %s",
				 strerror(-r));
	return 0;
}
