#include "ruleset-internal.h"

#include <linux/netfilter.h>
#include <search.h>

/* The tree goes, the sets stay the ruleset's. */
static void keep_set(void *set)
{
	(void)set;
}

static void write_identity(const struct writer *w, const struct identity *id)
{
	for (enum side side = SIDE_FROM; side <= SIDE_LOCAL; side++)
		write_side(w, id, side);
	write_resumes(w, id);
	write_publish(w, id);
}

struct ruleset *compile_ruleset(const struct compiled *c)
{
	void *sets = NULL;
	struct writer w = {.c = c, .r = ruleset_new(QUAYWALL_TABLE, NFPROTO_INET), .sets = &sets};

	write_endpoint_maps(&w);
	write_skeleton(&w);
	write_endpoints(&w);
	for (size_t i = 0; i < c->nmanaged; i++)
		write_identity(&w, &c->identities.items[i]);
	tdestroy(sets, keep_set);
	ruleset_sort(w.r);
	return w.r;
}

struct ruleset *compile_part(const struct compiled *c, const struct extent *extent)
{
	void *sets = NULL;
	struct writer w = {.c = c,
			   .r = ruleset_new(QUAYWALL_TABLE, NFPROTO_INET),
			   .sets = &sets,
			   .extent = extent};
	struct writer whole = {.c = c, .r = w.r, .sets = &sets};

	write_some_endpoints(&w, extent->endpoints);
	for (size_t i = 0; i < extent->touched->len; i++)
		write_peer_sets(&w, &c->identities.items[extent->touched->items[i]]);
	if (extent->with_shared)
		write_shared_hairpin(&whole);
	for (size_t i = 0; i < extent->whole->len; i++) {
		if (extent->whole->items[i] < c->nmanaged)
			write_identity(&whole, &c->identities.items[extent->whole->items[i]]);
	}
	tdestroy(sets, keep_set);
	ruleset_sort(w.r);
	return w.r;
}

struct ruleset *compile_cut_table(const struct compiled *c)
{
	struct writer w = {.c = c, .r = ruleset_new(QUAYWALL_TABLE, NFPROTO_INET)};

	write_cut(&w);
	ruleset_sort(w.r);
	return w.r;
}
