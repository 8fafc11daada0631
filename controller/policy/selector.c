#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define SELECTOR_FORMS "{KEY: VALUE, …}, a list of them or a group"

static struct selector *read_any_kind(struct reader *r, const struct node *n, const char *label,
				      bool in_for);

struct selector *selector_new(enum selector_kind kind, const struct policy_where *where)
{
	struct selector *s = mem_new(1, sizeof(*s));
	s->kind = kind;
	s->where = *where;
	return s;
}

void selector_add(struct selector *parent, struct selector *child)
{
	parent->children =
		array_grow(parent->children, parent->nchildren, sizeof(struct selector *));
	parent->children[parent->nchildren++] = child;
}

void selector_free(struct selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nchildren; i++)
		selector_free(s->children[i]);
	free(s->children);
	free(s->key);
	free(s->pattern);
	free(s);
}

static struct selector *read_list(struct reader *r, const struct node *n, const char *label,
				  enum selector_kind kind, bool in_for)
{
	if (!keys_is_list(r->problems, n, label, "a list of selectors"))
		return NULL;
	struct selector *s = selector_new(kind, &n->where);
	for (size_t i = 0; i < n->nitems; i++) {
		struct selector *child = read_any_kind(r, n->items[i], label, in_for);
		if (child)
			selector_add(s, child);
	}
	return s;
}

static struct selector *read_label(struct reader *r, const struct node *key,
				   const struct node *value)
{
	struct selector *s = selector_new(SELECTOR_LABEL, &key->where);

	s->key = mem_strdup(key->text);
	if (value->kind == NODE_SCALAR && value->plain && strcmp(value->text, "true") == 0)
		return s;
	if (node_is_empty(value))
		problem_error(
			r->problems, &key->where,
			"a label without value (expected \"\" for an empty one, true for any)");
	else
		s->pattern = scalar_pattern(r->problems, value, "label");
	return s;
}

static void read_labels(struct reader *r, const struct node *n, struct selector *ret)
{
	if (!keys_is_mapping(r->problems, n, "label", "{KEY: VALUE} or {KEY: true}"))
		return;
	if (n->nitems == 0)
		problem_error(r->problems, &n->where,
			      "\"label\" is empty (expected {KEY: VALUE} or {KEY: true})");
	for (size_t i = 0; i < n->nitems; i += 2)
		if (n->items[i]->kind == NODE_SCALAR)
			selector_add(ret, read_label(r, n->items[i], n->items[i + 1]));
}

static struct selector *read_not(struct reader *r, const struct node *key, const struct node *value,
				 bool in_for)
{
	struct selector *child = read_any_kind(r, value, "not", in_for);
	if (!child)
		return NULL;

	struct selector *s = selector_new(SELECTOR_NOT, &key->where);
	selector_add(s, child);
	return s;
}

static const struct {
	const char *key;
	enum selector_kind kind;
} patterns[] = {
	{"name", SELECTOR_NAME},   {"project", SELECTOR_PROJECT}, {"service", SELECTOR_SERVICE},
	{"image", SELECTOR_IMAGE}, {"network", SELECTOR_NETWORK},
};

static struct selector *read_pattern(struct reader *r, const struct node *key,
				     const struct node *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		if (strcmp(key->text, patterns[i].key) != 0)
			continue;
		struct selector *s = selector_new(patterns[i].kind, &key->where);
		s->pattern = scalar_pattern(r->problems, value, patterns[i].key);
		return s;
	}
	return NULL; /* an unknown key: reported by keys_check() */
}

static void read_key(struct reader *r, const struct node *key, const struct node *value,
		     bool in_for, struct selector *ret)
{
	struct selector *child;

	if (key->kind != NODE_SCALAR)
		return;
	if (strcmp(key->text, "label") == 0) {
		read_labels(r, value, ret);
		return;
	}
	if (strcmp(key->text, "not") == 0)
		child = read_not(r, key, value, in_for);
	else if (strcmp(key->text, "any") == 0)
		child = read_list(r, value, "any", SELECTOR_ANY, in_for);
	else if (strcmp(key->text, "all") == 0)
		child = read_list(r, value, "all", SELECTOR_ALL, in_for);
	else
		child = read_pattern(r, key, value);
	if (child)
		selector_add(ret, child);
}

static struct selector *read_mapping(struct reader *r, const struct node *n, bool in_for)
{
	static const char *const known[] = {"name",  "project", "service", "image", "network",
					    "label", "not",	"any",	   "all",   NULL};
	static const char *const literals[] = {"cidr", "except",	"interface",
					       "dns",  "dns-resolvers", NULL};

	for (size_t i = 0; literals[i]; i++) {
		if (!keys_get(n, literals[i]))
			continue;
		problem_error(
			r->problems, &n->where,
			"{%s: …} is no selector (expected it as \"from\" or \"to\", or an item of their list)",
			literals[i]);
		return NULL;
	}
	struct selector *s = selector_new(SELECTOR_ALL, &n->where);
	keys_check(r->problems, n, known);
	for (size_t i = 0; i < n->nitems; i += 2)
		read_key(r, n->items[i], n->items[i + 1], in_for, s);
	return s;
}

static void report_unknown_group(struct reader *r, const struct node *n)
{
	const struct policy_document *doc = r->doc;
	char word[CLIP_SIZE];

	if (doc->ngroups == 0) {
		problem_error(r->problems, &n->where,
			      "unknown group \"%s\" (expected a name under \"groups\")",
			      clip(n->text, word));
		return;
	}
	const char **known CLEANUP_FREE = mem_new(doc->ngroups + 1, sizeof(*known));
	for (size_t i = 0; i < doc->ngroups; i++)
		known[i] = doc->groups[i].name;
	const char *nearest = names_nearest(n->text, known);
	if (nearest)
		problem_error(r->problems, &n->where, "unknown group \"%s\" (did you mean \"%s\"?)",
			      clip(n->text, word), nearest);
	else
		problem_error(r->problems, &n->where,
			      "unknown group \"%s\" (expected a name under \"groups\")",
			      clip(n->text, word));
}

static struct selector *read_group(struct reader *r, const struct node *n, const char *label,
				   bool in_for)
{
	char word[CLIP_SIZE];

	if (!keys_is_text(r->problems, n, label, SELECTOR_FORMS))
		return NULL;
	if (in_for) {
		problem_error(
			r->problems, &n->where,
			"\"%s\" in \"for\" (expected {KEY: VALUE, …}, a list of them, or all alone)",
			clip(n->text, word));
		return NULL;
	}
	if (peer_is_word(n->text) || peer_looks_like_address(n->text)) {
		problem_error(
			r->problems, &n->where,
			"\"%s\" in a selector (expected it as \"from\" or \"to\", or an item of their list)",
			clip(n->text, word));
		return NULL;
	}
	struct selector *s = selector_new(SELECTOR_GROUP, &n->where);
	s->group = groups_find(r->doc, n->text);
	if (s->group != SIZE_MAX)
		return s;
	report_unknown_group(r, n);
	selector_free(s);
	return NULL;
}

static struct selector *read_any_kind(struct reader *r, const struct node *n, const char *label,
				      bool in_for)
{
	if (n->kind == NODE_MAPPING)
		return read_mapping(r, n, in_for);
	if (n->kind == NODE_SEQUENCE)
		return read_list(r, n, label, SELECTOR_ANY, in_for);
	return read_group(r, n, label, in_for);
}

struct selector *selector_read(struct reader *r, const struct node *n, const char *label,
			       bool in_for)
{
	return read_any_kind(r, n, label, in_for);
}
