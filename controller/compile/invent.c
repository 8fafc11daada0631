#include "quaywall/compile.h"

#include <netinet/in.h>
#include <string.h>

#include "plain.h"
#include "quaywall/mem.h"

#define PROJECT_LABEL "com.docker.compose.project"
#define SERVICE_LABEL "com.docker.compose.service"

/* Of each, as many as the invented subnets have room for. */
#define NETWORKS_MAX   4000
#define CONTAINERS_MAX 60000
#define PORTS_MAX      1000 /* of one expectation */

struct world {
	struct model *model;
	size_t containers_cap, networks_cap, endpoints_cap;
	struct plain *plain; /* what each container was made from */
	size_t plain_cap;
	bool v6; /* the policies speak of IPv6 */
	const struct policy_set *set;
	struct policy_problems *p;
};

/* ---- networks ---- */

/* Addresses that no policy speaks of: reserved ones (RFC 1112), and the discard prefix (RFC 6666). */
static struct addr address(size_t network, size_t host, uint8_t family)
{
	struct addr a = {.family = family};
	uint8_t *low = family == AF_INET ? a.bytes : a.bytes + 12;

	a.bytes[0] = family == AF_INET ? 240 : 1;
	low[0] = (uint8_t)((family == AF_INET ? 240 : 0) + network / 256);
	low[1] = (uint8_t)network;
	low[2] = (uint8_t)(host / 256);
	low[3] = (uint8_t)host;
	return a;
}

static void add_subnet(struct model_network *n, size_t index, uint8_t family)
{
	n->subnets[n->nsubnets++] = (struct prefix) {.addr = address(index, 0, family),
						     .len = family == AF_INET ? 16 : 112};
	n->gateways[n->ngateways++] = address(index, 1, family);
}

static size_t network_named(struct world *w, const char *name)
{
	struct model *m = w->model;
	size_t index = m->nnetworks;
	struct model_network *n;

	for (size_t i = 0; i < m->nnetworks; i++)
		if (!strcmp(m->networks[i].name, name))
			return i;
	m->networks = mem_grow(m->networks, &w->networks_cap, index + 1, sizeof(*m->networks));
	n = &m->networks[m->nnetworks++];
	*n = (struct model_network) {
		.id = mem_printf("network%06zu", index),
		.name = mem_strdup(name),
		.driver = mem_strdup("bridge"),
		.scope = mem_strdup("local"),
		.bridge = mem_printf("br-invent%zu", index),
		.icc = true,
		.subnets = mem_new(2, sizeof(*n->subnets)),
		.gateways = mem_new(2, sizeof(*n->gateways)),
	};
	add_subnet(n, index, AF_INET);
	if (w->v6)
		add_subnet(n, index, AF_INET6);
	return index;
}

static size_t network_for(struct world *w, const struct plain *p)
{
	CLEANUP_FREE char *name = NULL;

	if (p->network)
		return network_named(w, p->network);
	name = p->project ? mem_printf("%s_default", p->project) : mem_strdup("invented");
	return network_named(w, name);
}

static void add_endpoint(struct world *w, size_t network, size_t container)
{
	struct model *m = w->model;
	size_t index = m->nendpoints;
	struct model_endpoint *e;

	m->endpoints = mem_grow(m->endpoints, &w->endpoints_cap, index + 1, sizeof(*m->endpoints));
	e = &m->endpoints[m->nendpoints++];
	*e = (struct model_endpoint) {
		.id = mem_printf("endpoint%06zu", index),
		.network = network,
		.container = container,
		.name = mem_strdup(m->containers[container].name),
		.addr4 = address(network, container + 2, AF_INET),
		.has_mac = true,
		.mac = {0x02, 0x42, 0xf0, (uint8_t)(network), (uint8_t)(container / 256),
			(uint8_t)container},
	};
	if (w->v6)
		e->addr6 = address(network, container + 2, AF_INET6);
}

/* ---- containers ---- */

/* Keeps the labels sorted. Returns false where KEY has another value already. */
static bool add_label(struct model_container *k, const char *key, const char *value)
{
	size_t at = 0;

	while (at < k->nlabels && strcmp(k->labels[at].key, key) < 0)
		at++;
	if (at < k->nlabels && !strcmp(k->labels[at].key, key))
		return !strcmp(k->labels[at].value, value);
	memmove(&k->labels[at + 1], &k->labels[at], (k->nlabels - at) * sizeof(*k->labels));
	k->labels[at] = (struct model_label) {.key = mem_strdup(key), .value = mem_strdup(value)};
	k->nlabels++;
	return true;
}

static bool add_labels(struct model_container *k, const struct plain *p)
{
	bool fine = true;

	k->labels = mem_new(p->nlabels + 2, sizeof(*k->labels));
	for (size_t i = 0; i < p->nlabels; i++)
		fine = add_label(k, p->labels[i].key,
				 p->labels[i].value ? p->labels[i].value : "true") &&
		       fine;
	if (p->project)
		fine = add_label(k, PROJECT_LABEL, p->project) && fine;
	if (p->service)
		fine = add_label(k, SERVICE_LABEL, p->service) && fine;
	return fine;
}

static char *text_or_empty(const char *s)
{
	return mem_strdup(s ? s : "");
}

/* The container with exactly P's values, which is taken over; MODEL_NONE where they contradict. */
static size_t add_container(struct world *w, struct plain *p)
{
	struct model *m = w->model;
	size_t index = m->ncontainers;
	struct model_container *k;

	for (size_t i = 0; i < m->ncontainers; i++)
		if (plain_equal(&w->plain[i], p))
			return i;
	m->containers =
		mem_grow(m->containers, &w->containers_cap, index + 1, sizeof(*m->containers));
	w->plain = mem_grow(w->plain, &w->plain_cap, index + 1, sizeof(*w->plain));
	k = &m->containers[m->ncontainers++];
	*k = (struct model_container) {
		.id = mem_printf("container%06zu", index),
		.name = p->name ? mem_strdup(p->name) : mem_printf("invented-%zu", index + 1),
		.image = text_or_empty(p->image),
		.image_id = mem_strdup(""),
		.network_mode = mem_strdup("default"),
		.running = true,
	};
	add_endpoint(w, network_for(w, p), index);
	w->plain[index] = *p;
	*p = (struct plain) {0};
	return add_labels(k, &w->plain[index]) ? index : MODEL_NONE;
}

static bool has_room(const struct world *w)
{
	return w->model->ncontainers < CONTAINERS_MAX && w->model->nnetworks < NETWORKS_MAX;
}

static void needs_snapshot(const struct world *w, const struct policy_document *doc,
			   const struct selector *s)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	policy_selector_print(doc, s, &text);
	policy_problem_add(w->p, POLICY_ERROR, &s->where,
			   "this selector needs --snapshot: no container can be invented for %s",
			   buf_text(&text));
}

/* The container for S; MODEL_NONE, and an error, where it is not made of plain values. */
static size_t invent(struct world *w, const struct policy_document *doc, const struct selector *s,
		     const char *scope)
{
	CLEANUP_PLAIN struct plain p = {0};
	size_t ret = MODEL_NONE;

	if (has_room(w) && plain_read(doc, s, scope, &p))
		ret = add_container(w, &p);
	if (ret == MODEL_NONE)
		needs_snapshot(w, doc, s);
	return ret;
}

/* ---- published ports ---- */

static bool has_port(const struct model_container *k, uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < k->nports; i++)
		if (k->ports[i].protocol == protocol && k->ports[i].host_port == port)
			return true;
	return false;
}

static void publish_port(struct model_container *k, uint8_t protocol, uint16_t port)
{
	struct model_port *grown;

	if (has_port(k, protocol, port))
		return;
	grown = mem_new(k->nports + 2, sizeof(*grown));
	if (k->nports)
		memcpy(grown, k->ports, k->nports * sizeof(*grown));
	free(k->ports);
	k->ports = grown;
	for (int i = 0; i < 2; i++)
		k->ports[k->nports++] = (struct model_port) {
			.protocol = protocol,
			.container_port = port,
			.host_port = port,
			.host_addr.family = i ? AF_INET6 : AF_INET,
		};
}

static size_t count_ports(const struct policy_expect *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->nports; i++)
		n += e->ports[i].last - e->ports[i].first + 1u;
	return n;
}

/* Gives a container the ports of an expectation with `publish`. */
static void publish(struct world *w, size_t container, const struct policy_expect *e)
{
	if (container == MODEL_NONE)
		return;
	for (size_t i = 0; i < e->nports; i++)
		for (uint32_t port = e->ports[i].first; port <= e->ports[i].last; port++)
			publish_port(&w->model->containers[container], e->ports[i].protocol,
				     (uint16_t)port);
}

static bool shares_port(const struct policy_rule *rule, const struct policy_expect *e)
{
	for (size_t i = 0; i < rule->nports; i++)
		for (size_t j = 0; j < e->nports; j++)
			if (rule->ports[i].protocol == e->ports[j].protocol &&
			    rule->ports[i].first <= e->ports[j].last &&
			    e->ports[j].first <= rule->ports[i].last)
				return true;
	return false;
}

/* The containers that the document's publish rules name for the port. Returns whether there are any. */
static bool publish_by_rules(struct world *w, const struct policy_document *doc,
			     const struct policy_expect *e, const char *scope)
{
	bool found = false;

	for (size_t r = 0; r < doc->nrules; r++) {
		const struct policy_rule *rule = &doc->rules[r];

		if (rule->action != POLICY_PUBLISH || !shares_port(rule, e))
			continue;
		for (size_t i = 0; i < rule->nto; i++) {
			CLEANUP_PLAIN struct plain p = {0};

			if (rule->to[i].kind != PEER_SELECTOR || !has_room(w) ||
			    !plain_read(doc, rule->to[i].selector, scope, &p))
				continue;
			publish(w, add_container(w, &p), e);
			found = true;
		}
	}
	return found;
}

/* The containers that were invented already and that the document governs. */
static bool publish_by_governed(struct world *w, const struct policy_document *doc,
				const struct policy_expect *e)
{
	CLEANUP_SETTINGS struct settings *settings = settings_new();
	CLEANUP_COMPILED struct compiled *c = compile_new(settings, w->set, w->model, NULL);
	bool found = false;

	for (size_t i = 0; c && i < compile_instances(c); i++) {
		if (compile_instance(c, i)->document != doc)
			continue;
		for (size_t k = 0; k < w->model->nendpoints; k++) {
			if (!compile_governs(c, compile_instance(c, i), k))
				continue;
			publish(w, w->model->endpoints[k].container, e);
			found = true;
		}
	}
	return found;
}

/* A container that is only what `for` asks for. */
static void publish_by_for(struct world *w, const struct policy_document *doc,
			   const struct policy_expect *e, const char *scope)
{
	static const struct selector everything = {.kind = SELECTOR_ALL};

	publish(w, invent(w, doc, doc->governs ? doc->governs : &everything, scope), e);
}

/* ---- documents ---- */

/* The project that selectors without one get: for a template one that it matches. NULL, and an error,
 * where none can be made up. */
static char *scope_of(const struct world *w, const struct policy_document *doc)
{
	char *scope = doc->is_template ? plain_example(doc->scope) : plain_text(doc->scope);

	if (!scope)
		policy_problem_add(
			w->p, POLICY_ERROR, &doc->governs->where,
			"this selector needs --snapshot: no project can be invented for '%s'",
			doc->scope);
	return scope;
}

static void invent_ends(struct world *w, const struct policy_document *doc,
			const struct policy_expect *e, const char *scope)
{
	size_t to = MODEL_NONE;

	if (e->from.set && e->from.peer.kind == PEER_SELECTOR)
		invent(w, doc, e->from.peer.selector, scope);
	if (e->to.set && e->to.peer.kind == PEER_SELECTOR)
		to = invent(w, doc, e->to.peer.selector, scope);
	if (!e->by_published_port)
		return;
	if (count_ports(e) > PORTS_MAX)
		policy_problem_add(w->p, POLICY_ERROR, &e->where,
				   "so many published ports need --snapshot (expected at most %d)",
				   PORTS_MAX);
	else
		publish(w, to, e);
}

/* `publish` without `to`: whatever of the document publishes the port. */
static void invent_publisher(struct world *w, const struct policy_document *doc,
			     const struct policy_expect *e, const char *scope)
{
	if (!publish_by_rules(w, doc, e, scope) && !publish_by_governed(w, doc, e))
		publish_by_for(w, doc, e, scope);
}

static void invent_document(struct world *w, const struct policy_document *doc, bool publishers)
{
	CLEANUP_FREE char *scope = doc->scope && doc->nexpects ? scope_of(w, doc) : NULL;

	if (doc->scope && !scope)
		return;
	for (size_t i = 0; i < doc->nexpects; i++) {
		const struct policy_expect *e = &doc->expects[i];

		if (!publishers)
			invent_ends(w, doc, e, scope);
		else if (e->by_published_port && !e->to.set)
			invent_publisher(w, doc, e, scope);
	}
}

static bool speaks_of_v6(const struct policy_set *set)
{
	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t i = 0; i < set->documents[d].nexpects; i++) {
			const struct policy_expect *e = &set->documents[d].expects[i];

			if ((e->from.set && e->from.peer.kind == PEER_CIDR &&
			     e->from.peer.cidr.addr.family == AF_INET6) ||
			    (e->to.set && e->to.peer.kind == PEER_CIDR &&
			     e->to.peer.cidr.addr.family == AF_INET6))
				return true;
		}
	return false;
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = mem_strdup(text);
}

struct model *compile_invent_model(const struct policy_set *policies, struct policy_problems *p)
{
	size_t errors = policy_problems_errors(p);
	CLEANUP_MODEL struct model *m = model_new();
	struct world w = {.model = m, .set = policies, .p = p, .v6 = speaks_of_v6(policies)};
	struct model *ret = NULL;

	set_text(&m->engine_name, COMPILE_INVENTED);
	for (size_t d = 0; d < policies->ndocuments; d++)
		invent_document(&w, &policies->documents[d], false);
	/* An expectation that names no container looks at those that were invented for others. */
	for (size_t d = 0; d < policies->ndocuments && policy_problems_errors(p) == errors; d++)
		invent_document(&w, &policies->documents[d], true);
	for (size_t i = 0; i < m->ncontainers; i++)
		plain_done(&w.plain[i]);
	free(w.plain);
	if (policy_problems_errors(p) != errors)
		return NULL;
	model_sort(m);
	ret = m;
	m = NULL;
	return ret;
}
