#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define GROUPS_DEPTH_MAX  32
#define GROUPS_SIZE_MAX	  10000
#define DOCUMENT_SIZE_MAX 1000000

size_t groups_find(const struct policy_document *doc, const char *name)
{
	for (size_t i = 0; i < doc->ngroups; i++)
		if (strcmp(doc->groups[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

bool policy_may_name_group(const char *text)
{
	return *text && !peer_is_word(text) && !peer_looks_like_address(text);
}

static void check_name(struct reader *r, const struct node *key)
{
	char word[CLIP_SIZE];
	const char *mistake = NULL;

	if (key->text[0] == '\0')
		mistake = "a name";
	else if (peer_is_word(key->text))
		mistake = "another name: this one is a word of the language";
	else if (peer_looks_like_address(key->text))
		mistake = "another name: this one looks like an address";
	if (mistake)
		problem_error(r->problems, &key->where, "a group is called \"%s\" (expected %s)",
			      clip(key->text, word), mistake);
}

static void collect_name(struct reader *r, const struct node *key)
{
	struct policy_document *doc = r->doc;
	struct policy_group group = {.where = key->where};

	check_name(r, key);
	group.name = mem_strdup(key->text);
	doc->groups = array_grow(doc->groups, doc->ngroups, sizeof(group));
	doc->groups[doc->ngroups++] = group;
}

void groups_read(struct reader *r, const struct node *n)
{
	if (!keys_is_mapping(r->problems, n, "groups", "NAME: SELECTOR, …"))
		return;
	for (size_t i = 0; i < n->nitems; i += 2)
		if (n->items[i]->kind == NODE_SCALAR)
			collect_name(r, n->items[i]);

	size_t group = 0;
	for (size_t i = 0; i < n->nitems; i += 2)
		if (n->items[i]->kind == NODE_SCALAR)
			r->doc->groups[group++].selector =
				selector_read(r, n->items[i + 1], n->items[i]->text, false);
}

/* A walk over the groups: which are on the way down to here, and how big each is spelled out. */
struct walk {
	struct reader *reader;
	size_t path[GROUPS_DEPTH_MAX];
	size_t depth;
	size_t deepest; /* that this walk came to below where it is */
	struct {
		size_t size;  /* 0: not known yet; SIZE_MAX: refused already */
		size_t depth; /* of groups below and with this one */
	} * groups;
};

static size_t group_size(struct walk *w, size_t group);

static size_t selector_size(struct walk *w, const struct selector *s)
{
	size_t size = 1;

	if (!s)
		return size;
	if (s->kind == SELECTOR_GROUP) {
		size_t of_group = group_size(w, s->group);
		return of_group == SIZE_MAX ? SIZE_MAX : size + of_group;
	}
	for (size_t i = 0; i < s->nchildren; i++) {
		size_t of_child = selector_size(w, s->children[i]);
		if (of_child == SIZE_MAX)
			return SIZE_MAX;
		size += of_child;
	}
	return size;
}

static bool on_path(const struct walk *w, size_t group, size_t *ret_at)
{
	for (size_t i = 0; i < w->depth; i++) {
		if (w->path[i] == group) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}

static void report_circle(struct walk *w, size_t from, size_t group)
{
	const struct policy_group *groups = w->reader->doc->groups;
	struct buf names CLEANUP_BUF = BUF_INIT;
	char word[CLIP_SIZE];

	for (size_t i = from; i < w->depth; i++)
		buf_printf(&names, "%s, ", clip(groups[w->path[i]].name, word));
	problem_error(w->reader->problems, &groups[group].where,
		      "groups in a circle: %s%s (expected groups that end in selectors)",
		      buf_text(&names), clip(groups[group].name, word));
}

static void went_to(struct walk *w, size_t depth)
{
	if (depth > w->deepest)
		w->deepest = depth;
}

static size_t measure(struct walk *w, size_t group)
{
	const struct policy_group *g = &w->reader->doc->groups[group];
	size_t deepest = w->deepest;

	w->path[w->depth++] = group;
	w->deepest = w->depth;
	size_t size = selector_size(w, g->selector);
	w->depth--;
	w->groups[group].depth = w->deepest - w->depth;
	went_to(w, deepest);
	if (size == SIZE_MAX || size <= GROUPS_SIZE_MAX)
		return size;
	problem_error(w->reader->problems, &g->where,
		      "the group expands to over %d conditions (expected fewer)", GROUPS_SIZE_MAX);
	return SIZE_MAX;
}

static size_t group_size(struct walk *w, size_t group)
{
	const struct policy_group *g = &w->reader->doc->groups[group];
	size_t at;

	if (on_path(w, group, &at)) {
		report_circle(w, at, group);
		return SIZE_MAX;
	}
	size_t below = w->groups[group].size ? w->groups[group].depth : 1;
	if (w->depth + below > GROUPS_DEPTH_MAX) {
		problem_error(w->reader->problems, &g->where,
			      "groups that name each other over %d deep (expected less)",
			      GROUPS_DEPTH_MAX);
		return SIZE_MAX;
	}
	went_to(w, w->depth + below);
	if (!w->groups[group].size)
		w->groups[group].size = measure(w, group);
	return w->groups[group].size;
}

static void add_size(struct walk *w, size_t *total, const struct policy_peer *peers, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t size = selector_size(w, peers[i].selector);
		*total += size == SIZE_MAX ? 0 : size;
	}
}

/* Each group may be small and still be named a million times. */
static void check_total(struct walk *w)
{
	const struct policy_document *doc = w->reader->doc;
	size_t total = 0;

	for (size_t i = 0; i < doc->nrules; i++) {
		add_size(w, &total, doc->rules[i].from, doc->rules[i].nfrom);
		add_size(w, &total, doc->rules[i].to, doc->rules[i].nto);
	}
	for (size_t i = 0; i < doc->nexpects; i++) {
		add_size(w, &total, &doc->expects[i].from.peer, 1);
		add_size(w, &total, &doc->expects[i].to.peer, 1);
	}
	if (total > DOCUMENT_SIZE_MAX)
		problem_error(w->reader->problems, &doc->where,
			      "the document's groups expand to over %d conditions (expected fewer)",
			      DOCUMENT_SIZE_MAX);
}

void groups_check(struct reader *r)
{
	struct walk w = {.reader = r};

	w.groups = mem_new(r->doc->ngroups, sizeof(*w.groups));
	for (size_t i = 0; i < r->doc->ngroups; i++)
		group_size(&w, i);
	check_total(&w);
	free(w.groups);
}
