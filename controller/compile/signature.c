#include "compile-internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- atoms ---- */

size_t atom_of(const struct compiled *c, const struct instance *in, const struct selector *s)
{
	return in->first_atom + catalog_find(&c->catalogs[in->document], s);
}

size_t atom_of_governing(const struct compiled *c, const struct instance *in)
{
	return in->first_atom + c->catalogs[in->document].len;
}

bool signature_has(const struct signature *s, size_t atom)
{
	size_t low = 0, high = s->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->items[mid] < atom)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->len && s->items[low] == atom;
}

int signature_compare(const struct signature *a, const struct signature *b)
{
	size_t i = 0;

	while (i < a->len && i < b->len && a->items[i] == b->items[i])
		i++;
	if (i == a->len || i == b->len)
		return (i < a->len) - (i < b->len);
	return a->items[i] < b->items[i] ? 1 : -1;
}

/* ---- of an endpoint ---- */

static int compare_atoms(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void add_of_instance(const struct compiled *c, const struct instance *in, size_t endpoint,
			    struct signature *ret)
{
	const struct catalog *catalog = &c->catalogs[in->document];

	for (size_t i = 0; i < catalog->len; i++) {
		const struct cataloged *entry = &catalog->items[i];

		if (selects(c, in, entry->selector, endpoint))
			MEM_PUSH(ret, (uint32_t)(in->first_atom + entry->place));
	}
	if (instance_governs(c, in, endpoint))
		MEM_PUSH(ret, (uint32_t)atom_of_governing(c, in));
}

/* What names no project means the instance's own, so most instances of a template have nothing to say of a container:
 * they are not asked. */
static bool may_speak_of(const struct compiled *c, const struct instance *in, const char *project)
{
	const char *scope = in->public.scope;

	return !scope || c->catalogs[in->document].names_project ||
	       (project && !strcmp(project, scope));
}

struct signature signature_find(const struct compiled *c, size_t endpoint)
{
	struct signature s = {NULL, 0, 0};
	const char *project;

	if (c->owner[endpoint] == MODEL_NONE)
		return s;
	project = model_container_project(&c->model->containers[c->owner[endpoint]]);
	for (size_t i = 0; i < c->instances.len; i++) {
		if (may_speak_of(c, &c->instances.items[i], project))
			add_of_instance(c, &c->instances.items[i], endpoint, &s);
	}
	if (s.len)
		qsort(s.items, s.len, sizeof(*s.items), compare_atoms);
	return s;
}

/* ---- hash ---- */

static uint64_t hash_add(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u; /* FNV-1a */
	return hash;
}

uint32_t signature_hash(const struct compiled *c, const struct identity *id)
{
	const struct signature *s = &id->key.signature;
	uint64_t hash = hash_add(14695981039346656037u, &id->key.managed, sizeof(id->key.managed));
	size_t next = 0;

	for (size_t i = 0; i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];
		const char *name = in->public.document->name;
		const char *scope = in->public.scope ? in->public.scope : "";

		hash = hash_add(hash, name, strlen(name) + 1);
		hash = hash_add(hash, scope, strlen(scope) + 1);
		for (size_t atom = in->first_atom; atom <= atom_of_governing(c, in); atom++) {
			uint8_t selects_it = next < s->len && s->items[next] == atom;

			next += selects_it;
			hash = hash_add(hash, &selects_it, 1);
		}
	}
	return (uint32_t)(hash ^ hash >> 32);
}
