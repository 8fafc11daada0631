#include "quaywall/nft.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "decode.h"
#include "internal.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

/* A host whose rules change more often than this during one dump is not at rest for a dump at all. */
#define TRIES 50

static int found_limit(const struct nlmsghdr *m, void *data)
{
	return decode_limit(m, data);
}

static int found_set(const struct nlmsghdr *m, void *data)
{
	return decode_set(m, data);
}

static int found_chain(const struct nlmsghdr *m, void *data)
{
	return decode_chain(m, data);
}

static int found_rule(const struct nlmsghdr *m, void *data)
{
	return decode_rule(m, data);
}

static int found_elements(const struct nlmsghdr *m, void *data)
{
	return decode_elements(m, data);
}

/* All objects of a kind in R's table; SET narrows elements down. */
static int dump_kind(struct nft *n, uint16_t type, struct ruleset *r, const char *set,
		     int (*found)(const struct nlmsghdr *, void *), void *data)
{
	_Alignas(struct nlmsghdr) char space[1024];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, type, r->family, 0, 0);

	/* The table's name is attribute 1 of each kind. */
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, r->table);
	if (set)
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	return netlink_dump(n->requests, m, found, data);
}

static int dump_elements(struct nft *n, struct ruleset *r, struct ruleset_set *s)
{
	struct element_reading reading CLEANUP_ELEMENT_READING = {.set = s};
	int result;

	if (s->unknown || (s->flags & SET_DYNAMIC))
		return 0;
	result = dump_kind(n, NFT_MSG_GETSETELEM, r, s->name, found_elements, &reading);
	if (result == 0)
		decode_elements_finish(&reading);
	return result;
}

static size_t count_elements(const struct ruleset *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nsets; i++)
		n += r->sets[i]->len;
	return n;
}

/*
 * A hash that grows is rehashed later, by a worker of the kernel: what a dump sees of it then moves
 * between two messages, without a new generation. As the kernel counts its way through, for each element
 * that is missed another one comes twice.
 */
static int sort_dumped(struct ruleset *r)
{
	size_t before = count_elements(r);

	ruleset_sort(r);
	return count_elements(r) == before ? 0 : -EINTR;
}

static int dump_objects(struct nft *n, struct ruleset *r)
{
	int result = dump_kind(n, NFT_MSG_GETOBJ, r, NULL, found_limit, r);

	if (result == 0)
		result = dump_kind(n, NFT_MSG_GETSET, r, NULL, found_set, r);
	for (size_t i = 0; result == 0 && i < r->nsets; i++)
		result = dump_elements(n, r, r->sets[i]);
	if (result == 0)
		result = dump_kind(n, NFT_MSG_GETCHAIN, r, NULL, found_chain, r);
	/* Rules find their chains and sets by name, so these are sorted first. */
	if (result == 0)
		result = sort_dumped(r);
	if (result < 0)
		return result;
	return dump_kind(n, NFT_MSG_GETRULE, r, NULL, found_rule, r);
}

/* A dormant table has no base chains in force: none is as it should be. */
static void note_dormant(struct nft *n, struct ruleset *r, const struct table_state *state)
{
	bool dormant = state->flags & NFT_TABLE_F_DORMANT;

	n->dormant[r->family] = dormant;
	for (size_t i = 0; dormant && i < r->nchains; i++)
		r->chains[i]->unknown |= r->chains[i]->hook != HOOK_NONE;
}

/*
 * The kernel counts a new generation up at the beginning of a commit, and only then moves it into force,
 * element by element. A dump that begins in between is not disturbed and yet holds some of both. An empty
 * transaction waits for the lock of whoever commits, and changes nothing, not even the generation.
 */
static int wait_for_commit(struct nft *n, struct error *err)
{
	char space[256] = {0};
	size_t begin = nftnl_batch_begin(space, 0)->nlmsg_len,
	       end = nftnl_batch_end(space + begin, 0)->nlmsg_len;

	if (mnl_socket_sendto(n->requests, space, begin + end) < 0)
		return error_set(err, -errno, "cannot send an empty transaction: %s",
				 strerror(errno));
	return 0;
}

/* -EINTR: someone wrote meanwhile. */
static int dump_once(struct nft *n, const char *table, uint8_t family, struct ruleset **ret,
		     struct error *err)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new(table, family);
	uint32_t before = 0, after = 0;
	struct table_state state;
	int result = nft_generation(n, &before, err);

	if (result == 0)
		result = wait_for_commit(n, err);
	if (result == 0)
		result = table_query(n, table, family, &state, err);
	if (result < 0)
		return result;
	if (!state.exists) {
		*ret = NULL;
		return 0;
	}
	result = dump_objects(n, r);
	if (result == -ENOENT || result == -EINTR || result == -ENOBUFS)
		return -EINTR;
	if (result < 0)
		return error_set(err, result, "cannot read table %s: %s", table, strerror(-result));
	result = nft_generation(n, &after, err);
	if (result < 0)
		return result;
	if (before != after)
		return -EINTR;
	note_dormant(n, r, &state);
	*ret = r;
	r = NULL;
	return 0;
}

int nft_dump(struct nft *n, const char *table, uint8_t family, struct ruleset **ret,
	     struct error *err)
{
	int result = -EINTR;

	for (int i = 0; i < TRIES && result == -EINTR; i++)
		result = dump_once(n, table, family, ret, err);
	if (result == -EINTR)
		return error_set(err, result, "cannot read table %s: it changes all the time",
				 table);
	return result;
}
