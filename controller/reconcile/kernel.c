#include "kernel.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#include "quaywall/compile.h"

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

void kernel_done(struct kernel *k)
{
	nft_close(k->nft);
	ruleset_free(k->applied);
	ruleset_free(k->bridge);
	*k = (struct kernel) {.nft = NULL};
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
	return read_table(k, NFPROTO_BRIDGE, err);
}

/* Someone else changed the table after it was read: what was compared is no longer there. */
static bool is_stale(int r)
{
	return r == -EBUSY || r == -ENOENT || r == -EEXIST;
}

/* Whether elements that come into the set can only let more pass: an endpoint's address was unknown and
 * refused before, and an allowed peer was not. What comes into another set may refuse what passed: a
 * published port that docker-proxy serves was nobody's until it was known. */
static bool only_opens(const struct ruleset_set *s)
{
	return !strncmp(s->name, "endpoints_", strlen("endpoints_")) || strstr(s->name, ".allow");
}

static bool tightens(const struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind != CHANGE_ADD_ELEMENTS || !only_opens(d->items[i].set))
			return true;
	return false;
}

static int apply_once(struct kernel *k, struct ruleset **wanted, struct kernel_change *ret,
		      struct error *err)
{
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {NULL, 0, 0};
	int r;

	ruleset_compare(*applied(k, (*wanted)->family), *wanted, &d);
	/* Also with nothing to change: a table that a dead daemon left is adopted. */
	r = nft_apply(k->nft, *wanted, &d, err);
	if (r < 0)
		return r;
	if ((*wanted)->family == NFPROTO_INET)
		k->owner = k->can_own;
	if (d.len)
		k->transactions++;
	*ret = (struct kernel_change) {.steps = d.len, .tightens = tightens(&d)};
	return 0;
}

int kernel_apply(struct kernel *k, struct ruleset **wanted, struct kernel_change *ret,
		 struct error *err)
{
	int r = apply_once(k, wanted, ret, err);

	for (int i = 1; is_stale(r) && i < ATTEMPTS; i++) {
		int read = read_table(k, (*wanted)->family, err);

		if (read < 0)
			return read;
		r = apply_once(k, wanted, ret, err);
	}
	if (r < 0)
		return r;
	/* The diff that pointed into both is gone by now. */
	ruleset_free(*applied(k, (*wanted)->family));
	*applied(k, (*wanted)->family) = *wanted;
	*wanted = NULL;
	return 0;
}

static int delete_table(struct kernel *k, uint8_t family, struct error *err)
{
	int r = nft_delete_table(k->nft, QUAYWALL_TABLE, family, err);

	if (r < 0)
		return r;
	ruleset_free(*applied(k, family));
	*applied(k, family) = NULL;
	return 0;
}

int kernel_apply_bridge(struct kernel *k, struct ruleset **wanted, struct error *err)
{
	struct kernel_change change;
	int r;

	if (*wanted)
		return kernel_apply(k, wanted, &change, err);
	if (!k->bridge)
		return 0;
	r = delete_table(k, NFPROTO_BRIDGE, err);
	if (r == 0)
		k->transactions++;
	return r;
}

int kernel_flush(struct kernel *k, struct error *err)
{
	int r = delete_table(k, NFPROTO_INET, err);

	if (r < 0)
		return r;
	k->owner = false;
	return k->bridge ? delete_table(k, NFPROTO_BRIDGE, err) : 0;
}
