#include "ruleset-internal.h"

#include <netinet/in.h>
#include <search.h>
#include <string.h>

#include "quaywall/mem.h"

/*
 * Plain rules share sets, so that the cost of a packet does not grow with their number: hash sets for
 * container addresses, with and without a port, and interval sets for blocks of addresses and ports.
 * Container addresses never go into interval sets, which copy themselves at each change.
 */

#define SHORT_RANGE 16 /* as many ports become elements of their own */

/* Sets of single addresses: IPv4, IPv6, and IPv6 link-local ones with their interface. */
#define KINDS 3
#define LINK  2

static const char *const kind_suffix[KINDS] = {"4", "6", "6_link"};

struct shared {
	const struct clause *clause;
	struct ruleset_set *addr[KINDS], *port[KINDS]; /* NULL while unused */
	bool nets_wanted[2], netports_wanted[2];
	struct boxes nets[2], netports[2];
};

enum ruleset_load far_load(enum side side, int f)
{
	return side == SIDE_FROM || side == SIDE_HOST ? family_daddr(f) : family_saddr(f);
}

enum ruleset_load own_load(enum side side, int f)
{
	return side == SIDE_FROM || side == SIDE_HOST ? family_saddr(f) : family_daddr(f);
}

enum ruleset_load far_ifname(enum side side)
{
	return side == SIDE_FROM ? LOAD_OIFNAME : LOAD_IIFNAME;
}

unsigned counter_flag(const struct compiled *c)
{
	return c->settings->counters ? SET_COUNTER : 0;
}

static int compare_set_names(const void *a, const void *b)
{
	const struct ruleset_set *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct ruleset_set *set_get(const struct writer *w, const char *name, unsigned flags,
			    const enum ruleset_field *fields, size_t nfields, bool *fresh)
{
	struct ruleset_set wanted = {.name = (char *)name};
	struct ruleset_set **found = tfind(&wanted, w->sets, compare_set_names);
	struct ruleset_set *s;

	if (fresh)
		*fresh = !found;
	if (found)
		return *found;
	s = ruleset_add_set(w->r, name, flags, fields, nfields);
	if (!tsearch(s, w->sets, compare_set_names))
		abort(); /* out of memory */
	return s;
}

char *held_comment(const struct held *held)
{
	const struct policy_rule *rule = held->rule;
	CLEANUP_FREE char *text = mem_printf("%s:%u%s%s", rule->where.file, rule->where.line,
					     rule->name ? " " : "", rule->name ? rule->name : "");

	return ruleset_comment(text);
}

bool ports_fit_elements(const struct policy_ports *p)
{
	return p->protocol != IPPROTO_ICMP && p->last - p->first < SHORT_RANGE;
}

static uint8_t wire_protocol(const struct policy_ports *p, int f)
{
	return p->protocol == IPPROTO_ICMP && f ? IPPROTO_ICMPV6 : p->protocol;
}

static struct ruleset_set *shared_set(const struct shared *s, const char *shape, int kind,
				      unsigned flags, bool with_port)
{
	CLEANUP_FREE char *name = mem_printf("%s_%s%s", s->clause->sets, shape, kind_suffix[kind]);
	const struct writer *w = s->clause->w;
	enum ruleset_field fields[RULESET_FIELDS_MAX];
	size_t n = 0;

	if (kind == LINK)
		fields[n++] = FIELD_IFNAME;
	fields[n++] = family_field(kind != 0);
	if (with_port) {
		fields[n++] = FIELD_PROTOCOL;
		fields[n++] = FIELD_PORT;
	}
	return set_get(w, name, flags | counter_flag(w->c), fields, n, NULL);
}

/* An element for the address in K, or one for each port of P. */
static void add_exact(struct ruleset_set *set, const struct key *k, const struct policy_ports *p,
		      const char *comment)
{
	if (!p)
		set_add(set, k, NULL, comment);
	for (unsigned port = p ? p->first : 1; p && port <= p->last; port++) {
		struct key with_port = *k;

		key_protocol(&with_port, p->protocol);
		key_port(&with_port, (uint16_t)port);
		set_add(set, &with_port, NULL, comment);
	}
}

static void share_exact(struct shared *s, const struct held *held, const struct peers *peers,
			const struct policy_ports *p)
{
	CLEANUP_FREE char *comment = held_comment(held);
	struct ruleset_set **sets = p ? s->port : s->addr;

	for (int kind = 0; kind < KINDS; kind++)
		sets[kind] = shared_set(s, p ? "port" : "addr", kind, 0, p);
	for (size_t i = 0; i < peers->exact.len; i++) {
		const struct addr *a = &peers->exact.items[i].first;
		struct key k = {.len = 0};

		key_addr(&k, a);
		add_exact(sets[a->family == AF_INET6], &k, p, comment);
	}
	for (size_t i = 0; i < peers->links.len; i++) {
		struct key k = {.len = 0};

		key_ifname(&k, peers->links.items[i].bridge);
		key_addr(&k, &peers->links.items[i].addr);
		add_exact(sets[LINK], &k, p, comment);
	}
}

static void share_ranges(struct shared *s, const struct held *held, const struct peers *peers,
			 const struct policy_ports *p)
{
	for (int f = 0; f < 2; f++) {
		if (peers->ranges_wanted[f] && p)
			s->netports_wanted[f] = true;
		else if (peers->ranges_wanted[f])
			s->nets_wanted[f] = true;
	}
	for (size_t i = 0; i < peers->ranges.len; i++) {
		int f = peers->ranges.items[i].first.family == AF_INET6;
		struct box box = {.addrs = peers->ranges.items[i], .held = held};

		if (p) {
			box.protocol = wire_protocol(p, f);
			box.first = p->first;
			box.last = p->last;
		}
		boxes_add(p ? &s->netports[f] : &s->nets[f], &box);
	}
}

/* Whether some of the rule's ports cannot stand in elements beside container addresses. */
static bool has_long_ports(const struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->nports; i++) {
		if (!ports_fit_elements(&rule->ports[i]))
			return true;
	}
	return false;
}

static void share_rule(struct shared *s, const struct held *held, const struct peers *peers)
{
	const struct policy_rule *rule = held->rule;

	if (!rule->nports) {
		if (peers->exact_wanted)
			share_exact(s, held, peers, NULL);
		share_ranges(s, held, peers, NULL);
	}
	for (size_t i = 0; i < rule->nports; i++) {
		if (peers->exact_wanted && ports_fit_elements(&rule->ports[i]))
			share_exact(s, held, peers, &rule->ports[i]);
		share_ranges(s, held, peers, &rule->ports[i]);
	}
}

static void fill_boxes(struct ruleset_set *set, const struct boxes *boxes, bool with_port)
{
	for (size_t i = 0; i < boxes->len; i++) {
		const struct box *box = &boxes->items[i];
		CLEANUP_FREE char *comment = held_comment(box->held);
		struct key first = {.len = 0}, last = {.len = 0};

		key_addr(&first, &box->addrs.first);
		key_addr(&last, &box->addrs.last);
		if (with_port) {
			key_protocol(&first, box->protocol);
			key_protocol(&last, box->protocol);
			key_port(&first, box->first);
			key_port(&last, box->last);
		}
		set_add(set, &first, &last, comment);
	}
}

/* [IFNAME .] FAR [. meta l4proto . PORT] @SET */
static struct ruleset_rule *lookup_exact(struct ruleset_chain *chain, enum side side,
					 const struct ruleset_set *set, int kind,
					 const enum ruleset_load *port)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);
	enum ruleset_load loads[RULESET_FIELDS_MAX];
	size_t n = 0;

	if (kind == LINK)
		loads[n++] = far_ifname(side);
	loads[n++] = far_load(side, kind != 0);
	if (port) {
		loads[n++] = LOAD_L4PROTO;
		loads[n++] = *port;
	}
	rule_lookup(rule, set->name, false, loads, n);
	return rule;
}

/* [IFNAME .] FAR [. meta l4proto . th dport] @SET VERDICT */
static void match_set(const struct clause *clause, const struct ruleset_set *set, int kind,
		      bool with_port)
{
	static const enum ruleset_load dport = LOAD_TH_DPORT;
	struct ruleset_rule *rule =
		lookup_exact(clause->chain, clause->side, set, kind, with_port ? &dport : NULL);

	rule_verdict(rule, clause->verdict, clause->target);
}

static void match_if_there(const struct writer *w, struct ruleset_chain *chain, enum side side,
			   const char *name, int kind, const enum ruleset_load *port,
			   enum ruleset_verdict verdict)
{
	struct ruleset_set wanted = {.name = (char *)name};
	struct ruleset_set **found = tfind(&wanted, w->sets, compare_set_names);

	if (found)
		rule_verdict(lookup_exact(chain, side, *found, kind, port), verdict, NULL);
}

void clause_match_ports(const struct writer *w, struct ruleset_chain *chain, enum side side,
			const char *sets, enum ruleset_load port, enum ruleset_verdict verdict)
{
	for (int kind = 0; kind < KINDS; kind++) {
		CLEANUP_FREE char *name = mem_printf("%s_port%s", sets, kind_suffix[kind]);

		match_if_there(w, chain, side, name, kind, &port, verdict);
	}
}

void clause_match_peers(const struct writer *w, struct ruleset_chain *chain, enum side side,
			const char *sets, enum ruleset_verdict verdict)
{
	for (int kind = 0; kind < KINDS; kind++) {
		CLEANUP_FREE char *addr = mem_printf("%s_addr%s", sets, kind_suffix[kind]);
		CLEANUP_FREE char *net = mem_printf("%s_net%s", sets, kind_suffix[kind]);

		match_if_there(w, chain, side, addr, kind, NULL, verdict);
		match_if_there(w, chain, side, net, kind, NULL, verdict);
	}
}

static void match_boxes(const struct shared *s, const struct boxes *boxes, const char *shape, int f,
			bool with_port)
{
	struct ruleset_set *set = shared_set(s, shape, f, SET_INTERVAL, with_port);

	fill_boxes(set, boxes, with_port);
	match_set(s->clause, set, f, with_port);
}

static void write_shared(struct shared *s)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (s->port[kind])
			match_set(s->clause, s->port[kind], kind, true);
		if (s->addr[kind])
			match_set(s->clause, s->addr[kind], kind, false);
	}
	for (int f = 0; f < 2; f++) {
		if (s->netports_wanted[f])
			match_boxes(s, &s->netports[f], "netport", f, true);
		if (s->nets_wanted[f])
			match_boxes(s, &s->nets[f], "net", f, false);
		free(s->nets[f].items);
		free(s->netports[f].items);
	}
}

static bool is_plain(const struct held *held)
{
	return !held->rule->log && !held->rule->limit.set && held->own == OWN_ALL;
}

static void write_plain(const struct clause *clause, const struct held_list *list, bool enforce)
{
	struct shared s = {.clause = clause};

	for (size_t i = 0; i < list->len; i++) {
		const struct held *held = &list->items[i];
		CLEANUP_PEERS struct peers peers = {0};
		unsigned parts = FORM_INTERFACES;

		if (!is_plain(held) ||
		    (held->rule->action == POLICY_DENY && held->enforce != enforce))
			continue;
		peers_of(clause->w, held, clause->side, &peers);
		share_rule(&s, held, &peers);
		if (has_long_ports(held->rule))
			parts |= FORM_EXACT;
		form_write(clause, held, i, &peers, parts);
	}
	write_shared(&s);
}

/* Rules with a log of their own come before the sets, which would hide them; limited ones last, because
 * a flow that another rule allows needs no limit. */
void clause_write(const struct clause *clause, const struct held_list *list, bool enforce)
{
	for (int limited = 0; limited < 2; limited++) {
		for (size_t i = 0; i < list->len; i++) {
			const struct held *held = &list->items[i];
			CLEANUP_PEERS struct peers peers = {0};

			if (is_plain(held) || held->rule->limit.set != limited ||
			    (held->rule->action == POLICY_DENY && held->enforce != enforce))
				continue;
			peers_of(clause->w, held, clause->side, &peers);
			form_write(clause, held, i, &peers, FORM_ALL);
		}
		if (!limited)
			write_plain(clause, list, enforce);
	}
}
