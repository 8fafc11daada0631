#include "quaywall/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "rule.h"
#include "quaywall/mem.h"

/*
 * Everything below is asked in one form, 'what of A is not in B the same way?', and asked twice: of the
 * old ruleset it is what goes, of the wanted one what comes.
 */

static const struct ruleset_limit *same_limit(const struct ruleset *in,
					      const struct ruleset_limit *limit)
{
	for (size_t i = 0; i < in->nlimits; i++) {
		const struct ruleset_limit *other = &in->limits[i];

		if (strcmp(other->name, limit->name) == 0 && other->rate == limit->rate &&
		    other->unit == limit->unit && other->burst == limit->burst)
			return other;
	}
	return NULL;
}

/* The set of S's name in IN, if it is declared like S. */
static const struct ruleset_set *same_set(const struct ruleset *in, const struct ruleset_set *s)
{
	const struct ruleset_set *other = ruleset_find_set(in, s->name);

	if (!other || s->unknown || other->unknown || other->flags != s->flags ||
	    other->nfields != s->nfields || other->timeout != s->timeout ||
	    other->size != s->size ||
	    memcmp(other->fields, s->fields, s->nfields * sizeof(*s->fields)) != 0)
		return NULL;
	return other;
}

static const struct ruleset_chain *same_chain(const struct ruleset *in,
					      const struct ruleset_chain *c)
{
	const struct ruleset_chain *other = ruleset_find_chain(in, c->name);

	if (!other || c->unknown || other->unknown || other->hook != c->hook ||
	    other->priority != c->priority)
		return NULL;
	return other;
}

static bool same_rules(const struct ruleset_chain *a, const struct ruleset_chain *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (!rule_equal(&a->rules[i], &b->rules[i]))
			return false;
	return true;
}

/* Does a rule of C, a chain of the ruleset OLD, use a set or a limit that goes? The kernel lets nothing
 * go that a rule uses. */
static bool uses_what_goes(const struct ruleset *old, const struct ruleset *wanted,
			   const struct ruleset_chain *c)
{
	const struct ruleset_set *s;

	for (size_t i = 0; i < c->len; i++) {
		for (size_t j = 0; j < c->rules[i].len; j++) {
			const struct ruleset_expr *e = &c->rules[i].exprs[j];
			const char *name = rule_set_name(e);

			s = name ? ruleset_find_set(old, name) : NULL;
			if (s && !same_set(wanted, s))
				return true;
			for (size_t k = 0; e->kind == EXPR_LIMIT && k < old->nlimits; k++)
				if (strcmp(old->limits[k].name, e->name) == 0 &&
				    !same_limit(wanted, &old->limits[k]))
					return true;
		}
	}
	return false;
}

static bool anything_goes(const struct ruleset *old, const struct ruleset *wanted)
{
	for (size_t i = 0; i < old->nsets; i++)
		if (!same_set(wanted, old->sets[i]))
			return true;
	for (size_t i = 0; i < old->nlimits; i++)
		if (!same_limit(wanted, &old->limits[i]))
			return true;
	return false;
}

/* What refers to a chain pins it. Only base chains cannot be referred to and can change in place; where
 * another kind of chain must, the table is made anew. */
static bool needs_new_table(const struct ruleset *old, const struct ruleset *wanted)
{
	for (size_t i = 0; i < old->nchains; i++) {
		const struct ruleset_chain *c = old->chains[i];

		if (!same_chain(wanted, c) && ruleset_find_chain(wanted, c->name) &&
		    c->hook == HOOK_NONE)
			return true;
	}
	return false;
}

static struct ruleset_change *add(struct ruleset_diff *d, struct ruleset_change change)
{
	MEM_PUSH(d, change);
	return &d->items[d->len - 1];
}

/* The elements of A that are not the same in B (NULL: none is). Both are sorted. */
static void elements_only_in(const struct ruleset_set *a, const struct ruleset_set *b,
			     enum ruleset_change_kind kind, struct ruleset_diff *d)
{
	struct ruleset_change change = {.kind = kind, .set = a};
	size_t size = ruleset_key_size(a), other = b ? b->len : 0;

	if (a->flags & SET_DYNAMIC)
		return;
	for (size_t i = 0, j = 0; i < a->len; i++) {
		while (j < other && memcmp(b->elements[j].key, a->elements[i].key, size) < 0)
			j++;
		if (j < other && rule_element_equal(a, &a->elements[i], &b->elements[j]))
			continue;
		change.elements = mem_grow(change.elements, &change.cap, change.len + 1,
					   sizeof(struct ruleset_element *));
		change.elements[change.len++] = &a->elements[i];
	}
	if (change.len > 0)
		add(d, change);
}

/* The elements of a map that goes are deleted before it: kernels before 6.4 count their jumps until the
 * transaction is over and would not let the chains go. */
static void delete_elements(const struct ruleset *old, const struct ruleset *wanted,
			    struct ruleset_diff *d)
{
	for (size_t i = 0; i < old->nsets; i++) {
		const struct ruleset_set *s = old->sets[i], *kept = same_set(wanted, s);

		if (kept || (!s->unknown && (s->flags & SET_VERDICTS)))
			elements_only_in(s, kept, CHANGE_DELETE_ELEMENTS, d);
	}
}

/* Must the rules of C, a chain of OLD, go? */
static bool goes_flushed(const struct ruleset *old, const struct ruleset *wanted, bool objects_go,
			 const struct ruleset_chain *c)
{
	const struct ruleset_chain *kept = same_chain(wanted, c);

	return !kept || !same_rules(c, kept) || (objects_go && uses_what_goes(old, wanted, c));
}

static void remove_old(const struct ruleset *old, const struct ruleset *wanted, bool objects_go,
		       struct ruleset_diff *d)
{
	for (size_t i = 0; i < old->nchains; i++)
		if (old->chains[i]->len > 0 &&
		    goes_flushed(old, wanted, objects_go, old->chains[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_FLUSH_RULES,
							.chain = old->chains[i]});
	delete_elements(old, wanted, d);
	for (size_t i = 0; i < old->nchains; i++)
		if (!same_chain(wanted, old->chains[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_DELETE_CHAIN,
							.chain = old->chains[i]});
	for (size_t i = 0; i < old->nsets; i++)
		if (!same_set(wanted, old->sets[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_DELETE_SET,
							.set = old->sets[i]});
	for (size_t i = 0; i < old->nlimits; i++)
		if (!same_limit(wanted, &old->limits[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_DELETE_LIMIT,
							.limit = &old->limits[i]});
}

static void add_new(const struct ruleset *old, const struct ruleset *wanted, bool objects_go,
		    struct ruleset_diff *d)
{
	for (size_t i = 0; i < wanted->nlimits; i++)
		if (!same_limit(old, &wanted->limits[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_ADD_LIMIT,
							.limit = &wanted->limits[i]});
	for (size_t i = 0; i < wanted->nsets; i++)
		if (!same_set(old, wanted->sets[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_ADD_SET,
							.set = wanted->sets[i]});
	for (size_t i = 0; i < wanted->nchains; i++)
		if (!same_chain(old, wanted->chains[i]))
			add(d, (struct ruleset_change) {.kind = CHANGE_ADD_CHAIN,
							.chain = wanted->chains[i]});
	for (size_t i = 0; i < wanted->nchains; i++) {
		const struct ruleset_chain *c = wanted->chains[i], *kept = same_chain(old, c);

		if (c->len > 0 && (!kept || goes_flushed(old, wanted, objects_go, kept)))
			add(d, (struct ruleset_change) {.kind = CHANGE_SET_RULES, .chain = c});
	}
	for (size_t i = 0; i < wanted->nsets; i++)
		elements_only_in(wanted->sets[i], same_set(old, wanted->sets[i]),
				 CHANGE_ADD_ELEMENTS, d);
}

void ruleset_compare(const struct ruleset *old, const struct ruleset *wanted,
		     struct ruleset_diff *ret)
{
	static const struct ruleset nothing = {.sorted = true};
	bool objects_go;

	*ret = (struct ruleset_diff) {0};
	if (old && needs_new_table(old, wanted)) {
		add(ret, (struct ruleset_change) {.kind = CHANGE_DELETE_TABLE});
		old = NULL;
	}
	if (!old) {
		add(ret, (struct ruleset_change) {.kind = CHANGE_ADD_TABLE});
		old = &nothing;
	}
	objects_go = anything_goes(old, wanted);
	remove_old(old, wanted, objects_go, ret);
	add_new(old, wanted, objects_go, ret);
}

void ruleset_diff_done(struct ruleset_diff *d)
{
	for (size_t i = 0; i < d->len; i++)
		free(d->items[i].elements);
	free(d->items);
	*d = (struct ruleset_diff) {0};
}
