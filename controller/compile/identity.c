#include "compile-internal.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- what makes an identity ---- */

static bool endpoint_is_managed(const struct compiled *c, size_t e)
{
	return model_network_is_managed(&c->model->networks[c->model->endpoints[e].network]);
}

/*
 * "shop/db" for Compose and Swarm. Containers without a project are told apart by policy alone, so they are
 * called after the policies that govern them: a name of their own for each would make chains for every
 * `docker run`.
 */
static char *endpoint_title(const struct compiled *c, size_t e, const struct signature *s)
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

		if (signature_has(s, atom_of_governing(c, in)))
			buf_printf(&title, "%s%s", title.len ? "." : "", in->public.document->name);
	}
	if (!title.len)
		buf_str(&title, "other");
	return buf_steal(&title);
}

struct identity_key identity_key_of(const struct compiled *c, size_t endpoint)
{
	struct identity_key key = {
		.managed = endpoint_is_managed(c, endpoint),
		.signature = signature_find(c, endpoint),
	};

	key.title = endpoint_title(c, endpoint, &key.signature);
	return key;
}

void identity_key_done(struct identity_key *key)
{
	free(key->title);
	free(key->signature.items);
	*key = (struct identity_key) {.title = NULL};
}

int identity_key_compare(const struct identity_key *a, const struct identity_key *b)
{
	int diff = (int)b->managed - (int)a->managed;

	if (!diff)
		diff = strcmp(a->title, b->title);
	return diff ? diff : signature_compare(&a->signature, &b->signature);
}

/* ---- grouping ---- */

struct grouped {
	struct identity_key key;
	size_t endpoint;
};

static int compare_grouped(const void *a, const void *b)
{
	const struct grouped *x = a, *y = b;
	int diff = identity_key_compare(&x->key, &y->key);

	return diff ? diff : (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);
}

void identity_add_member(struct identity *id, size_t endpoint)
{
	index_list_insert(&id->members, endpoint);
	id->public.nendpoints = id->members.len;
}

/* Sorted, they come with the identities one behind the other. */
static void add_member(struct compiled *c, struct grouped *g)
{
	struct identity *last =
		c->identities.len ? &c->identities.items[c->identities.len - 1] : NULL;
	struct identity fresh = {
		.key = g->key,
		.is_container = c->owner[g->endpoint] != MODEL_NONE,
	};

	if (last && !identity_key_compare(&last->key, &g->key)) {
		identity_key_done(&g->key);
	} else {
		MEM_PUSH(&c->identities, fresh);
		c->nmanaged += fresh.key.managed;
		last = &c->identities.items[c->identities.len - 1];
	}
	identity_add_member(last, g->endpoint);
	c->identity_of[g->endpoint] = c->identities.len - 1;
}

/* ---- names ---- */

static bool is_called(const struct compiled *c, size_t i, const char *title)
{
	return i < c->identities.len && !strcmp(c->identities.items[i].key.title, title);
}

/* Of those that stand beside one another: an endpoint that is elsewhere, too, is another identity there, which has no
 * chains. */
static bool share_title(const struct compiled *c, size_t i, size_t next)
{
	return is_called(c, next, c->identities.items[i].key.title) &&
	       c->identities.items[i].key.managed == c->identities.items[next].key.managed;
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
static void name_identity(struct compiled *c, size_t i, void **names)
{
	struct identity *id = &c->identities.items[i];
	char *plain = ruleset_identifier("", id->key.title);
	bool shared = (i && share_title(c, i, i - 1)) || share_title(c, i, i + 1);

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
		const struct signature *s = &c->identities.items[i].key.signature;

		for (size_t a = 0; a < s->len; a++)
			MEM_PUSH(&c->selected[s->items[a]], i);
	}
}

/* ---- all of it ---- */

void identities_build(struct compiled *c)
{
	size_t n = c->model->nendpoints, len = 0;
	CLEANUP_FREE struct grouped *g = mem_new(n, sizeof(*g));
	void *names = NULL;

	c->identity_of = mem_new(n, sizeof(*c->identity_of));
	for (size_t e = 0; e < n; e++) {
		c->identity_of[e] = MODEL_NONE;
		if (c->known[e])
			g[len++] = (struct grouped) {identity_key_of(c, e), e};
	}
	qsort(g, len, sizeof(*g), compare_grouped);
	for (size_t i = 0; i < len; i++)
		add_member(c, &g[i]);
	for (size_t i = 0; i < c->identities.len; i++)
		name_identity(c, i, &names);
	tdestroy(names, keep_name);
	selected_build(c);
}

/* ---- one more, one less ---- */

bool identity_is_free(const struct compiled *c, const struct identity_key *key)
{
	CLEANUP_FREE char *name = ruleset_identifier("", key->title);

	for (size_t i = 0; i < c->identities.len; i++) {
		if (is_called(c, i, key->title) || !strcmp(c->identities.items[i].name, name))
			return false;
	}
	return true;
}

bool identity_is_alone(const struct compiled *c, size_t at)
{
	CLEANUP_FREE char *name = ruleset_identifier("", c->identities.items[at].key.title);

	for (size_t i = 0; i < c->identities.len; i++) {
		if (i != at && is_called(c, i, c->identities.items[at].key.title))
			return false;
	}
	return !strcmp(c->identities.items[at].name, name);
}

/* The places from AT on are others by CHANGE. */
static void move_places(struct compiled *c, size_t at, size_t change)
{
	for (size_t e = 0; e < c->model->nendpoints; e++) {
		if (c->identity_of[e] != MODEL_NONE && c->identity_of[e] >= at)
			c->identity_of[e] += change;
	}
	for (size_t a = 0; a < c->natoms; a++) {
		struct index_list *list = &c->selected[a];

		for (size_t i = 0; i < list->len; i++) {
			if (list->items[i] >= at)
				list->items[i] += change;
		}
	}
}

void identity_insert(struct compiled *c, size_t at, struct identity_key *key)
{
	struct identity fresh = {
		.key = *key,
		.name = ruleset_identifier("", key->title),
	};
	const struct signature *s = &fresh.key.signature;

	*key = (struct identity_key) {.title = NULL};
	fresh.public.name = fresh.name;
	move_places(c, at, 1);
	for (size_t i = 0; i < s->len; i++)
		index_list_insert(&c->selected[s->items[i]], at);
	MEM_PUSH(&c->identities, fresh);
	memmove(&c->identities.items[at + 1], &c->identities.items[at],
		(c->identities.len - 1 - at) * sizeof(fresh));
	c->identities.items[at] = fresh;
	c->nmanaged += fresh.key.managed;
}

static void remove_place(struct index_list *list, size_t place)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->len; i++) {
		if (list->items[i] != place)
			list->items[kept++] = list->items[i];
	}
	list->len = kept;
}

void identity_remove(struct compiled *c, size_t at)
{
	struct identity *id = &c->identities.items[at];

	for (size_t i = 0; i < id->key.signature.len; i++)
		remove_place(&c->selected[id->key.signature.items[i]], at);
	c->nmanaged -= id->key.managed;
	identity_done(id);
	c->identities.len--;
	memmove(id, id + 1, (c->identities.len - at) * sizeof(*id));
	move_places(c, at, (size_t)-1);
}

/* ---- what is asked of them ---- */

size_t identity_find(const struct compiled *c, const struct identity_key *key, bool *ret_there)
{
	size_t low = 0, high = c->identities.len;

	*ret_there = false;
	while (low < high && !*ret_there) {
		size_t mid = low + (high - low) / 2;
		int order = identity_key_compare(&c->identities.items[mid].key, key);

		*ret_there = order == 0;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return high;
}

bool identity_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, const struct identity *id)
{
	return signature_has(&id->key.signature, atom_of(c, in, s));
}

bool endpoint_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, size_t endpoint)
{
	size_t id = c->identity_of[endpoint];

	return id != MODEL_NONE && identity_selected(c, in, s, &c->identities.items[id]);
}

const struct index_list *selected_identities(const struct compiled *c, const struct instance *in,
					     const struct selector *s)
{
	return &c->selected[atom_of(c, in, s)];
}

bool identity_governed(const struct compiled *c, const struct instance *in,
		       const struct identity *id)
{
	return signature_has(&id->key.signature, atom_of_governing(c, in));
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
