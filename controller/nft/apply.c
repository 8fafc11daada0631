#include "quaywall/nft.h"

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

static bool is_bulk(const struct ruleset_diff *d)
{
	size_t elements = 0;

	for (size_t i = 0; i < d->len; i++)
		elements += d->items[i].len;
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

static int send_diff(struct nft *n, struct batch *b, const struct ruleset_diff *d,
		     struct error *err)
{
	if (n->watching && is_bulk(d))
		return send_bulk(n, b, err);
	return batch_send(b, n, true, err);
}

static bool adds_table(const struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind == CHANGE_ADD_TABLE)
			return true;
	return false;
}

/* A table without the flags cannot get them: the kernel (6.9) lets only an orphan be adopted, which has
 * persist already. Nor can a dormant one be woken while its base chains change. So it goes and comes
 * again with all in it, in one transaction. */
static int replace_table(struct nft *n, const struct ruleset *wanted, struct error *err)
{
	const struct target t = {.table = wanted->table, .family = wanted->family};
	struct ruleset_diff whole CLEANUP_RULESET_DIFF = {0};
	struct batch b CLEANUP_BATCH = {0};
	int r;

	ruleset_compare(NULL, wanted, &whole);
	batch_begin(&b, n);
	encode_delete_table(&b, &t);
	encode_diff(&b, &t, n->owner ? OWNED : 0, &whole);
	r = send_diff(n, &b, &whole, err);
	if (r < 0)
		return r;
	n->dormant[t.family] = false;
	if (n->owner)
		remember_owned(n, &t);
	return 0;
}

/* The first change of a table that is not known to be ours. */
static int apply_as_owner(struct nft *n, const struct ruleset *wanted, const struct ruleset_diff *d,
			  struct error *err)
{
	const struct target t = {.table = wanted->table, .family = wanted->family};
	struct batch b CLEANUP_BATCH = {0};
	struct table_state state;
	int r = table_query(n, t.table, t.family, &state, err);

	if (r < 0)
		return r;
	if ((state.flags & NFT_TABLE_F_OWNER) && state.owner != mnl_socket_get_portid(n->requests))
		return error_set(err, -EPERM, "another process owns table %s", t.table);
	if (state.exists && !(state.flags & OWNED) && !adds_table(d))
		return replace_table(n, wanted, err);
	batch_begin(&b, n);
	if (state.exists && (state.flags & OWNED) == TABLE_PERSIST)
		encode_add_table(&b, &t, OWNED, NLM_F_CREATE);
	encode_diff(&b, &t, OWNED, d);
	r = b.sent.len > 1 ? send_diff(n, &b, d, err) : 0;
	if (r == 0)
		remember_owned(n, &t);
	return r;
}

int nft_apply(struct nft *n, const struct ruleset *wanted, const struct ruleset_diff *d,
	      struct error *err)
{
	const struct target t = {.table = wanted->table, .family = wanted->family};
	struct batch b CLEANUP_BATCH = {0};
	int r;

	if (n->owner && (!is_ours(n, &t) || adds_table(d)))
		return apply_as_owner(n, wanted, d, err);
	if (d->len == 0)
		return 0;
	if (n->dormant[t.family] && !adds_table(d))
		return replace_table(n, wanted, err);
	batch_begin(&b, n);
	encode_diff(&b, &t, n->owner ? OWNED : 0, d);
	r = send_diff(n, &b, d, err);
	/* Perhaps it was deleted and created by others: look again next time. */
	if (r < 0)
		forget_owned(n, t.family);
	return r;
}

int nft_delete_table(struct nft *n, const char *table, uint8_t family, struct error *err)
{
	const struct target t = {.table = table, .family = family};
	struct batch b CLEANUP_BATCH = {0};
	int r;

	batch_begin(&b, n);
	encode_delete_table(&b, &t);
	r = batch_send(&b, n, true, err);
	if (r == -ENOENT) {
		error_done(err);
		r = 0;
	}
	if (r == 0 && is_ours(n, &t))
		forget_owned(n, t.family);
	return r;
}
