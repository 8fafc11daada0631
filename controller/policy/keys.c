#include "internal.h"

#include <string.h>

static bool is_known(const char *word, const char *const *known)
{
	for (; *known; known++)
		if (strcmp(word, *known) == 0)
			return true;
	return false;
}

void keys_check(struct policy_problems *p, const struct node *map, const char *const *known)
{
	char word[CLIP_SIZE];

	for (size_t i = 0; i < map->nitems; i += 2) {
		const struct node *key = map->items[i];
		if (key->kind != NODE_SCALAR || is_known(key->text, known))
			continue;
		struct buf advice CLEANUP_BUF = BUF_INIT;
		names_advice(key->text, known, &advice);
		problem_error(p, &key->where, "unknown key \"%s\" (%s)", clip(key->text, word),
			      buf_text(&advice));
	}
}

static size_t find(const struct node *map, const char *key)
{
	for (size_t i = 0; i < map->nitems; i += 2)
		if (map->items[i]->kind == NODE_SCALAR && strcmp(map->items[i]->text, key) == 0)
			return i;
	return map->nitems;
}

const struct node *keys_get(const struct node *map, const char *key)
{
	size_t i = find(map, key);
	return i < map->nitems ? map->items[i + 1] : NULL;
}

const struct node *keys_node(const struct node *map, const char *key)
{
	size_t i = find(map, key);
	return i < map->nitems ? map->items[i] : NULL;
}

const struct node *keys_require(struct policy_problems *p, const struct node *map, const char *key,
				const char *what)
{
	const struct node *n = keys_get(map, key);

	if (!n)
		problem_error(p, &map->where, "no \"%s\" (expected %s)", key, what);
	return n;
}

static bool is_kind(struct policy_problems *p, const struct node *n, enum node_kind kind,
		    const char *label, const char *what)
{
	if (n->kind == kind)
		return true;
	if (node_is_empty(n))
		problem_error(p, &n->where, "\"%s\" has no value (expected %s)", label, what);
	else
		problem_error(p, &n->where, "\"%s\" is %s (expected %s)", label, node_kind_name(n),
			      what);
	return false;
}

bool keys_is_mapping(struct policy_problems *p, const struct node *n, const char *label,
		     const char *what)
{
	return is_kind(p, n, NODE_MAPPING, label, what);
}

bool keys_is_list(struct policy_problems *p, const struct node *n, const char *label,
		  const char *what)
{
	if (!is_kind(p, n, NODE_SEQUENCE, label, what))
		return false;
	if (n->nitems == 0)
		problem_error(p, &n->where, "\"%s\" is an empty list (expected %s)", label, what);
	return n->nitems > 0;
}

bool keys_is_text(struct policy_problems *p, const struct node *n, const char *label,
		  const char *what)
{
	if (!is_kind(p, n, NODE_SCALAR, label, what))
		return false;
	if (n->text[0] == '\0')
		problem_error(p, &n->where, "\"%s\" has no value (expected %s)", label, what);
	return n->text[0] != '\0';
}
