#include "kernel.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/compile.h"
#include "quaywall/mem.h"

#define ATTEMPTS 5

int kernel_open(struct kernel *k, bool owner, struct error *err)
{
	int r = nft_open(-1, &k->nft, err);

	if (r < 0)
		return r;
	if (owner) {
		r = nft_set_owner(k->nft, &k->can_own, err);
		if (r < 0)
			return r;
	}
	return kernel_read(k, err);
}

static void drop(struct kernel *k)
{
	ruleset_free(k->applied);
	ruleset_free(k->bridge);
	k->applied = k->bridge = NULL;
}

void kernel_done(struct kernel *k)
{
	nft_close(k->nft);
	drop(k);
	free(k->bridge_error);
	*k = (struct kernel) {.nft = NULL};
}

void kernel_wanted_done(struct kernel_wanted *w)
{
	ruleset_free(w->inet);
	ruleset_free(w->bridge);
}

/* The place of a family's table. */
static struct ruleset **applied(struct kernel *k, uint8_t family)
{
	return family == NFPROTO_BRIDGE ? &k->bridge : &k->applied;
}

static int read_table(struct kernel *k, uint8_t family, struct error *err)
{
	struct ruleset *now = NULL;
	int r = nft_dump(k->nft, QUAYWALL_TABLE, family, &now, err);

	/* A kernel without tables of the family has none. */
	if (family == NFPROTO_BRIDGE && (r == -EAFNOSUPPORT || r == -EOPNOTSUPP)) {
		error_done(err);
		r = 0;
	}
	if (r < 0)
		return r;
	ruleset_free(*applied(k, family));
	*applied(k, family) = now;
	return 0;
}

int kernel_read(struct kernel *k, struct error *err)
{
	int r = read_table(k, NFPROTO_INET, err);

	if (r < 0)
		return r;
	if (!k->applied)
		k->owner = false;
	r = read_table(k, NFPROTO_BRIDGE, err);
	if (r == 0)
		k->held = KERNEL_KEPT;
	return r;
}

bool kernel_has_table(const struct kernel *k)
{
	return k->held != KERNEL_KEPT || k->applied;
}

bool kernel_has_bridge(const struct kernel *k)
{
	return k->held == KERNEL_KEPT ? k->bridge != NULL : k->has_bridge;
}

void kernel_forget(struct kernel *k)
{
	if (k->held != KERNEL_KEPT || !k->applied)
		return;
	k->has_bridge = k->bridge;
	k->held = KERNEL_AS_COMPILED;
	drop(k);
}

int kernel_recall(struct kernel *k, const struct compiled *c, struct error *err)
{
	if (k->held == KERNEL_UNSURE)
		return kernel_read(k, err);
	if (k->held == KERNEL_KEPT)
		return 0;
	drop(k);
	k->applied = compile_ruleset(c);
	k->bridge = k->has_bridge ? compile_bridge_ruleset(c) : NULL;
	k->held = KERNEL_KEPT;
	return 0;
}

bool kernel_can_follow(const struct kernel *k)
{
	return k->held == KERNEL_AS_COMPILED && !k->bridge_error && !k->blind;
}

/* Someone else changed the table after it was read: what was compared is no longer there. */
static bool is_stale(int r)
{
	return r == -EBUSY || r == -ENOENT || r == -EEXIST;
}

/* One of the tables, and what it is to become. */
struct part {
	uint8_t family;
	struct ruleset **wanted;
	const struct ruleset *was; /* of a step: what it is the difference to */
};

#define PARTS 2

static int apply_once(struct kernel *k, const struct part *parts, size_t n,
		      struct kernel_change *ret, struct error *err)
{
	struct ruleset_diff diffs[PARTS] = {0};
	struct nft_change changes[PARTS] = {0};
	struct kernel_change done = {0};
	enum tightens tightens;
	size_t len = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		const struct ruleset *wanted = *parts[i].wanted;
		const struct ruleset *have =
			parts[i].was ? parts[i].was : *applied(k, parts[i].family);

		if (!wanted && !have)
			continue;
		if (wanted)
			ruleset_compare(k->blind ? NULL : have, wanted, &diffs[i]);
		done.steps += wanted ? diffs[i].len : 1;
		tightens = parts[i].family == NFPROTO_INET ? tightens_of(&diffs[i], k->left)
							   : TIGHTENS_NONE;
		done.tightens = tightens > done.tightens ? tightens : done.tightens;
		changes[len++] = (struct nft_change) {QUAYWALL_TABLE, parts[i].family, wanted,
						      wanted && !k->blind ? &diffs[i] : NULL};
	}
	/* Also with nothing to change: a table that a dead daemon left is adopted. */
	r = nft_apply(k->nft, changes, len, err);
	for (size_t i = 0; i < n; i++)
		ruleset_diff_done(&diffs[i]);
	if (r < 0)
		return r;
	k->transactions += done.steps > 0;
	*ret = done;
	return 0;
}

static int read_parts(struct kernel *k, const struct part *parts, size_t n, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_table(k, parts[i].family, err);
	return r;
}

static int apply_parts(struct kernel *k, const struct part *parts, size_t n,
		       struct kernel_change *ret, struct error *err)
{
	int r = apply_once(k, parts, n, ret, err), tries;

	for (tries = 1; is_stale(r) && tries < ATTEMPTS; tries++) {
		int read = k->blind ? 0 : read_parts(k, parts, n, err);

		if (read < 0)
			return read;
		r = apply_once(k, parts, n, ret, err);
	}
	k->restored += r == 0 && tries > 1;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct ruleset **now = applied(k, parts[i].family);

		ruleset_free(*now);
		*now = *parts[i].wanted;
		*parts[i].wanted = NULL;
	}
	return r;
}

int kernel_follow(struct kernel *k, struct compile_step *s, struct kernel_change *ret,
		  struct error *err)
{
	const struct part parts[PARTS] = {{NFPROTO_INET, &s->is, s->was},
					  {NFPROTO_BRIDGE, &s->bridge_is, s->bridge_was}};
	int r = apply_once(k, parts, PARTS, ret, err);

	if (r < 0)
		k->held = KERNEL_UNSURE;
	return r;
}

int kernel_add_elements(struct kernel *k, const struct ruleset *table, const struct ruleset_diff *d,
			struct error *err)
{
	const struct nft_change change = {QUAYWALL_TABLE, table->family, table, d};

	return nft_apply(k->nft, &change, 1, err);
}

/* What has nothing to do with the family bridge, and may be over at the next try. */
static bool is_passing(int r)
{
	return r == -EBUSY || r == -EEXIST || r == -EINTR || r == -ENOMEM || r == -ENOBUFS;
}

static void note_bridge(struct kernel *k, int r, const struct error *err)
{
	free(k->bridge_error);
	k->bridge_error = r < 0 ? mem_strdup(error_text(err)) : NULL;
}

int kernel_apply(struct kernel *k, struct kernel_wanted *w, struct kernel_change *ret,
		 struct error *err)
{
	const struct part both[PARTS] = {{NFPROTO_INET, &w->inet, NULL},
					 {NFPROTO_BRIDGE, &w->bridge, NULL}};
	CLEANUP_ERROR struct error why = ERROR_INIT;
	struct kernel_change change;
	int r = k->bridge_error ? -EAGAIN : apply_parts(k, both, PARTS, ret, err);

	if (r < 0 && !is_passing(r)) {
		error_done(err);
		r = apply_parts(k, both, 1, ret, err);
		if (r == 0)
			note_bridge(k, apply_parts(k, both + 1, 1, &change, &why), &why);
	}
	if (r == 0)
		k->owner = k->can_own;
	return r;
}

static bool is_ours(const struct ruleset *r)
{
	for (size_t i = 0; i < r->nsets; i++)
		if (r->sets[i]->unknown)
			return false;
	for (size_t i = 0; i < r->nchains; i++) {
		if (r->chains[i]->unknown)
			return false;
		for (size_t rule = 0; rule < r->chains[i]->len; rule++)
			if (r->chains[i]->rules[rule].unknown)
				return false;
	}
	return true;
}

static int keep(struct kernel *k, struct kernel_wanted *was, struct error *err)
{
	struct part parts[PARTS];
	struct kernel_change change;
	size_t n = 0;
	int r;

	if (was->inet && is_ours(was->inet))
		parts[n++] = (struct part) {NFPROTO_INET, &was->inet, NULL};
	if (was->bridge && is_ours(was->bridge))
		parts[n++] = (struct part) {NFPROTO_BRIDGE, &was->bridge, NULL};
	r = n ? apply_parts(k, parts, n, &change, err) : 0;
	if (r == 0 && n && parts[0].family == NFPROTO_INET)
		k->owner = k->can_own;
	return r;
}

int kernel_keep(struct kernel *k, struct error *err)
{
	CLEANUP_WANTED struct kernel_wanted was = {k->applied, k->bridge};
	int r;

	k->applied = k->bridge = NULL;
	r = kernel_read(k, err);
	if (r == 0)
		r = keep(k, &was, err);
	if (r == 0)
		return 0;
	/* To be tried again. */
	if (was.inet) {
		ruleset_free(k->applied);
		k->applied = was.inet;
	}
	if (was.bridge) {
		ruleset_free(k->bridge);
		k->bridge = was.bridge;
	}
	was = (struct kernel_wanted) {NULL, NULL};
	return r;
}

int kernel_flush(struct kernel *k, struct error *err)
{
	int r = nft_delete_tables(k->nft, QUAYWALL_TABLE, err);

	if (r < 0)
		return r;
	drop(k);
	k->held = KERNEL_KEPT;
	k->owner = false;
	note_bridge(k, 0, NULL);
	return 0;
}
