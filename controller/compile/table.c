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

void compile_part(const struct compiled *c, const struct extent *extent, struct part *ret)
{
	struct writer w, whole;

	*ret = (struct part) {.ruleset = ruleset_new(QUAYWALL_TABLE, NFPROTO_INET)};
	w = (struct writer) {.c = c, .r = ret->ruleset, .sets = &ret->sets, .extent = extent};
	whole = (struct writer) {.c = c, .r = ret->ruleset, .sets = &ret->sets};
	write_some_endpoints(&w, extent->endpoints);
	for (size_t i = 0; i < extent->touched->len; i++)
		write_peer_sets(&w, &c->identities.items[extent->touched->items[i]]);
	write_self_sets(&w);
	write_some_ports(&w);
	write_denied_ports(&w);
	ret->nstaying = ret->ruleset->nsets;
	if (extent->with_shared)
		write_shared_hairpin(&whole);
	for (size_t i = 0; i < extent->whole->len; i++) {
		if (extent->whole->items[i] < c->nmanaged)
			write_identity(&whole, &c->identities.items[extent->whole->items[i]]);
	}
}

static void add_missing_sets(const struct part *from, struct part *to)
{
	struct writer w = {.r = to->ruleset, .sets = &to->sets};

	for (size_t i = 0; i < from->nstaying; i++) {
		const struct ruleset_set *s = from->ruleset->sets[i];

		set_get(&w, s->name, s->flags, s->fields, s->nfields, NULL);
	}
}

void finish_parts(struct part *was, struct part *is)
{
	add_missing_sets(was, is);
	add_missing_sets(is, was);
	tdestroy(was->sets, keep_set);
	tdestroy(is->sets, keep_set);
	ruleset_sort(was->ruleset);
	ruleset_sort(is->ruleset);
}

struct ruleset *compile_cut_table(const struct compiled *c)
{
	struct writer w = {.c = c, .r = ruleset_new(QUAYWALL_TABLE, NFPROTO_INET)};

	write_cut(&w);
	ruleset_sort(w.r);
	return w.r;
}
