#include "quaywall/nft.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "counted.h"
#include "internal.h"
#include "quaywall/netlink.h"

struct looking {
	const char *chain;
	bool found;
	uint64_t packets;
};

static void take_first(const struct counted_rule *rule, void *data)
{
	struct looking *looking = data;

	/* A kernel that does not narrow a dump down tells of all chains. */
	if (looking->found || strcmp(rule->chain, looking->chain))
		return;
	looking->found = true;
	looking->packets = rule->packets;
}

static int found_rule(const struct nlmsghdr *m, void *data)
{
	return counted_rule(m, take_first, data);
}

int nft_chain_packets(struct nft *n, const char *table, uint8_t family, const char *chain,
		      uint64_t *ret, struct error *err)
{
	_Alignas(struct nlmsghdr) char space[1024];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, NFT_MSG_GETRULE, family, 0, 0);
	struct looking looking = {.chain = chain};
	int r;

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	r = netlink_dump(n->requests, m, found_rule, &looking);
	/* A transaction came between: the one rule that is asked for was there before it or behind it. */
	if (r < 0 && r != -EINTR && r != -ENOENT)
		return error_set(err, r, "cannot read the counter of chain %s: %s", chain,
				 strerror(-r));
	*ret = looking.packets;
	return 0;
}
