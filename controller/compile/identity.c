#include "compile-internal.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- catalogs: the selectors of each document ---- */

static int compare_cataloged(const void *a, const void *b)
{
	const struct cataloged *x = a, *y = b;

	return (x->selector > y->selector) - (x->selector < y->selector);
}

static void catalog_peers(struct catalog *catalog, const struct policy_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cataloged entry = {peers[i].selector, catalog->len};

		if (peers[i].kind == PEER_SELECTOR)
			MEM_PUSH(catalog, entry);
	}
}

static void catalog_build(struct catalog *catalog, const struct policy_document *doc)
{
	for (size_t i = 0; i < doc->nrules; i++) {
		catalog_peers(catalog, doc->rules[i].from, doc->rules[i].nfrom);
		catalog_peers(catalog, doc->rules[i].to, doc->rules[i].nto);
	}
	if (catalog->len)
		qsort(catalog->items, catalog->len, sizeof(*catalog->items), compare_cataloged);
}

static size_t catalog_find(const struct catalog *catalog, const struct selector *s)
{
	struct cataloged key = {.selector = s};
	const struct cataloged *found = bsearch(&key, catalog->items, catalog->len,
						sizeof(*catalog->items), compare_cataloged);

	assert(found);
	return found->place;
}

/* ---- instances ---- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_projects(struct compiled *c)
{
	const struct model *m = c->model;
	size_t kept = 0;

	for (size_t i = 0; i < m->ncontainers; i++) {
		const char *project = model_container_project(&m->containers[i]);

		if (project)
			MEM_PUSH(&c->projects, mem_strdup(project));
	}
	if (!c->projects.len)
		return;
	qsort(c->projects.items, c->projects.len, sizeof(*c->projects.items), compare_strings);
	for (size_t i = 0; i < c->projects.len; i++) {
		if (kept && !strcmp(c->projects.items[kept - 1], c->projects.items[i]))
			free(c->projects.items[i]);
		else
			c->projects.items[kept++] = c->projects.items[i];
	}
	c->projects.len = kept;
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

static void instances_build(struct compiled *c)
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
			if (glob_match(doc->scope, c->projects.items[i]))
				add_instance(c, d, c->projects.items[i]);
		}
	}
}

/* ---- signatures ---- */

static uint8_t *atoms_of(const struct compiled *c, size_t endpoint)
{
	return c->atoms + endpoint * c->natoms;
}

static void atoms_build(struct compiled *c)
{
	c->atoms = mem_new(c->model->nendpoints * c->natoms, 1);
	for (size_t e = 0; e < c->model->nendpoints; e++) {
		for (size_t i = 0; i < c->instances.len; i++) {
			const struct instance *in = &c->instances.items[i];
			const struct catalog *catalog = &c->catalogs[in->document];
			uint8_t *atoms = atoms_of(c, e) + in->first_atom;

			for (size_t s = 0; s < catalog->len; s++)
				atoms[catalog->items[s].place] =
					selects(c, in, catalog->items[s].selector, e);
			atoms[catalog->len] = instance_governs(c, in, e);
		}
	}
}

bool endpoint_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, size_t endpoint)
{
	return atoms_of(c, endpoint)[in->first_atom + catalog_find(&c->catalogs[in->document], s)];
}

bool identity_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, const struct identity *id)
{
	return endpoint_selected(c, in, s, id->members.items[0]);
}

const struct index_list *selected_identities(const struct compiled *c, const struct instance *in,
					     const struct selector *s)
{
	return &c->selected[in->first_atom + catalog_find(&c->catalogs[in->document], s)];
}

bool identity_governed(const struct compiled *c, const struct instance *in,
		       const struct identity *id)
{
	const struct catalog *catalog = &c->catalogs[in->document];

	return atoms_of(c, id->members.items[0])[in->first_atom + catalog->len];
}

/* ---- grouping ---- */

/* What makes two endpoints one identity: managed or not, the name for people, and the atoms. */
struct grouping {
	const struct compiled *c;
	char **titles; /* for each endpoint; NULL: not known */
	size_t *order;
	size_t len;
};

static bool endpoint_is_managed(const struct compiled *c, size_t e)
{
	return model_network_is_managed(&c->model->networks[c->model->endpoints[e].network]);
}

/*
 * "shop/db" for Compose and Swarm. Containers without a project are told apart by policy alone, so they are
 * called after the policies that govern them: a name of their own for each would make chains for every
 * `docker run`.
 */
static char *endpoint_title(const struct compiled *c, size_t e)
{
	const struct model_container *container;
	struct buf title = BUF_INIT;

	if (c->owner[e] == MODEL_NONE)
		return mem_strdup(c->model->endpoints[e].name);
	container = &c->model->containers[c->owner[e]];
	if (model_container_project(container)) {
		buf_str(&title, model_container_project(container));
		if (model_container_service(container))
			buf_printf(&title, "/%s", model_container_service(container));
		return buf_steal(&title);
	}
	for (size_t i = 0; i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];

		if (atoms_of(c, e)[in->first_atom + c->catalogs[in->document].len])
			buf_printf(&title, "%s%s", title.len ? "." : "", in->public.document->name);
	}
	if (!title.len)
		buf_str(&title, "other");
	return buf_steal(&title);
}

static int compare_grouped(const void *a, const void *b, void *data)
{
	const struct grouping *g = data;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int diff = endpoint_is_managed(g->c, y) - endpoint_is_managed(g->c, x);

	if (!diff)
		diff = strcmp(g->titles[x], g->titles[y]);
	if (!diff)
		diff = memcmp(atoms_of(g->c, x), atoms_of(g->c, y), g->c->natoms);
	return diff;
}

static int compare_ordered(const void *a, const void *b, void *data)
{
	int diff = compare_grouped(a, b, data);
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return diff ? diff : (x > y) - (x < y);
}

static void add_member(struct compiled *c, const struct grouping *g, size_t i)
{
	size_t e = g->order[i];
	struct identity *id;

	if (!i || compare_grouped(&g->order[i - 1], &e, (void *)g)) {
		struct identity fresh = {
			.managed = endpoint_is_managed(c, e),
			.is_container = c->owner[e] != MODEL_NONE,
		};

		MEM_PUSH(&c->identities, fresh);
		c->nmanaged += fresh.managed;
	}
	id = &c->identities.items[c->identities.len - 1];
	MEM_PUSH(&id->members, e);
	id->public.nendpoints = id->members.len;
	c->identity_of[e] = c->identities.len - 1;
}

/* ---- names ---- */

static uint64_t hash_add(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u; /* FNV-1a */
	return hash;
}

/* The same for the same documents, whatever else runs. */
static uint32_t signature_hash(const struct compiled *c, const struct identity *id)
{
	const uint8_t *atoms = atoms_of(c, id->members.items[0]);
	uint64_t hash = hash_add(14695981039346656037u, &id->managed, sizeof(id->managed));

	for (size_t i = 0; i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];
		const char *name = in->public.document->name;
		const char *scope = in->public.scope ? in->public.scope : "";

		hash = hash_add(hash, name, strlen(name) + 1);
		hash = hash_add(hash, scope, strlen(scope) + 1);
		hash = hash_add(hash, atoms + in->first_atom, c->catalogs[in->document].len + 1);
	}
	return (uint32_t)(hash ^ hash >> 32);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The identity keeps it. */
static void keep_name(void *name)
{
	(void)name;
}

/* NAMES: of tsearch(3), those that are given. */
static void name_identity(struct compiled *c, const struct grouping *g, size_t i, void **names)
{
	struct identity *id = &c->identities.items[i];
	const char *title = g->titles[id->members.items[0]];
	char *plain = ruleset_identifier("", title);
	const struct identity *all = c->identities.items;
	bool shared = (i && !strcmp(g->titles[all[i - 1].members.items[0]], title)) ||
		      (i + 1 < c->identities.len &&
		       !strcmp(g->titles[all[i + 1].members.items[0]], title));

	id->name = plain;
	if (shared) {
		id->name = mem_printf("%s.%08x", plain, signature_hash(c, id));
		free(plain);
	}
	/* Hashes can be made to collide by whoever chooses labels: never share a chain for that. */
	for (unsigned n = 2; tfind(id->name, names, compare_names); n++) {
		char *again = mem_printf("%s.%u", id->name, n);

		free(id->name);
		id->name = again;
	}
	if (!tsearch(id->name, names, compare_names))
		abort(); /* out of memory */
	id->public.name = id->name;
}

static void selected_build(struct compiled *c)
{
	c->selected = mem_new(c->natoms, sizeof(*c->selected));
	for (size_t i = 0; i < c->identities.len; i++) {
		const uint8_t *atoms = atoms_of(c, c->identities.items[i].members.items[0]);

		for (size_t a = 0; a < c->natoms; a++) {
			if (atoms[a])
				MEM_PUSH(&c->selected[a], i);
		}
	}
}

/* ---- all of it ---- */

void identities_build(struct compiled *c)
{
	size_t n = c->model->nendpoints;
	struct grouping g = {.c = c};
	void *names = NULL;

	instances_build(c);
	atoms_build(c);
	g.titles = mem_new(n, sizeof(*g.titles));
	g.order = mem_new(n, sizeof(*g.order));
	c->identity_of = mem_new(n, sizeof(*c->identity_of));
	for (size_t e = 0; e < n; e++) {
		c->identity_of[e] = MODEL_NONE;
		if (!c->known[e])
			continue;
		g.titles[e] = endpoint_title(c, e);
		g.order[g.len++] = e;
	}
	qsort_r(g.order, g.len, sizeof(*g.order), compare_ordered, &g);
	for (size_t i = 0; i < g.len; i++)
		add_member(c, &g, i);
	for (size_t i = 0; i < c->identities.len; i++)
		name_identity(c, &g, i, &names);
	tdestroy(names, keep_name);
	selected_build(c);
	for (size_t e = 0; e < n; e++)
		free(g.titles[e]);
	free(g.titles);
	free(g.order);
}

size_t compile_instances(const struct compiled *c)
{
	return c->instances.len;
}

const struct compile_instance *compile_instance(const struct compiled *c, size_t i)
{
	return &c->instances.items[i].public;
}

size_t compile_identities(const struct compiled *c)
{
	return c->nmanaged;
}

const struct compile_identity *compile_identity(const struct compiled *c, size_t i)
{
	return &c->identities.items[i].public;
}

size_t compile_identity_of(const struct compiled *c, size_t endpoint)
{
	size_t i = c->identity_of[endpoint];

	return i < c->nmanaged ? i : MODEL_NONE;
}
