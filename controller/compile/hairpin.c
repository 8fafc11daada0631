#include "ruleset-internal.h"

#include "quaywall/mem.h"

/*
 * Published ports in the input hook: a packet there is for docker-proxy, which then connects as the host, so
 * this is the last place where its sender is known.
 *
 * From a container it is the container's flow to the container behind the port, judged by the verdict
 * function for each identity and port. What the identity's isolation alone would say holds by a map of all
 * published ports that identities share; the ports with another verdict stand in a map of its own,
 * looked up before. Where members of an identity differ (the one that publishes the port talks to itself; a CIDR holds some
 * of their addresses) the exceptions stand in maps by source address, looked up first.
 */

static bool is_wildcard(const struct published *p)
{
	return addr_is_unspecified(&p->port->host_addr);
}

static int published_family(const struct published *p)
{
	return p->port->host_addr.family == AF_INET6;
}

/* [bridge . SADDR .] [DADDR .] protocol . port */
static struct key published_key(const struct published *p, const char *bridge,
				const struct addr *saddr)
{
	struct key k = {.len = 0};

	if (saddr) {
		key_ifname(&k, bridge);
		key_addr(&k, saddr);
	}
	if (!is_wildcard(p))
		key_addr(&k, &p->port->host_addr);
	key_protocol(&k, p->port->protocol);
	key_port(&k, p->port->host_port);
	return k;
}

/* The map PREFIX4, PREFIX6, PREFIX_at4 or PREFIX_at6: the latter for ports published on one address. */
static struct ruleset_set *published_map(const struct writer *w, const char *prefix, int f, bool at,
					 bool by_source)
{
	CLEANUP_FREE char *name = mem_printf("%s%s%s", prefix, at ? "_at" : "", family_digit[f]);
	enum ruleset_field fields[RULESET_FIELDS_MAX];
	size_t n = 0;

	if (by_source) {
		fields[n++] = FIELD_IFNAME;
		fields[n++] = family_field(f);
	}
	if (at)
		fields[n++] = family_field(f);
	fields[n++] = FIELD_PROTOCOL;
	fields[n++] = FIELD_PORT;
	return set_get(w, name, SET_VERDICTS, fields, n, NULL);
}

/* [meta nfproto F] [iifname . SADDR .] [DADDR .] meta l4proto . th dport vmap @MAP */
static void match_map(struct ruleset_chain *chain, const struct ruleset_set *map, int f, bool at,
		      bool by_source)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);
	enum ruleset_load loads[RULESET_FIELDS_MAX];
	size_t n = 0;

	if (!at && !by_source)
		ruleset_add_expr(
			rule, &(struct ruleset_expr) {.kind = EXPR_NFPROTO, .number = families[f]});
	if (by_source) {
		loads[n++] = LOAD_IIFNAME;
		loads[n++] = family_saddr(f);
	}
	if (at)
		loads[n++] = family_daddr(f);
	loads[n++] = LOAD_L4PROTO;
	loads[n++] = LOAD_TH_DPORT;
	rule_vmap(rule, map->name, loads, n);
}

/* The four maps of one prefix: by family, and by whether the port is published on one address. */
struct maps {
	struct ruleset_set *by[2][2];
};

static struct maps maps_get(const struct writer *w, const char *prefix, bool by_source)
{
	struct maps maps;

	for (int f = 0; f < 2; f++) {
		for (int at = 0; at < 2; at++)
			maps.by[f][at] = published_map(w, prefix, f, at, by_source);
	}
	return maps;
}

static struct ruleset_set *map_of(const struct maps *maps, const struct published *p)
{
	return maps->by[published_family(p)][!is_wildcard(p)];
}

static void match_maps(struct ruleset_chain *chain, const struct maps *maps, bool by_source)
{
	for (int f = 0; f < 2; f++) {
		for (int at = 1; at >= 0; at--)
			match_map(chain, maps->by[f][at], f, at, by_source);
	}
}

static void add_keyed(const struct maps *maps, const struct published *p, struct key k,
		      enum flow_verdict verdict)
{
	struct ruleset_set *map = map_of(maps, p);

	switch (verdict) {
	case FLOW_ALLOW:
		map_add(map, &k, NULL, VERDICT_RETURN, NULL, NULL);
		break;
	case FLOW_AUDIT:
		map_add(map, &k, NULL, VERDICT_GOTO, CHAIN_AUDIT, NULL);
		break;
	case FLOW_DENY:
		map_add(map, &k, NULL, VERDICT_GOTO, CHAIN_REFUSE, NULL);
		break;
	}
}

static void add_verdict(const struct maps *maps, const struct published *p,
			enum flow_verdict verdict)
{
	add_keyed(maps, p, published_key(p, NULL, NULL), verdict);
}

static enum flow_verdict judge(const struct writer *w, const struct published *p,
			       const struct flow_end *from, bool judge_self)
{
	struct flow f = {
		.from = *from,
		.to = published_end(w->c, p),
		.protocol = p->port->protocol,
		.port = p->port->container_port,
	};
	struct verdict v;

	verdict_between(w->c, &f, judge_self, &v);
	return v.verdict;
}

/* The addresses of an endpoint that can ask for the port by itself: those of the port's family. */
static size_t senders_at(const struct compiled *c, size_t endpoint, const struct published *p,
			 struct addr ret[3])
{
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(&c->model->endpoints[endpoint], addrs), kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (addrs[i].family == p->port->host_addr.family)
			ret[kept++] = addrs[i];
	}
	return kept;
}

static bool find_sender(const struct compiled *c, const struct identity *id,
			const struct published *p, struct flow_end *ret)
{
	for (size_t i = 0; i < id->members.len; i++) {
		struct addr addrs[3];

		*ret = (struct flow_end) {.kind = END_ENDPOINT, .endpoint = id->members.items[i]};
		if (senders_at(c, ret->endpoint, p, addrs) == 0)
			continue;
		ret->addr = addrs[0];
		return true;
	}
	return false;
}

/* Members of an identity are told apart by blocks of addresses, and one that publishes the port from all others. */
static bool can_be_exception(const struct compiled *c, size_t endpoint, const struct published *p)
{
	return c->names_subnets || c->owner[endpoint] == p->container;
}

static void add_exceptions(const struct writer *w, const struct maps *exceptions,
			   const struct identity *id, const struct published *p,
			   enum flow_verdict base)
{
	const struct model *m = w->c->model;

	for (size_t i = 0; i < id->members.len; i++) {
		struct flow_end from = {.kind = END_ENDPOINT, .endpoint = id->members.items[i]};
		const char *bridge = m->networks[m->endpoints[from.endpoint].network].bridge;
		struct addr addrs[3];
		size_t n = can_be_exception(w->c, from.endpoint, p)
				   ? senders_at(w->c, from.endpoint, p, addrs)
				   : 0;

		for (size_t a = 0; a < n; a++) {
			enum flow_verdict v;

			if (addr_is_contested(w->c, from.endpoint, &addrs[a]))
				continue;
			from.addr = addrs[a];
			v = judge(w, p, &from, false);
			if (v != base)
				add_keyed(exceptions, p, published_key(p, bridge, &addrs[a]), v);
		}
	}
}

static enum flow_verdict usual_verdict(const struct identity *id)
{
	const struct causes *isolated = &id->isolated[DIR_EGRESS];

	if (cause_is_set(&isolated->enforce))
		return FLOW_DENY;
	return cause_is_set(&isolated->audit) ? FLOW_AUDIT : FLOW_ALLOW;
}

/* The maps of all published ports with one verdict. */
static struct maps usual_maps(const struct writer *w, enum flow_verdict verdict)
{
	static const char *const prefixes[] = {
		[FLOW_ALLOW] = "ports_pass",
		[FLOW_AUDIT] = "ports_audit",
		[FLOW_DENY] = "ports_refuse",
	};
	struct maps maps = maps_get(w, prefixes[verdict], false);

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct published *p = written_port(w, i);

		if (i == 0 && map_of(&maps, p)->len)
			break; /* filled for another identity */
		add_verdict(&maps, p, verdict);
	}
	return maps;
}

/* For each verdict that is some identity's usual one. */
static void write_usual_maps(const struct writer *w)
{
	bool usual[FLOW_DENY + 1] = {false};

	for (size_t i = 0; i < w->c->nmanaged; i++)
		usual[usual_verdict(&w->c->identities.items[i])] = true;
	for (enum flow_verdict v = FLOW_ALLOW; v <= FLOW_DENY; v++) {
		if (usual[v])
			usual_maps(w, v);
	}
}

/* Whether containers are asked about the ports that they ask for: by the chains of SIDE_HOST. */
static bool judges_ports(const struct compiled *c)
{
	return c->enforcing || c->auditing;
}

void write_shared_hairpin(const struct writer *w)
{
	if (!judges_ports(w->c))
		return;
	maps_get(w, "via", true);
	write_usual_maps(w);
}

static char *map_prefix(const char *chain)
{
	return mem_printf("%s.published", chain);
}

/* What identity ID may do with P, where that is not the usual. */
static void add_port(const struct writer *w, const struct identity *id, const struct published *p,
		     const struct maps *exceptions, const char *prefix)
{
	struct flow_end from;
	enum flow_verdict base;

	if (!find_sender(w->c, id, p, &from))
		return;
	base = judge(w, p, &from, true);
	if (base != usual_verdict(id)) {
		struct maps maps = maps_get(w, prefix, false);

		add_verdict(&maps, p, base);
	}
	add_exceptions(w, exceptions, id, p, base);
}

/* Whether the verdict on a port can be another than the usual one: where that refuses, a rule must allow some. */
static bool has_own_ports(const struct identity *id)
{
	return usual_verdict(id) != FLOW_DENY || id->allow[DIR_EGRESS].len > 0;
}

void write_hairpin(const struct writer *w, const struct identity *id, struct ruleset_chain *chain)
{
	CLEANUP_FREE char *prefix = map_prefix(chain->name);
	struct maps exceptions = maps_get(w, "via", true);
	struct maps rest = usual_maps(w, usual_verdict(id));

	match_maps(chain, &exceptions, true);
	if (has_own_ports(id)) {
		struct maps maps = maps_get(w, prefix, false);

		match_maps(chain, &maps, false);
	}
	match_maps(chain, &rest, false);
	for (size_t i = 0; i < written_ports(w); i++)
		add_port(w, id, written_port(w, i), &exceptions, prefix);
}

/* The same for senders that nobody knows, where rule 8 is lifted. Rules for blocks of addresses do not open
 * a port to them: which address it will be is not known here. */
static struct maps unknown_maps(const struct writer *w)
{
	CLEANUP_FREE char *prefix = map_prefix(CHAIN_HOST_CONTAINERS);
	struct maps maps = maps_get(w, prefix, false);

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct published *p = written_port(w, i);

		add_verdict(&maps, p, judge(w, p, &(struct flow_end) {.kind = END_UNKNOWN}, true));
	}
	return maps;
}

void write_unknown_hairpin(const struct writer *w, struct ruleset_chain *chain)
{
	struct maps maps = unknown_maps(w);

	match_maps(chain, &maps, false);
}

/* From outside: DADDR . protocol . port vmap @published: goto proxy_X. */
static struct maps published_maps(const struct writer *w)
{
	struct maps maps = maps_get(w, "published", false);

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct published *p = written_port(w, i);
		const struct identity *id = &w->c->identities.items[w->c->identity_of[p->endpoint]];
		CLEANUP_FREE char *target = chain_name(id, side_prefix(SIDE_OUTSIDE));
		struct key k = published_key(p, NULL, NULL);

		if (has_chain(w->c, id, SIDE_OUTSIDE))
			map_add(map_of(&maps, p), &k, NULL, VERDICT_GOTO, target, NULL);
	}
	return maps;
}

void write_published_maps(const struct writer *w)
{
	struct maps maps = published_maps(w);

	match_maps(ruleset_find_chain(w->r, "input"), &maps, false);
}

static void add_ports_for(const struct writer *w, const struct identity *id,
			  const struct maps *exceptions)
{
	CLEANUP_FREE char *chain = chain_name(id, side_prefix(SIDE_HOST));
	CLEANUP_FREE char *prefix = map_prefix(chain);

	for (size_t i = 0; i < written_ports(w); i++)
		add_port(w, id, written_port(w, i), exceptions, prefix);
}

void write_some_ports(const struct writer *w)
{
	struct maps exceptions;

	if (!written_ports(w))
		return;
	published_maps(w);
	if (w->c->unknown != UNKNOWN_REFUSE)
		unknown_maps(w);
	if (!judges_ports(w->c))
		return;
	exceptions = maps_get(w, "via", true);
	if (!w->extent->with_shared)
		write_usual_maps(w);
	for (size_t i = 0; i < w->c->nmanaged; i++) {
		const struct identity *id = &w->c->identities.items[i];

		if (!is_written_whole(w, id))
			add_ports_for(w, id, &exceptions);
	}
}
