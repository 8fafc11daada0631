#include "kernel.h"

#include <errno.h>
#include <linux/netfilter.h>

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
	*k = (struct kernel) {.nft = NULL};
}

int kernel_read(struct kernel *k, struct error *err)
{
	struct ruleset *now = NULL;
	int r = nft_dump(k->nft, QUAYWALL_TABLE, NFPROTO_INET, &now, err);

	if (r < 0)
		return r;
	ruleset_free(k->applied);
	k->applied = now;
	if (!now)
		k->owner = false;
	return 0;
}

/* Someone else changed the table after it was read: what was compared is no longer there. */
static bool is_stale(int r)
{
	return r == -EBUSY || r == -ENOENT || r == -EEXIST;
}

static bool tightens(const struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind != CHANGE_ADD_ELEMENTS)
			return true;
	return false;
}

static int apply_once(struct kernel *k, struct ruleset **wanted, struct kernel_change *ret,
		      struct error *err)
{
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {NULL, 0, 0};
	int r;

	ruleset_compare(k->applied, *wanted, &d);
	/* Also with nothing to change: a table that a dead daemon left is adopted. */
	r = nft_apply(k->nft, *wanted, &d, err);
	if (r < 0)
		return r;
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
		int read = kernel_read(k, err);

		if (read < 0)
			return read;
		r = apply_once(k, wanted, ret, err);
	}
	if (r < 0)
		return r;
	/* The diff that pointed into both is gone by now. */
	ruleset_free(k->applied);
	k->applied = *wanted;
	*wanted = NULL;
	return 0;
}

int kernel_flush(struct kernel *k, struct error *err)
{
	int r = nft_delete_table(k->nft, QUAYWALL_TABLE, NFPROTO_INET, err);

	if (r < 0)
		return r;
	ruleset_free(k->applied);
	k->applied = NULL;
	k->owner = false;
	return 0;
}
