/*
 * graph: who may reach whom by the policies, each with each, as JSON.
 *
 * Every cell is asked of compile_verdict(), by ends that stand for all others of their identity and by ports that stand for
 * all up to the next at which a rule begins or ends: so it is exact, and costs little.
 */
#include "quaywall/reconcile.h"

#include <errno.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "describe.h"
#include "ends.h"
#include "parts.h"
#include "published.h"

/* The daemon answers whoever may ask, and enforces with the same thread. */
#define CELLS_MAX 10000
#define ASKED_MAX 2000000

enum kind { KIND_IDENTITY, KIND_HOST, KIND_WORLD, KIND_PUBLISHED };

struct end {
	enum kind kind;
	size_t identity; /* MODEL_NONE unless KIND_IDENTITY */
	bool row, column;
	struct compile_members members; /* of an identity and of the host */
	struct compile_members sources,
		targets; /* of an identity: outside, as it comes from or goes there */
};

struct entry {
	struct published port;
	size_t identity; /* that it leads to */
};

struct graph {
	const struct compiled *c;
	const struct model *m;
	struct compile_classes *classes;
	struct end *ends;
	size_t n;
	struct {
		struct entry *items; /* by identity, protocol and port */
		size_t len, cap;
	} published;
	size_t asked;
	json_t *cells;
};

static void graph_done(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		compile_members_done(&g->ends[i].members);
		compile_members_done(&g->ends[i].sources);
		compile_members_done(&g->ends[i].targets);
	}
	free(g->ends);
	free(g->published.items);
	compile_classes_free(g->classes);
	json_decref(g->cells);
}

#define CLEANUP_GRAPH __attribute__((cleanup(graph_done)))

/* ---- who ---- */

static const char *end_name(const struct graph *g, const struct end *e)
{
	static const char *const words[] = {
		[KIND_HOST] = "host",
		[KIND_WORLD] = "world",
		[KIND_PUBLISHED] = "published",
	};

	return e->kind == KIND_IDENTITY ? compile_identity(g->c, e->identity)->name
					: words[e->kind];
}

static bool names_member(const struct graph *g, const struct end *e, const char *pattern)
{
	for (size_t i = 0; i < g->m->nendpoints && e->kind == KIND_IDENTITY; i++) {
		size_t c = g->m->endpoints[i].container;

		if (c != MODEL_NONE && compile_identity_of(g->c, i) == e->identity &&
		    fnmatch(pattern, g->m->containers[c].name, 0) == 0)
			return true;
	}
	return false;
}

static bool is_asked(const struct graph *g, const struct end *e, const char *pattern)
{
	if (!pattern)
		return true;
	/* Published ports are the world's way. */
	if (e->kind == KIND_PUBLISHED && fnmatch(pattern, "world", 0) == 0)
		return true;
	return fnmatch(pattern, end_name(g, e), 0) == 0 || names_member(g, e, pattern);
}

static void find_ends(struct graph *g, const struct graph_query *q)
{
	size_t identities = compile_identities(g->c);

	g->n = identities + 3;
	g->ends = mem_new(g->n, sizeof(*g->ends));
	for (size_t i = 0; i < g->n; i++) {
		struct end *e = &g->ends[i];

		e->kind = i < identities ? KIND_IDENTITY : KIND_HOST + (enum kind)(i - identities);
		e->identity = i < identities ? i : MODEL_NONE;
		e->row = is_asked(g, e, q->from);
		e->column = e->kind != KIND_PUBLISHED && is_asked(g, e, q->to);
	}
}

static int check_size(const struct graph *g, const struct graph_query *q, struct error *err)
{
	size_t rows = 0, columns = 0;

	for (size_t i = 0; i < g->n; i++) {
		rows += g->ends[i].row;
		columns += g->ends[i].column;
	}
	if (!rows || !columns)
		return error_set(err, -EINVAL,
				 "nothing is called '%s' (expected an identity, a container's "
				 "name, host, world, or a glob of them)",
				 rows ? q->to : q->from);
	if (rows * columns <= CELLS_MAX)
		return 0;
	return error_set(err, -EINVAL,
			 "that would be %zu times %zu identities (at most %d cells: name fewer "
			 "by --from and --to)",
			 rows, columns, CELLS_MAX);
}

static void find_members(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct end *e = &g->ends[i];

		if (e->kind == KIND_HOST)
			compile_members_of_host(g->classes, &e->members);
		if (e->kind != KIND_IDENTITY || (!e->row && !e->column))
			continue;
		compile_members_of(g->classes, e->identity, &e->members);
		compile_members_outside(g->classes, e->identity, true, &e->sources);
		compile_members_outside(g->classes, e->identity, false, &e->targets);
	}
}

/* ---- published ports ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->identity != y->identity)
		return x->identity < y->identity ? -1 : 1;
	if (x->port.protocol != y->port.protocol)
		return x->port.protocol < y->port.protocol ? -1 : 1;
	return (int)x->port.host_port - (int)y->port.host_port;
}

static void find_published(struct graph *g)
{
	/* Anybody: it is the other end that is asked for. */
	static const struct flow_end anybody = {.kind = END_HOST};

	for (size_t c = 0; c < g->m->ncontainers; c++) {
		const struct model_container *container = &g->m->containers[c];

		for (size_t i = 0; i < container->nports; i++) {
			const struct model_port *p = &container->ports[i];
			struct entry e;
			struct flow f;

			/* A port stands there once for each address: they are sorted. */
			if (i && p[-1].protocol == p->protocol && p[-1].host_port == p->host_port)
				continue;
			published_find(g->m, c, p->protocol, p->host_port, &e.port);
			if (e.port.loopback_only || !published_flow(g->m, &anybody, &e.port, &f))
				continue;
			e.identity = compile_identity_of(g->c, f.to.endpoint);
			MEM_PUSH(&g->published, e);
		}
	}
	if (g->published.len)
		qsort(g->published.items, g->published.len, sizeof(*g->published.items),
		      compare_entries);
}

/* Whether the port is published on an address of the family. */
static bool is_published_in(const struct graph *g, const struct published *p, uint8_t family)
{
	const struct model_container *container = &g->m->containers[p->container];

	for (size_t i = 0; i < container->nports; i++)
		if (container->ports[i].protocol == p->protocol &&
		    container->ports[i].host_port == p->host_port &&
		    container->ports[i].host_addr.family == family)
			return true;
	return false;
}

static void add_through(const struct graph *g, const struct end *to, const struct published *p,
			struct parts_flows *flows)
{
	for (size_t i = 0; i < to->sources.len; i++) {
		const struct flow_end *from = &to->sources.items[i].end;
		struct flow f;

		if (is_published_in(g, p, from->addr.family) && published_flow(g->m, from, p, &f))
			MEM_PUSH(flows, f);
	}
}

static void ask_published(struct graph *g, const struct end *to, struct parts *parts)
{
	struct parts_flows flows = {NULL, 0, 0};

	for (size_t i = 0; i < g->published.len; i++) {
		const struct entry *e = &g->published.items[i], *next = e + 1;

		if (e->identity != to->identity)
			continue;
		add_through(g, to, &e->port, &flows);
		/* One port of the host can lead to several, by its addresses. */
		if (i + 1 < g->published.len && compare_entries(e, next) == 0)
			continue;
		g->asked += parts_ask_published(parts, g->c, &flows, e->port.protocol,
						e->port.host_port);
		flows.len = 0;
	}
	free(flows.items);
}

/* ---- pairs ---- */

static const struct compile_members *members_as(const struct end *e, const struct end *other,
						bool source)
{
	if (e->kind != KIND_WORLD)
		return &e->members;
	return source ? &other->sources : &other->targets;
}

static const struct model_endpoint *endpoint_of(const struct graph *g,
						const struct compile_member *m)
{
	return m->end.kind == END_ENDPOINT ? &g->m->endpoints[m->end.endpoint] : NULL;
}

static bool is_itself(const struct graph *g, const struct compile_member *a,
		      const struct compile_member *b)
{
	const struct model_endpoint *x = endpoint_of(g, a), *y = endpoint_of(g, b);

	return x && y && x->container == y->container;
}

static bool is_on_one_network(const struct graph *g, const struct compile_member *a,
			      const struct compile_member *b)
{
	const struct model_endpoint *x = endpoint_of(g, a), *y = endpoint_of(g, b);

	return x && y && x->network == y->network && x->container != y->container;
}

static bool have_common_network(const struct graph *g, const struct compile_members *from,
				const struct compile_members *to)
{
	for (size_t i = 0; i < from->len; i++)
		for (size_t j = 0; j < to->len; j++)
			if (is_on_one_network(g, &from->items[i], &to->items[j]))
				return true;
	return false;
}

static void add_flows(const struct graph *g, const struct compile_member *from,
		      const struct compile_member *to, struct parts_flows *flows)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct flow f = {.from = from->end, .to = to->end};
		bool has_from, has_to;

		f.from.addr = ends_in_family(g->m, &from->end, families[i], &has_from);
		f.to.addr = ends_in_family(g->m, &to->end, families[i], &has_to);
		if (has_from && has_to)
			MEM_PUSH(flows, f);
	}
}

static size_t class_end(const struct compile_members *m, size_t i)
{
	size_t class = m->items[i].class;

	while (i < m->len && m->items[i].class == class)
		i++;
	return i;
}

/* The first two of both classes that are not one container. */
static void add_class(const struct graph *g, const struct compile_members *from, size_t i,
		      const struct compile_members *to, size_t j, struct parts_flows *flows)
{
	size_t iend = class_end(from, i), jend = class_end(to, j);

	for (size_t x = i; x < iend; x++)
		for (size_t y = j; y < jend; y++) {
			if (is_itself(g, &from->items[x], &to->items[y]))
				continue;
			add_flows(g, &from->items[x], &to->items[y], flows);
			return;
		}
}

static void find_flows(const struct graph *g, const struct compile_members *from,
		       const struct compile_members *to, bool common, struct parts_flows *flows)
{
	for (size_t i = 0; i < from->len; i = class_end(from, i))
		for (size_t j = 0; j < to->len; j = class_end(to, j)) {
			const struct model_endpoint *x = endpoint_of(g, &from->items[i]);
			const struct model_endpoint *y = endpoint_of(g, &to->items[j]);

			if (!common || (x && y && x->network == y->network))
				add_class(g, from, i, to, j, flows);
		}
}

static void ask_protocol(struct graph *g, const struct end *from, const struct end *to,
			 uint8_t protocol, struct parts_flows *flows, struct parts *parts)
{
	struct compile_ports bounds = {NULL, 0, 0};
	bool has_ports = protocol != IPPROTO_ICMP && protocol != IPPROTO_GRE;

	compile_port_bounds(g->c, from->identity, to->identity, protocol, &bounds);
	for (size_t i = 0; i < bounds.len; i++) {
		unsigned last = i + 1 < bounds.len ? bounds.items[i + 1] - 1u : UINT16_MAX;

		g->asked += parts_ask(parts, g->c, flows, protocol, has_ports ? bounds.items[i] : 0,
				      has_ports ? (uint16_t)last : 0);
	}
	free(bounds.items);
}

/* *RET_COMMON: whether they have a network in common; only asked of two identities. */
static void ask_pair(struct graph *g, const struct end *from, const struct end *to,
		     struct parts *parts, bool *ret_common)
{
	/* GRE stands for the protocols that no rule can name. */
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
					    IPPROTO_GRE};
	const struct compile_members *sources = members_as(from, to, true);
	const struct compile_members *targets = members_as(to, from, false);
	struct parts_flows flows = {NULL, 0, 0};

	*ret_common = have_common_network(g, sources, targets);
	find_flows(g, sources, targets, *ret_common, &flows);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		ask_protocol(g, from, to, protocols[i], &flows, parts);
	free(flows.items);
}

static void add_cell(struct graph *g, size_t row, size_t column)
{
	const struct end *from = &g->ends[row], *to = &g->ends[column];
	bool two = from->kind == KIND_IDENTITY && to->kind == KIND_IDENTITY;
	bool one = from->kind == KIND_IDENTITY || to->kind == KIND_IDENTITY;
	bool published = from->kind == KIND_PUBLISHED, common = false;
	struct parts *parts = parts_new();

	if (published && one)
		ask_published(g, to, parts);
	else if (one)
		ask_pair(g, from, to, parts, &common);
	json_array_append_new(g->cells, json_pack("{s:o, s:o, s:I, s:I, s:s, s:o, s:o}", "from",
						  reconcile_json_text(end_name(g, from)), "to",
						  reconcile_json_text(end_name(g, to)), "row",
						  (json_int_t)row, "column", (json_int_t)column,
						  "verdict", parts_verdict(parts), "common_network",
						  two ? json_boolean(common) : json_null(), "parts",
						  parts_json(parts, !published)));
	parts_free(parts);
}

/* ---- the answer ---- */

/* The names of the containers, each once: endpoints of one container are not sorted side by side. */
static json_t *containers_json(const struct graph *g, const struct end *e)
{
	json_t *names = json_array(), *seen = json_object();

	for (size_t i = 0; i < g->m->nendpoints && e->kind == KIND_IDENTITY; i++) {
		size_t c = g->m->endpoints[i].container;

		if (c == MODEL_NONE || compile_identity_of(g->c, i) != e->identity ||
		    json_object_get(seen, g->m->containers[c].id))
			continue;
		json_object_set_new(seen, g->m->containers[c].id, json_true());
		json_array_append_new(names, reconcile_json_text(g->m->containers[c].name));
	}
	json_decref(seen);
	return names;
}

static json_t *end_json(const struct graph *g, const struct end *e)
{
	static const char *const kinds[] = {
		[KIND_IDENTITY] = "identity",
		[KIND_HOST] = "host",
		[KIND_WORLD] = "world",
		[KIND_PUBLISHED] = "published",
	};
	const struct compile_identity *id =
		e->kind == KIND_IDENTITY ? compile_identity(g->c, e->identity) : NULL;

	return json_pack("{s:o, s:s, s:b, s:b, s:o, s:o, s:o}", "name",
			 reconcile_json_text(end_name(g, e)), "kind", kinds[e->kind], "row", e->row,
			 "column", e->column, "containers", containers_json(g, e), "isolated",
			 describe_directions(id ? id->isolated : 0), "audited",
			 describe_directions(id ? id->audited : 0));
}

static int fill(struct graph *g, struct error *err)
{
	for (size_t i = 0; i < g->n; i++)
		for (size_t j = 0; j < g->n && g->ends[i].row; j++) {
			if (!g->ends[j].column)
				continue;
			add_cell(g, i, j);
			if (g->asked > ASKED_MAX)
				return error_set(err, -EINVAL,
						 "that would take more than %d questions (name "
						 "fewer identities by --from and --to)",
						 ASKED_MAX);
		}
	return 0;
}

int reconcile_graph(const struct compiled *c, const struct model *m, const struct graph_query *q,
		    json_t **ret, struct error *err)
{
	CLEANUP_GRAPH struct graph g = {.c = c, .m = m, .cells = json_array()};
	json_t *ends;
	int r;

	g.classes = compile_classes_new(c);
	find_ends(&g, q);
	r = check_size(&g, q, err);
	if (r < 0)
		return r;
	find_members(&g);
	find_published(&g);
	r = fill(&g, err);
	if (r < 0)
		return r;
	ends = json_array();
	for (size_t i = 0; i < g.n; i++)
		json_array_append_new(ends, end_json(&g, &g.ends[i]));
	*ret = json_pack("{s:o, s:O}", "ends", ends, "cells", g.cells);
	return 0;
}
