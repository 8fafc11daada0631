#include "compile-internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- catalogs: the selectors of each document ---- */

static int compare_cataloged(const void *a, const void *b)
{
	const struct cataloged *x = a, *y = b;

	return (x->selector > y->selector) - (x->selector < y->selector);
}

/* Also one in `not`, or of a group, may be another one than the instance's. */
static bool names_project(const struct selector *s)
{
	if (s->kind == SELECTOR_PROJECT || s->kind == SELECTOR_GROUP)
		return true;
	for (size_t i = 0; i < s->nchildren; i++) {
		if (names_project(s->children[i]))
			return true;
	}
	return false;
}

static void catalog_peers(struct catalog *catalog, const struct policy_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cataloged entry = {peers[i].selector, catalog->len};

		catalog->names_containers |= peers[i].kind == PEER_CONTAINERS;
		if (peers[i].kind != PEER_SELECTOR)
			continue;
		MEM_PUSH(catalog, entry);
		catalog->names_project |= names_project(entry.selector);
	}
}

static void catalog_build(struct catalog *catalog, const struct policy_document *doc)
{
	for (size_t i = 0; i < doc->nrules; i++) {
		catalog->limits |= doc->rules[i].limit.set;
		catalog_peers(catalog, doc->rules[i].from, doc->rules[i].nfrom);
		catalog_peers(catalog, doc->rules[i].to, doc->rules[i].nto);
	}
	if (catalog->len)
		qsort(catalog->items, catalog->len, sizeof(*catalog->items), compare_cataloged);
}

size_t catalog_find(const struct catalog *catalog, const struct selector *s)
{
	struct cataloged key = {.selector = s};
	const struct cataloged *found = bsearch(&key, catalog->items, catalog->len,
						sizeof(*catalog->items), compare_cataloged);

	assert(found);
	return found->place;
}

/* ---- instances ---- */

static int compare_projects(const void *a, const void *b)
{
	const struct project *x = a, *y = b;

	return strcmp(x->name, y->name);
}

size_t project_find(const struct compiled *c, const char *name)
{
	struct project key = {.name = (char *)name};
	const struct project *found = name && c->projects.len
					      ? bsearch(&key, c->projects.items, c->projects.len,
							sizeof(key), compare_projects)
					      : NULL;

	return found ? (size_t)(found - c->projects.items) : MODEL_NONE;
}

bool project_counts(const struct compiled *c, const char *name)
{
	for (size_t d = 0; name && d < c->policies->ndocuments; d++) {
		const struct policy_document *doc = &c->policies->documents[d];

		if (doc->is_template && glob_match(doc->scope, name))
			return true;
	}
	return false;
}

static void find_projects(struct compiled *c)
{
	const struct model *m = c->model;
	size_t kept = 0;

	for (size_t i = 0; i < m->ncontainers; i++) {
		const char *name = model_container_project(&m->containers[i]);
		struct project fresh = {.containers = 1};

		if (!project_counts(c, name))
			continue;
		fresh.name = mem_strdup(name);
		MEM_PUSH(&c->projects, fresh);
	}
	if (!c->projects.len)
		return;
	qsort(c->projects.items, c->projects.len, sizeof(*c->projects.items), compare_projects);
	for (size_t i = 1; i < c->projects.len; i++) {
		struct project *last = &c->projects.items[kept], *p = &c->projects.items[i];

		if (strcmp(last->name, p->name) != 0) {
			c->projects.items[++kept] = *p;
			continue;
		}
		last->containers++;
		free(p->name);
	}
	c->projects.len = kept + 1;
}

static void add_instance(struct compiled *c, size_t document, const char *scope)
{
	struct instance in = {
		.public = {.document = &c->policies->documents[document], .scope = scope},
		.document = document,
		.first_atom = c->natoms,
	};

	MEM_PUSH(&c->instances, in);
	c->natoms += c->catalogs[document].len + 1; /* the last one: whether it governs */
}

void instances_build(struct compiled *c)
{
	find_projects(c);
	c->catalogs = mem_new(c->policies->ndocuments, sizeof(*c->catalogs));
	for (size_t d = 0; d < c->policies->ndocuments; d++) {
		const struct policy_document *doc = &c->policies->documents[d];

		catalog_build(&c->catalogs[d], doc);
		if (!doc->is_template) {
			add_instance(c, d, doc->scope);
			continue;
		}
		for (size_t i = 0; i < c->projects.len; i++) {
			if (glob_match(doc->scope, c->projects.items[i].name))
				add_instance(c, d, c->projects.items[i].name);
		}
	}
}
