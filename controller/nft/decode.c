/* Limits and chains from messages. */
#include "decode.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "quaywall/mem.h"

/* Types are 0 for the comment of a rule and of an element. */
#define NOTE_COMMENT 0

char *decode_comment(const void *notes, size_t len)
{
	const uint8_t *at = notes;

	for (size_t i = 0; i + 2 <= len && i + 2 + at[i + 1] <= len; i += 2u + at[i + 1])
		if (at[i] == NOTE_COMMENT && at[i + 1] > 0)
			return mem_strndup((const char *)at + i + 2, at[i + 1]);
	return NULL;
}

static bool is_name(const char *text, const char *want)
{
	return text && strcmp(text, want) == 0;
}

static void add_limit(struct ruleset *r, struct nftnl_obj *o)
{
	ruleset_add_limit(r, nftnl_obj_get_str(o, NFTNL_OBJ_NAME),
			  (uint32_t)nftnl_obj_get_u64(o, NFTNL_OBJ_LIMIT_RATE),
			  (uint32_t)nftnl_obj_get_u64(o, NFTNL_OBJ_LIMIT_UNIT),
			  nftnl_obj_get_u32(o, NFTNL_OBJ_LIMIT_BURST));
}

int decode_limit(const struct nlmsghdr *message, struct ruleset *r)
{
	struct nftnl_obj *o = nftnl_obj_alloc();
	int result = nftnl_obj_nlmsg_parse(message, o) < 0 ? -EBADMSG : 0;

	if (result == 0 && is_name(nftnl_obj_get_str(o, NFTNL_OBJ_TABLE), r->table) &&
	    nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE) == NFT_OBJECT_LIMIT &&
	    nftnl_obj_is_set(o, NFTNL_OBJ_NAME) && nftnl_obj_is_set(o, NFTNL_OBJ_LIMIT_RATE))
		add_limit(r, o);
	nftnl_obj_free(o);
	return result;
}

static bool read_hook(const struct nftnl_chain *c, enum ruleset_hook *ret)
{
	static const enum ruleset_hook hooks[] = {
		[NF_INET_PRE_ROUTING] = HOOK_PREROUTING,   [NF_INET_LOCAL_IN] = HOOK_INPUT,
		[NF_INET_FORWARD] = HOOK_FORWARD,	   [NF_INET_LOCAL_OUT] = HOOK_OUTPUT,
		[NF_INET_POST_ROUTING] = HOOK_POSTROUTING,
	};
	uint32_t hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);

	if (hook >= ARRAY_SIZE(hooks) ||
	    !is_name(nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE), "filter") ||
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) != NF_ACCEPT)
		return false;
	*ret = hooks[hook];
	return true;
}

static void add_chain(struct ruleset *r, const struct nftnl_chain *c)
{
	enum ruleset_hook hook = HOOK_NONE;
	bool base = nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM);
	bool known = !base || read_hook(c, &hook);
	int32_t priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO);

	/* A foreign base chain stays one, so that nobody takes it for a chain that others jump to. */
	if (!known)
		hook = HOOK_PREROUTING;
	ruleset_add_chain(r, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), hook, priority)->unknown =
		!known;
}

int decode_chain(const struct nlmsghdr *message, struct ruleset *r)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	int result = nftnl_chain_nlmsg_parse(message, c) < 0 ? -EBADMSG : 0;

	if (result == 0 && is_name(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE), r->table) &&
	    nftnl_chain_is_set(c, NFTNL_CHAIN_NAME))
		add_chain(r, c);
	nftnl_chain_free(c);
	return result;
}
