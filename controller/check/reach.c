#include "exposure.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define ASKED_MAX 1000000 /* half a second */

/* ---- addresses ---- */

static bool is_in(const struct addr *a, const char *const *blocks)
{
	struct prefix p;

	for (; *blocks; blocks++)
		if (prefix_parse(*blocks, &p) == 0 && prefix_contains(&p, a))
			return true;
	return false;
}

bool addr_is_loopback(const struct addr *a)
{
	static const char *const blocks[] = {"127.0.0.0/8", "::1", NULL};

	return is_in(a, blocks);
}

bool addr_is_private(const struct addr *a)
{
	static const char *const blocks[] = {
		"10.0.0.0/8",	 "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"100.64.0.0/10", "fc00::/7",	  "fe80::/10",	    NULL};

	return is_in(a, blocks);
}

/* ---- published ports ---- */

static bool is_one(const struct model_port *a, const struct model_port *b)
{
	return a->protocol == b->protocol && a->host_port == b->host_port &&
	       a->container_port == b->container_port;
}

bool exposed_in(const struct exposed *e, uint8_t family)
{
	for (size_t i = 0; i < e->nports; i++)
		if (e->ports[i].host_addr.family == family &&
		    !addr_is_loopback(&e->ports[i].host_addr))
			return true;
	return false;
}

/* ---- asking ---- */

#define BORDERS 14

/* The addresses beside private blocks: a rule's block that is partly private is told from one that is. */
static const char *const borders[BORDERS] = {
	"9.255.255.255",
	"11.0.0.0",
	"172.15.255.255",
	"172.32.0.0",
	"192.167.255.255",
	"192.169.0.0",
	"169.253.255.255",
	"169.255.0.0",
	"100.63.255.255",
	"100.128.0.0",
	"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fe00::",
	"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fec0::",
};

struct asker {
	const struct compiled *c;
	struct compile_classes *classes;
	struct compile_members *sources; /* of each identity */
	size_t *gateways; /* of each container: the endpoint that its ports lead to, or MODEL_NONE */
	struct flow_end borders[BORDERS]; /* those that are outside */
	size_t nborders, asked;
};

/* The engine leads ports to the first network, by name, that is not internal. */
static void find_gateways(struct asker *a)
{
	const struct model *m = compile_model(a->c);

	a->gateways = mem_new(m->ncontainers, sizeof(*a->gateways));
	for (size_t i = 0; i < m->ncontainers; i++)
		a->gateways[i] = MODEL_NONE;
	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];
		const struct model_network *n = &m->networks[e->network];
		size_t *best = e->container == MODEL_NONE ? NULL : &a->gateways[e->container];

		if (best && !n->internal && model_network_is_managed(n) &&
		    (*best == MODEL_NONE ||
		     strcmp(n->name, m->networks[m->endpoints[*best].network].name) < 0))
			*best = i;
	}
}

static void find_borders(struct asker *a)
{
	for (size_t i = 0; i < BORDERS; i++) {
		struct addr addr;

		if (addr_parse(borders[i], &addr) == 0)
			a->borders[a->nborders] = compile_end_of_addr(a->c, &addr);
		a->nborders += a->borders[a->nborders].kind == END_OUTSIDE;
	}
}

struct asker *asker_new(const struct compiled *c)
{
	struct asker *a = mem_new(1, sizeof(*a));

	a->c = c;
	a->classes = compile_classes_new(c);
	a->sources = mem_new(compile_identities(c), sizeof(*a->sources));
	find_gateways(a);
	find_borders(a);
	return a;
}

void asker_free(struct asker *a)
{
	for (size_t i = 0; i < compile_identities(a->c); i++)
		compile_members_done(&a->sources[i]);
	free(a->sources);
	free(a->gateways);
	compile_classes_free(a->classes);
	free(a);
}

bool asker_next(const struct asker *a, size_t c, size_t *next, struct exposed *ret)
{
	const struct model *m = compile_model(a->c);
	const struct model_container *container = &m->containers[c];
	size_t first = *next, owner, endpoint;

	if (!container->running || first >= container->nports)
		return false;
	owner = model_netns_owner(m, c);
	endpoint = owner == MODEL_NONE ? MODEL_NONE : a->gateways[owner];
	if (endpoint == MODEL_NONE)
		return false;
	while (*next < container->nports &&
	       is_one(&container->ports[first], &container->ports[*next]))
		++*next;
	*ret = (struct exposed) {c, endpoint, &container->ports[first], *next - first};
	return true;
}

static const struct compile_members *sources_of(struct asker *a, size_t identity)
{
	struct compile_members *list = &a->sources[identity];

	if (list->len)
		return list;
	compile_members_outside(a->classes, identity, true, list);
	for (size_t i = 0; i < a->nborders; i++) {
		struct compile_member m = {.end = a->borders[i], .class = list->len};

		MEM_PUSH(list, m);
	}
	return list;
}

/* The endpoint's address that a client of FAMILY comes to: docker-proxy takes it to one of the other family. */
static struct addr target_of(const struct model_endpoint *e, uint8_t family, bool direct)
{
	const struct addr *same = family == AF_INET ? &e->addr4 : &e->addr6;
	const struct addr *other = family == AF_INET ? &e->addr6 : &e->addr4;

	return addr_is_set(same) || direct ? *same : *other;
}

/* Whether there is a way for clients of FAMILY. */
static bool comes_in(const struct model *m, const struct exposed *e, uint8_t family, bool direct)
{
	struct addr target = target_of(&m->endpoints[e->endpoint], family, direct);

	return addr_is_set(&target) && (direct || exposed_in(e, family));
}

static void take(struct reach *r, const struct flow_end *from, const struct verdict *v)
{
	bool is_public = !addr_is_private(&from->addr) && !from->interface;

	if (!from->interface)
		r->everyone[from->addr.family == AF_INET6] &= v->verdict != FLOW_DENY;
	if (v->verdict == FLOW_DENY)
		return;
	/* What tells the most: an address that anybody may have. */
	if (!r->passed || (is_public && !r->some_public)) {
		r->example = *from;
		r->consent = v->ingress;
	}
	r->passed++;
	r->some_public |= is_public;
	r->named |=
		v->ingress.reason == REASON_PUBLISH_RULE || v->ingress.reason == REASON_ALLOW_RULE;
	r->audited |= v->verdict == FLOW_AUDIT;
}

bool asker_ask(struct asker *a, const struct exposed *e, bool direct, struct reach *ret)
{
	const struct model *m = compile_model(a->c);
	const struct compile_members *sources =
		sources_of(a, compile_identity_of(a->c, e->endpoint));
	struct flow f = {
		.to = {.kind = END_ENDPOINT, .endpoint = e->endpoint},
		.protocol = e->ports->protocol,
		.port = e->ports->container_port,
		.published = !direct,
		.published_port = direct ? 0 : e->ports->host_port,
	};

	if (a->asked + sources->len > ASKED_MAX)
		return false;
	a->asked += sources->len;
	*ret = (struct reach) {
		.everyone = {direct || exposed_in(e, AF_INET), direct || exposed_in(e, AF_INET6)}};
	for (size_t i = 0; i < sources->len; i++) {
		struct verdict v;

		f.from = sources->items[i].end;
		f.to.addr = target_of(&m->endpoints[e->endpoint], f.from.addr.family, direct);
		if (!comes_in(m, e, f.from.addr.family, direct))
			continue;
		compile_verdict(a->c, &f, &v);
		take(ret, &f.from, &v);
	}
	return true;
}
