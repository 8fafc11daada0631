#include "yaml.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "quaywall/mem.h"

/* One key of a mapping and its rank: where two are equal, the lower rank came first. */
struct ranked {
	const struct node *key;
	size_t rank;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int c = strcmp(x->key->text, y->key->text);
	return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

/* The mapping's text keys sorted, so that big mappings with equal keys cost no square. */
static struct ranked *rank_keys(const struct node *n, size_t *ret_len)
{
	struct ranked *keys = mem_new(n->nitems / 2, sizeof(*keys));
	size_t len = 0;

	for (size_t i = 0; i < n->nitems; i += 2)
		if (n->items[i]->kind == NODE_SCALAR)
			keys[len++] = (struct ranked) {n->items[i], i};
	qsort(keys, len, sizeof(*keys), compare_ranked);
	*ret_len = len;
	return keys;
}

void mapping_check_keys(const struct node *n, struct policy_problems *p)
{
	char word[CLIP_SIZE];

	for (size_t i = 0; i < n->nitems; i += 2)
		if (n->items[i]->kind != NODE_SCALAR)
			problem_error(p, &n->items[i]->where, "a key is %s (expected a text)",
				      node_kind_name(n->items[i]));

	size_t len;
	struct ranked *keys CLEANUP_FREE = rank_keys(n, &len);
	for (size_t i = 1; i < len; i++)
		if (strcmp(keys[i - 1].key->text, keys[i].key->text) == 0)
			problem_error(p, &keys[i].key->where,
				      "duplicate key \"%s\" (it stands in line %u already)",
				      clip(keys[i].key->text, word), keys[i - 1].key->where.line);
}

static bool is_merge_key(const struct node *key)
{
	return key->kind == NODE_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

static void take_items(struct node *n, struct node *from)
{
	if (from->nitems == 0)
		return;
	n->items = reallocarray(n->items, n->nitems + from->nitems, sizeof(*n->items));
	if (!n->items)
		abort();
	memcpy(n->items + n->nitems, from->items, from->nitems * sizeof(*n->items));
	n->nitems += from->nitems;
	from->nitems = 0;
}

static void drop(struct node *dropped, struct node *n)
{
	dropped->items = array_grow(dropped->items, dropped->nitems, sizeof(struct node *));
	dropped->items[dropped->nitems++] = n;
}

/* Its items move; an anchor on it would be left with nothing. */
static bool is_mergeable(const struct node *n)
{
	return n->kind == NODE_MAPPING && !n->anchored;
}

static void take_merged(struct node *n, const struct node *key, struct node *value,
			struct policy_problems *p)
{
	if (is_mergeable(value)) {
		take_items(n, value);
		return;
	}
	bool good = value->kind == NODE_SEQUENCE && !value->anchored;
	for (size_t i = 0; good && i < value->nitems; i++)
		good = is_mergeable(value->items[i]);
	if (!good) {
		problem_error(p, &key->where,
			      "\"<<\" merges no mapping (expected *NAME, or a list of them)");
		return;
	}
	for (size_t i = 0; i < value->nitems; i++)
		take_items(n, value->items[i]);
}

/* Drops later keys that an earlier one hides. */
static void drop_hidden(struct node *n, struct node *dropped)
{
	size_t len, kept = 0;
	struct ranked *keys CLEANUP_FREE = rank_keys(n, &len);
	bool *hidden CLEANUP_FREE = mem_new(n->nitems, sizeof(*hidden));

	for (size_t i = 1; i < len; i++)
		hidden[keys[i].rank] = strcmp(keys[i - 1].key->text, keys[i].key->text) == 0;
	for (size_t i = 0; i < n->nitems; i += 2) {
		if (hidden[i]) {
			drop(dropped, n->items[i]);
			drop(dropped, n->items[i + 1]);
			continue;
		}
		n->items[kept++] = n->items[i];
		n->items[kept++] = n->items[i + 1];
	}
	n->nitems = kept;
}

void mapping_merge(struct node *n, struct policy_problems *p, struct node *dropped)
{
	size_t at = 0;

	while (at < n->nitems && !is_merge_key(n->items[at]))
		at += 2;
	if (at >= n->nitems)
		return;

	struct node *key = n->items[at], *value = n->items[at + 1];
	memmove(n->items + at, n->items + at + 2, (n->nitems - at - 2) * sizeof(*n->items));
	n->nitems -= 2;
	take_merged(n, key, value, p);
	drop(dropped, key);
	drop(dropped, value);
	drop_hidden(n, dropped);
}
