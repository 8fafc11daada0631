/* Tables, limits and chains as messages. */
#include "encode.h"

#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "quaywall/mem.h"

#define NEW (NLM_F_CREATE | NLM_F_EXCL)

static const uint32_t hooks[] = {
	[HOOK_PREROUTING] = NF_INET_PRE_ROUTING,   [HOOK_INPUT] = NF_INET_LOCAL_IN,
	[HOOK_FORWARD] = NF_INET_FORWARD,	   [HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
	[HOOK_POSTROUTING] = NF_INET_POST_ROUTING,
};

static void put_table(struct batch *b, const struct target *t, uint16_t type, uint16_t nlm,
		      uint32_t flags)
{
	const struct origin origin = {.what = "table", .name = t->table};
	struct nlmsghdr *m = batch_message(b, type, t->family, nlm, &origin);
	struct nftnl_table *table = nftnl_table_alloc();

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, t->table);
	if (type == NFT_MSG_NEWTABLE)
		nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, flags);
	nftnl_table_nlmsg_build_payload(m, table);
	nftnl_table_free(table);
}

void encode_add_table(struct batch *b, const struct target *t, uint32_t flags, uint16_t nlm)
{
	put_table(b, t, NFT_MSG_NEWTABLE, nlm, flags);
}

void encode_delete_table(struct batch *b, const struct target *t)
{
	put_table(b, t, NFT_MSG_DELTABLE, 0, 0);
}

/* limit NAME { rate RATE/UNIT burst BURST packets } */
static void put_limit(struct batch *b, const struct target *t, uint16_t type, uint16_t nlm,
		      const struct ruleset_limit *limit)
{
	const struct origin origin = {.what = "limit", .name = limit->name};
	struct nlmsghdr *m = batch_message(b, type, t->family, nlm, &origin);
	struct nftnl_obj *o = nftnl_obj_alloc();

	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, t->table);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, limit->name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_LIMIT);
	if (type == NFT_MSG_NEWOBJ) {
		nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_RATE, limit->rate);
		nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_UNIT, limit->unit);
		nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_BURST, limit->burst);
		nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_TYPE, NFT_LIMIT_PKTS);
		nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_FLAGS, 0);
	}
	nftnl_obj_nlmsg_build_payload(m, o);
	nftnl_obj_free(o);
}

void encode_add_limit(struct batch *b, const struct target *t, const struct ruleset_limit *limit)
{
	put_limit(b, t, NFT_MSG_NEWOBJ, NEW, limit);
}

void encode_delete_limit(struct batch *b, const struct target *t, const struct ruleset_limit *limit)
{
	put_limit(b, t, NFT_MSG_DELOBJ, 0, limit);
}

/* type filter hook HOOK priority PRIORITY; policy accept; */
static void put_hook(struct nftnl_chain *chain, const struct ruleset_chain *c)
{
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hooks[c->hook]);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, c->priority);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
}

static void put_chain(struct batch *b, const struct target *t, uint16_t type, uint16_t nlm,
		      const struct ruleset_chain *c)
{
	const struct origin origin = {.what = "chain", .name = c->name};
	struct nlmsghdr *m = batch_message(b, type, t->family, nlm, &origin);
	struct nftnl_chain *chain = nftnl_chain_alloc();

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, t->table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
	if (type == NFT_MSG_NEWCHAIN && c->hook != HOOK_NONE)
		put_hook(chain, c);
	nftnl_chain_nlmsg_build_payload(m, chain);
	nftnl_chain_free(chain);
}

void encode_add_chain(struct batch *b, const struct target *t, const struct ruleset_chain *c)
{
	put_chain(b, t, NFT_MSG_NEWCHAIN, NEW, c);
}

void encode_delete_chain(struct batch *b, const struct target *t, const struct ruleset_chain *c)
{
	put_chain(b, t, NFT_MSG_DELCHAIN, 0, c);
}
