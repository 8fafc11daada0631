#include "quaywall/nft.h"

#include <assert.h>
#include <errno.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "encode.h"
#include "internal.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define OWNED (NFT_TABLE_F_OWNER | TABLE_PERSIST)

/* With more elements than this, the monitor is left for the time being. */
#define BULK 2000

#define DELETE_TRIES 5

/* ---- who owns a table ---- */

static int read_table(const struct nlmsghdr *message, void *data)
{
	struct table_state *state = data;
	struct nftnl_table *t = nftnl_table_alloc();
	int r = nftnl_table_nlmsg_parse(message, t) < 0 ? -EBADMSG : 0;

	if (r == 0) {
		state->exists = true;
		state->flags = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS);
		state->owner = nftnl_table_get_u32(t, NFTNL_TABLE_OWNER);
	}
	nftnl_table_free(t);
	return r;
}

int table_query(struct nft *n, const char *table, uint8_t family, struct table_state *ret,
		struct error *err)
{
	_Alignas(struct nlmsghdr) char space[512];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, NFT_MSG_GETTABLE, family, 0, 0);
	struct table_state state = {0};
	int r;

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, table);
	r = netlink_query(n->requests, m, read_table, &state);
	if (r < 0 && r != -ENOENT)
		return error_set(err, r, "cannot read table %s: %s", table, strerror(-r));
	*ret = state;
	return 0;
}

static bool is_ours(const struct nft *n, const struct target *t)
{
	return n->owned[t->family] && strcmp(n->owned[t->family], t->table) == 0;
}

static void forget_owned(struct nft *n, uint8_t family)
{
	free(n->owned[family]);
	n->owned[family] = NULL;
}

static void remember_owned(struct nft *n, const struct target *t)
{
	if (is_ours(n, t))
		return;
	forget_owned(n, t->family);
	n->owned[t->family] = mem_strdup(t->table);
}

/*
 * A kernel with both flags accepts a table with them; others know nothing of the second and refuse it.
 * The transaction is not committed.
 */
int nft_set_owner(struct nft *n, bool *ret, struct error *err)
{
	const struct target probe = {.table = "quaywall-probe", .family = NFPROTO_INET};
	struct batch b CLEANUP_BATCH = {0};
	int r;

	batch_begin(&b, n);
	encode_add_table(&b, &probe, OWNED, NLM_F_CREATE);
	r = batch_send(&b, n, false, NULL);
	if (r < 0 && r != -EINVAL && r != -EOPNOTSUPP)
		return error_set(err, r, "cannot ask the kernel for owned tables: %s",
				 strerror(-r));
	n->owner = r == 0;
	*ret = n->owner;
	return 0;
}

/* ---- a difference as a transaction ---- */

static void encode_change(struct batch *b, const struct target *t, uint32_t flags,
			  const struct ruleset_change *c)
{
	switch (c->kind) {
	case CHANGE_DELETE_TABLE:
		encode_delete_table(b, t);
		return;
	case CHANGE_ADD_TABLE:
		encode_add_table(b, t, flags, NLM_F_CREATE | NLM_F_EXCL);
		return;
	case CHANGE_FLUSH_RULES:
		encode_flush_rules(b, t, c->chain);
		return;
	case CHANGE_DELETE_ELEMENTS:
	case CHANGE_ADD_ELEMENTS:
		encode_elements(b, t, c);
		return;
	case CHANGE_DELETE_CHAIN:
		encode_delete_chain(b, t, c->chain);
		return;
	case CHANGE_DELETE_SET:
		encode_delete_set(b, t, c->set);
		return;
	case CHANGE_DELETE_LIMIT:
		encode_delete_limit(b, t, c->limit);
		return;
	case CHANGE_ADD_LIMIT:
		encode_add_limit(b, t, c->limit);
		return;
	case CHANGE_ADD_SET:
		encode_add_set(b, t, c->set, (uint32_t)b->sent.len + 1);
		return;
	case CHANGE_ADD_CHAIN:
		encode_add_chain(b, t, c->chain);
		return;
	case CHANGE_SET_RULES:
		encode_add_rules(b, t, c->chain);
	}
}

static void encode_diff(struct batch *b, const struct target *t, uint32_t flags,
			const struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		encode_change(b, t, flags, &d->items[i]);
}

static bool is_bulk(const struct nft_change *changes, size_t len)
{
	size_t elements = 0;

	for (size_t i = 0; i < len; i++)
		for (size_t j = 0; changes[i].diff && j < changes[i].diff->len; j++)
			elements += changes[i].diff->items[j].len;
	return elements > BULK;
}

/* Sends B with the monitor out of the way. */
static int send_bulk(struct nft *n, struct batch *b, struct error *err)
{
	uint32_t before = 0;
	int r = monitor_pause(n, &before, err), resumed;

	if (r < 0)
		return r;
	r = batch_send(b, n, true, err);
	resumed = monitor_resume(n, before, r < 0 ? NULL : err);
	return r < 0 ? r : resumed;
}

/* How a table becomes what is wanted. */
enum way { WAY_CHANGE, WAY_ADOPT, WAY_CREATE, WAY_REPLACE, WAY_DELETE };

static struct target target_of(const struct nft_change *c)
{
	return (struct target) {.table = c->table, .family = c->family};
}

static bool adds_table(const struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind == CHANGE_ADD_TABLE)
			return true;
	return false;
}

static int query_ours(struct nft *n, const struct nft_change *c, struct table_state *ret,
		      struct error *err)
{
	int r = table_query(n, c->table, c->family, ret, err);

	if (r < 0)
		return r;
	if ((ret->flags & NFT_TABLE_F_OWNER) && ret->owner != mnl_socket_get_portid(n->requests))
		return error_set(err, -EPERM, "another process owns table %s", c->table);
	return 0;
}

/* The first change of a table that is not known to be ours. One without the flags cannot get them: the
 * kernel (6.9) lets only an orphan be adopted, which has persist already. So it goes and comes again with
 * all in it. */
static int choose_as_owner(struct nft *n, const struct nft_change *c, enum way *ret,
			   struct error *err)
{
	struct table_state state;
	int r = query_ours(n, c, &state, err);

	if (r < 0)
		return r;
	if (adds_table(c->diff) || !state.exists)
		*ret = WAY_CHANGE;
	else if (!(state.flags & OWNED) || n->dormant[c->family])
		*ret = WAY_REPLACE;
	else
		*ret = (state.flags & OWNED) == TABLE_PERSIST ? WAY_ADOPT : WAY_CHANGE;
	return 0;
}

static int choose_unseen(struct nft *n, const struct nft_change *c, enum way *ret,
			 struct error *err)
{
	struct table_state state;
	int r = query_ours(n, c, &state, err);

	if (r == 0)
		*ret = state.exists ? WAY_REPLACE : WAY_CREATE;
	return r;
}

/* A dormant table cannot be woken while its base chains change: it is made anew, too. */
static int choose_way(struct nft *n, const struct nft_change *c, enum way *ret, struct error *err)
{
	const struct target t = target_of(c);

	*ret = WAY_CHANGE;
	if (!c->wanted)
		*ret = WAY_DELETE;
	else if (!c->diff)
		return choose_unseen(n, c, ret, err);
	else if (n->owner && (!is_ours(n, &t) || adds_table(c->diff)))
		return choose_as_owner(n, c, ret, err);
	else if (n->dormant[c->family] && c->diff->len && !adds_table(c->diff))
		*ret = WAY_REPLACE;
	return 0;
}

/* WHOLE outlives the batch, whose origins point into it. */
static void encode_table(struct nft *n, struct batch *b, const struct nft_change *c, enum way way,
			 struct ruleset_diff *whole)
{
	const struct target t = target_of(c);
	uint32_t flags = n->owner ? OWNED : 0;

	if (way == WAY_DELETE || way == WAY_REPLACE)
		encode_delete_table(b, &t);
	if (way == WAY_DELETE)
		return;
	if (way == WAY_ADOPT)
		encode_add_table(b, &t, flags, NLM_F_CREATE);
	if (way == WAY_REPLACE || way == WAY_CREATE)
		ruleset_compare(NULL, c->wanted, whole);
	encode_diff(b, &t, flags, whole->len ? whole : c->diff);
}

static void note_outcome(struct nft *n, const struct nft_change *c, enum way way, int r)
{
	const struct target t = target_of(c);

	if (r == 0 && (way == WAY_REPLACE || way == WAY_CREATE))
		n->dormant[c->family] = false;
	/* After a failure: perhaps it was deleted and created by others. Look again next time. */
	if (r < 0 || way == WAY_DELETE)
		forget_owned(n, c->family);
	else if (n->owner)
		remember_owned(n, &t);
}

int nft_apply(struct nft *n, const struct nft_change *changes, size_t len, struct error *err)
{
	struct ruleset_diff whole[NFT_CHANGES_MAX] = {0};
	struct batch b CLEANUP_BATCH = {0};
	enum way ways[NFT_CHANGES_MAX];
	int r = 0;

	assert(len <= NFT_CHANGES_MAX);
	batch_begin(&b, n);
	for (size_t i = 0; r == 0 && i < len; i++) {
		r = choose_way(n, &changes[i], &ways[i], err);
		if (r == 0)
			encode_table(n, &b, &changes[i], ways[i], &whole[i]);
	}
	if (r == 0) {
		if (b.sent.len > 1)
			r = n->watching && is_bulk(changes, len) ? send_bulk(n, &b, err)
								 : batch_send(&b, n, true, err);
		for (size_t i = 0; i < len; i++)
			note_outcome(n, &changes[i], ways[i], r);
	}
	for (size_t i = 0; i < len; i++)
		ruleset_diff_done(&whole[i]);
	return r;
}

/* Tables of a name, in whatever family. */
struct namesakes {
	const char *name;
	uint8_t families[FAMILIES];
	size_t len;
};

static int find_namesake(const struct nlmsghdr *message, void *data)
{
	struct namesakes *s = data;
	struct nftnl_table *t = nftnl_table_alloc();
	int r = nftnl_table_nlmsg_parse(message, t) < 0 ? -EBADMSG : 0;

	if (r == 0 && s->len < FAMILIES &&
	    strcmp(nftnl_table_get_str(t, NFTNL_TABLE_NAME), s->name) == 0)
		s->families[s->len++] = (uint8_t)nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY);
	nftnl_table_free(t);
	return r;
}

static int delete_once(struct nft *n, const char *table, struct error *err)
{
	_Alignas(struct nlmsghdr) char space[256];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, NFT_MSG_GETTABLE, AF_UNSPEC, 0, 0);
	struct namesakes s = {.name = table};
	struct nft_change changes[NFT_CHANGES_MAX];
	int r = netlink_dump(n->requests, m, find_namesake, &s);

	if (r < 0)
		return error_set(err, r, "cannot list the tables: %s", strerror(-r));
	if (s.len > NFT_CHANGES_MAX)
		s.len = NFT_CHANGES_MAX;
	for (size_t i = 0; i < s.len; i++)
		changes[i] = (struct nft_change) {.table = table, .family = s.families[i]};
	return nft_apply(n, changes, s.len, err);
}

int nft_delete_tables(struct nft *n, const char *table, struct error *err)
{
	int r = delete_once(n, table, err);

	/* Someone else was at it, too. */
	for (int i = 0; i < DELETE_TRIES && (r == -ENOENT || r == -EINTR); i++)
		r = delete_once(n, table, err);
	return r;
}
