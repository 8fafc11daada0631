/*
 * graph_traffic: lays what was seen over the graph: who reached whom, and who tried and was refused.
 *
 * Traffic is remembered by names (learn.h), cells stand for identities: a name can have several, where selectors tell its
 * networks or replicas apart. Then it is told of those that have a network in common, of all where none have.
 */
#include "quaywall/protocol.h"
#include "quaywall/reconcile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "quaywall/mem.h"
#include "describe.h"

#define PORTS_MAX 32 /* that are named of a cell, for each of the two */

/* Ends of the graph are the identities, then these. */
enum { HOST, WORLD, PUBLISHED, OTHERS };

/* A name's place: an identity, by one of its networks. */
struct place {
	char *name; /* NULL: the host or outside */
	size_t end;
	size_t network;
};

struct overlay {
	const struct compiled *c;
	size_t ends;
	json_t **cells;			  /* row by column; NULL: not asked for */
	const struct learn_pair **marked; /* of each, the pair that it had last */
	struct {
		struct place *items; /* sorted, each once */
		size_t len, cap;
	} places;
};

static void overlay_done(struct overlay *o)
{
	for (size_t i = 0; i < o->places.len; i++)
		free(o->places.items[i].name);
	free(o->places.items);
	free(o->cells);
	free(o->marked);
}

/* ---- names ---- */

/* One text for it, and for no other, whatever the names hold. */
static char *name_of(const struct learn_end *e)
{
	if (!e->service)
		return mem_printf("- %s", e->name);
	return mem_printf("%zu %s %s", strlen(e->project), e->project, e->service);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int diff = strcmp(x->name, y->name);

	if (diff)
		return diff;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return (x->network > y->network) - (x->network < y->network);
}

/* Replicas are at one place. */
static void drop_doubles(struct overlay *o)
{
	struct place *places = o->places.items;
	size_t n = 0;

	for (size_t i = 0; i < o->places.len; i++)
		if (n && compare_places(&places[n - 1], &places[i]) == 0)
			free(places[i].name);
		else
			places[n++] = places[i];
	o->places.len = n;
}

static void find_places(struct overlay *o)
{
	const struct model *m = compile_model(o->c);

	for (size_t i = 0; i < m->nendpoints; i++) {
		size_t container = m->endpoints[i].container;
		struct place p = {NULL, compile_identity_of(o->c, i), m->endpoints[i].network};
		struct learn_end e;

		if (container == MODEL_NONE || p.end == MODEL_NONE ||
		    !learn_end_of(&m->containers[container], &e))
			continue;
		p.name = name_of(&e);
		MEM_PUSH(&o->places, p);
	}
	if (o->places.len)
		qsort(o->places.items, o->places.len, sizeof(*o->places.items), compare_places);
	drop_doubles(o);
}

/* The first of them; *RET_LEN is how many follow each other. */
static const struct place *places_of(const struct overlay *o, const char *name, size_t *ret_len)
{
	size_t low = 0, high = o->places.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(o->places.items[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < o->places.len && !strcmp(o->places.items[high].name, name); high++)
		;
	*ret_len = high - low;
	return o->places.items ? &o->places.items[low] : NULL;
}

/* ---- cells ---- */

/* As part of the language, where it has a word. */
static json_t *ports_json(const struct learn_pair *p)
{
	const char *protocol = protocol_name(p->protocol);
	uint16_t port = p->published_port ? p->published_port : p->port;
	CLEANUP_FREE char *text = NULL;

	if (!protocol)
		text = mem_printf("protocol %u", p->protocol);
	else if (!port)
		text = mem_strdup(protocol);
	else if (p->range && !p->published_port)
		text = mem_printf("%u-%u/%s", port, p->port_last, protocol);
	else
		text = mem_printf("%u/%s", port, protocol);
	return json_string(text);
}

static void add_port(json_t *list, const struct learn_pair *p)
{
	json_t *port = ports_json(p), *other;
	bool known = json_array_size(list) >= PORTS_MAX;
	size_t i;

	json_array_foreach(list, i, other)
		known |= json_equal(other, port);
	if (!known)
		json_array_append(list, port);
	json_decref(port);
}

static void add_count(json_t *seen, const char *key, uint64_t n)
{
	json_int_t before = json_integer_value(json_object_get(seen, key));

	json_object_set_new(seen, key, json_integer(before + (json_int_t)n));
}

static void note_last(json_t *seen, time_t last)
{
	json_t *text = describe_time(last);
	const char *now = json_string_value(text);
	const char *before = json_string_value(json_object_get(seen, "last"));

	/* Both are in UTC and of one form. */
	if (now && (!before || strcmp(before, now) < 0))
		json_object_set(seen, "last", text);
	json_decref(text);
}

static void mark(struct overlay *o, size_t from, size_t to, const struct learn_pair *p)
{
	size_t at = from * o->ends + to;
	json_t *cell = o->cells[at], *seen;

	if (!cell || o->marked[at] == p)
		return;
	o->marked[at] = p;
	seen = json_object_get(cell, "seen");
	if (!json_is_object(seen)) {
		seen = json_pack("{s:i, s:i, s:i, s:[], s:[], s:n}", "passed", 0, "audited", 0,
				 "refused", 0, "ports", "refused_ports", "last");
		json_object_set_new(cell, "seen", seen);
	}
	add_count(seen, "passed", p->allowed + p->audited);
	add_count(seen, "audited", p->audited);
	add_count(seen, "refused", p->refused);
	if (p->allowed || p->audited)
		add_port(json_object_get(seen, "ports"), p);
	if (p->refused)
		add_port(json_object_get(seen, "refused_ports"), p);
	note_last(seen, p->last);
}

/* ---- pairs ---- */

static const struct place *find_end(const struct overlay *o, const struct learn_pair *p,
				    const struct learn_end *e, struct place *other, size_t *ret_len)
{
	CLEANUP_FREE char *name = e->kind == LEARN_CONTAINER ? name_of(e) : NULL;
	size_t word = e->kind == LEARN_HOST ? HOST : p->published_port ? PUBLISHED : WORLD;

	if (name)
		return places_of(o, name, ret_len);
	*other = (struct place) {NULL, o->ends - OTHERS + word, MODEL_NONE};
	*ret_len = 1;
	return other;
}

static bool are_joined(const struct place *a, const struct place *b)
{
	return a->name && b->name && a->network == b->network;
}

static bool mark_all(struct overlay *o, const struct learn_pair *p, const struct place *from,
		     size_t nfrom, const struct place *to, size_t nto, bool joined)
{
	bool any = false;

	for (size_t i = 0; i < nfrom; i++)
		for (size_t j = 0; j < nto; j++) {
			if (joined && !are_joined(&from[i], &to[j]))
				continue;
			any = true;
			mark(o, from[i].end, to[j].end, p);
		}
	return any;
}

static void add_pair(struct overlay *o, const struct learn_pair *p)
{
	struct place from_word, to_word;
	size_t nfrom, nto;
	const struct place *from = find_end(o, p, &p->from, &from_word, &nfrom);
	const struct place *to = find_end(o, p, &p->to, &to_word, &nto);

	if (!mark_all(o, p, from, nfrom, to, nto, true))
		mark_all(o, p, from, nfrom, to, nto, false);
}

/* ---- all ---- */

static void find_cells(struct overlay *o, const json_t *cells)
{
	json_t *cell;
	size_t i;

	o->cells = mem_new(o->ends * o->ends, sizeof(json_t *));
	o->marked = mem_new(o->ends * o->ends, sizeof(*o->marked));
	json_array_foreach(cells, i, cell) {
		json_int_t row = json_integer_value(json_object_get(cell, "row"));
		json_int_t column = json_integer_value(json_object_get(cell, "column"));

		json_object_set_new(cell, "seen", json_null());
		o->cells[(size_t)row * o->ends + (size_t)column] = cell;
	}
}

void reconcile_graph_traffic(json_t *graph, const struct compiled *c, const struct learn_table *t)
{
	__attribute__((cleanup(overlay_done))) struct overlay o = {
		.c = c, .ends = json_array_size(json_object_get(graph, "ends"))};

	find_cells(&o, json_object_get(graph, "cells"));
	find_places(&o);
	for (size_t i = 0; i < learn_table_len(t); i++)
		add_pair(&o, learn_table_pair(t, i));
}
