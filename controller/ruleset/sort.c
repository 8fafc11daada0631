#include "quaywall/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

static int compare_limits(const void *a, const void *b)
{
	const struct ruleset_limit *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A set of one identity's chain has a dot in its name, one that all chains share has none. */
static bool is_shared(const struct ruleset_set *s)
{
	return !strchr(s->name, '.');
}

/* The kernel goes through a table's sets, in the order in which they came, for each rule that names one: those that most
 * rules name stand first. */
static int compare_sets(const void *a, const void *b)
{
	struct ruleset_set *const *x = a, *const *y = b;
	int order = (int)is_shared(*y) - (int)is_shared(*x);

	return order ? order : strcmp((*x)->name, (*y)->name);
}

static int compare_chains(const void *a, const void *b)
{
	struct ruleset_chain *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Elements are sorted by pointers: the elements are big, and the address settles which of two with one
 * key came first, which qsort(3) alone would not. */
static int compare_elements(const void *a, const void *b, void *size)
{
	const struct ruleset_element *x = *(const struct ruleset_element *const *)a;
	const struct ruleset_element *y = *(const struct ruleset_element *const *)b;
	int order = memcmp(x->key, y->key, *(const size_t *)size);

	return order != 0 ? order : (x > y) - (x < y);
}

static bool elements_in_order(const struct ruleset_set *s, size_t size)
{
	for (size_t i = 1; i < s->len; i++)
		if (memcmp(s->elements[i - 1].key, s->elements[i].key, size) >= 0)
			return false;
	return true;
}

static void sort_elements(struct ruleset_set *s)
{
	size_t size = ruleset_key_size(s), kept = 0;
	struct ruleset_element *sorted, **order CLEANUP_FREE = NULL;

	if (elements_in_order(s, size))
		return;
	order = mem_new(s->len, sizeof(struct ruleset_element *));
	for (size_t i = 0; i < s->len; i++)
		order[i] = &s->elements[i];
	qsort_r(order, s->len, sizeof(struct ruleset_element *), compare_elements, &size);

	sorted = mem_new(s->len, sizeof(*sorted));
	for (size_t i = 0; i < s->len; i++) {
		if (kept == 0 || memcmp(sorted[kept - 1].key, order[i]->key, size) != 0)
			sorted[kept++] = *order[i];
	}
	free(s->elements);
	s->elements = sorted;
	s->cap = s->len;
	s->len = kept;
}

void ruleset_sort(struct ruleset *r)
{
	if (r->nlimits > 0)
		qsort(r->limits, r->nlimits, sizeof(*r->limits), compare_limits);
	if (r->nsets > 0)
		qsort(r->sets, r->nsets, sizeof(struct ruleset_set *), compare_sets);
	if (r->nchains > 0)
		qsort(r->chains, r->nchains, sizeof(struct ruleset_chain *), compare_chains);
	for (size_t i = 0; i < r->nsets; i++)
		sort_elements(r->sets[i]);
	r->sorted = true;
}

struct ruleset_set *ruleset_find_set(const struct ruleset *r, const char *name)
{
	struct ruleset_set key = {.name = (char *)name}, *wanted = &key, **found;

	if (r->sorted) {
		found = r->nsets ? bsearch(&wanted, r->sets, r->nsets, sizeof(wanted), compare_sets)
				 : NULL;
		return found ? *found : NULL;
	}
	for (size_t i = 0; i < r->nsets; i++)
		if (strcmp(r->sets[i]->name, name) == 0)
			return r->sets[i];
	return NULL;
}

struct ruleset_chain *ruleset_find_chain(const struct ruleset *r, const char *name)
{
	struct ruleset_chain key = {.name = (char *)name}, *wanted = &key, **found;

	if (r->sorted) {
		found = r->nchains ? bsearch(&wanted, r->chains, r->nchains, sizeof(wanted),
					     compare_chains)
				   : NULL;
		return found ? *found : NULL;
	}
	for (size_t i = 0; i < r->nchains; i++)
		if (strcmp(r->chains[i]->name, name) == 0)
			return r->chains[i];
	return NULL;
}
