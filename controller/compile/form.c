#include "ruleset-internal.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"

/*
 * A rule as nft rules of its own: one with a log, a limit, an interface, a long range of ports beside
 * containers, or CIDRs on the side of the container that it governs. It becomes a rule for each family,
 * interface and alternative of ports.
 */

struct form {
	const struct clause *clause;
	const struct held *held;
	const char *name;     /* what the names of its sets begin with */
	const char *port_set; /* or NULL */
	bool long_only;	      /* the short ranges are elements of the shared sets already */
};

/* One nft rule in the making. */
struct variant {
	int f;				  /* family's index, or -1 for both */
	const char *far;		  /* set of far addresses, or NULL */
	bool link;			  /* far: of addresses with their interface */
	const char *own;		  /* set of own addresses, or NULL */
	const char *interface;		  /* or NULL */
	const struct policy_ports *ports; /* or NULL */
	uint8_t protocol;		  /* of ports */
};

/* ---- sets of addresses ---- */

static char *address_set(const struct form *form, const struct ranges *ranges, const char *shape,
			 int f, unsigned flags)
{
	char *name = mem_printf("%s_%s%s", form->name, shape, family_digit[f]);
	bool fresh;
	struct ruleset_set *set =
		set_get(form->clause->w, name, flags, FIELDS(family_field(f)), &fresh);

	for (size_t i = 0; fresh && i < ranges->len; i++) {
		if (ranges->items[i].first.family == families[f])
			set_add_range(set, &ranges->items[i], NULL);
	}
	return name;
}

static char *link_set(const struct form *form, const struct link_peers *links)
{
	char *name = mem_printf("%s_addr6_link", form->name);
	bool fresh;
	struct ruleset_set *set =
		set_get(form->clause->w, name, 0, FIELDS(FIELD_IFNAME, FIELD_IPV6), &fresh);

	for (size_t i = 0; fresh && i < links->len; i++) {
		struct key k = {.len = 0};

		key_ifname(&k, links->items[i].bridge);
		key_addr(&k, &links->items[i].addr);
		set_add(set, &k, NULL, NULL);
	}
	return name;
}

/* ---- one nft rule ---- */

static void add_interface(const struct form *form, const struct variant *v,
			  struct ruleset_rule *rule)
{
	enum side side = form->clause->side;
	CLEANUP_FREE char *containers = mem_printf("containers%s", family_digit[v->f]);

	/* What an interface means is outside, also where it is a bridge of the engine. */
	rule_lookup(rule, containers, true, LOADS(far_load(side, v->f)));
	if (strcmp(v->interface, "*") != 0)
		rule_named(rule, side == SIDE_FROM ? EXPR_OIFNAME : EXPR_IIFNAME, v->interface);
}

static void add_ports(const struct form *form, const struct variant *v, struct ruleset_rule *rule)
{
	if (form->port_set) {
		rule_lookup(rule, form->port_set, false, LOADS(LOAD_L4PROTO, LOAD_TH_DPORT));
		return;
	}
	if (!v->ports)
		return;
	rule_l4proto(rule, v->protocol);
	if (v->ports->first > 0 || v->ports->last < UINT16_MAX)
		rule_ports(rule, form->clause->port_kind, v->ports->first, v->ports->last);
}

static void add_matches(const struct form *form, const struct variant *v, struct ruleset_rule *rule)
{
	enum side side = form->clause->side;

	if (v->interface)
		add_interface(form, v, rule);
	if (v->own)
		rule_lookup(rule, v->own, false, LOADS(own_load(side, v->f)));
	if (v->far && v->link)
		rule_lookup(rule, v->far, false, LOADS(far_ifname(side), far_load(side, v->f)));
	else if (v->far)
		rule_lookup(rule, v->far, false, LOADS(far_load(side, v->f)));
	if (v->f >= 0 && !v->interface && !v->own && !v->far)
		ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_NFPROTO,
							       .number = families[v->f]});
	add_ports(form, v, rule);
}

/* ---- limits ---- */

/*
 * A limit is the rule's, whichever identity's chain it is met in: "limit_shop.3_in" for the fourth rule of
 * the document. Both ends of a flow count it, so each direction has its own.
 */
static char *limit_name(const struct form *form)
{
	const struct compile_instance *in = &form->held->in->public;
	bool out = form->clause->side == SIDE_FROM || form->clause->side == SIDE_HOST;
	CLEANUP_FREE char *text = mem_printf(
		"%s%s%s.%zu_%s", in->document->name, in->document->is_template ? "/" : "",
		in->document->is_template ? in->scope : "",
		(size_t)(form->held->rule - in->document->rules), out ? "out" : "in");

	return ruleset_identifier("limit_", text);
}

static void add_dynset(const struct form *form, struct ruleset_rule *rule, const char *what, int f,
		       struct ruleset_expr expr)
{
	const struct policy_limit *limit = &form->held->rule->limit;
	enum ruleset_field field = limit->per_source ? family_field(f) : FIELD_PROTOCOL;
	CLEANUP_FREE char *base = limit_name(form);
	CLEANUP_FREE char *name =
		mem_printf("%s_%s%s", base, what, limit->per_source ? family_digit[f] : "");
	bool fresh;
	struct ruleset_set *set =
		set_get(form->clause->w, name, SET_DYNAMIC, FIELDS(field), &fresh);

	if (fresh) {
		set->size = 65535;
		/* A rate's bucket is full again after that; a count's element goes with its flows. */
		if (expr.kind == EXPR_DYNSET_LIMIT)
			set->timeout = limit->new_unit * (1 + limit->burst / limit->new_rate);
	}
	expr.name = name;
	expr.loads[0] = limit->per_source ? family_saddr(f) : LOAD_L4PROTO;
	expr.nloads = 1;
	ruleset_add_expr(rule, &expr);
}

static bool has_limit(const struct ruleset *r, const char *name)
{
	for (size_t i = r->nlimits; i > 0; i--) {
		if (!strcmp(r->limits[i - 1].name, name))
			return true;
	}
	return false;
}

static void add_rate(const struct form *form, struct ruleset_rule *rule, int f)
{
	const struct policy_limit *limit = &form->held->rule->limit;
	CLEANUP_FREE char *name = NULL;

	if (limit->per_source) {
		add_dynset(form, rule, "rate", f,
			   (struct ruleset_expr) {.kind = EXPR_DYNSET_LIMIT,
						  .rate = limit->new_rate,
						  .unit = limit->new_unit,
						  .burst = limit->burst});
		return;
	}
	name = limit_name(form);
	if (!has_limit(form->clause->w->r, name))
		ruleset_add_limit(form->clause->w->r, name, limit->new_rate, limit->new_unit,
				  limit->burst);
	rule_named(rule, EXPR_LIMIT, name);
}

static void add_limits(const struct form *form, struct ruleset_rule *rule, int f)
{
	const struct policy_limit *limit = &form->held->rule->limit;

	/* The count first: a flow above it must not use up the rate of those below. */
	if (limit->connections)
		add_dynset(form, rule, "conns", f,
			   (struct ruleset_expr) {.kind = EXPR_DYNSET_CONNS,
						  .number = limit->connections});
	if (limit->new_rate)
		add_rate(form, rule, f);
}

/* ---- log and verdict ---- */

static void add_log(const struct form *form, struct ruleset_rule *rule, const char *comment)
{
	const struct settings *s = form->clause->w->c->settings;
	CLEANUP_FREE char *prefix = mem_printf("quaywall %s %.96s", form->clause->word, comment);

	ruleset_add_expr(rule, &(struct ruleset_expr) {
				       .kind = EXPR_LOG, .number = s->log_group, .name = prefix});
}

static void write_log_rule(const struct form *form, const struct variant *v, const char *comment)
{
	struct ruleset_rule *rule = ruleset_add_rule(form->clause->chain, comment);

	add_matches(form, v, rule);
	rule_named(rule, EXPR_LIMIT, LIMIT_LOG);
	add_log(form, rule, comment);
}

static void write_variant(const struct form *form, const struct variant *v)
{
	const struct policy_rule *policy = form->held->rule;
	const struct clause *clause = form->clause;
	bool log = policy->log && clause->w->c->settings->log_rate;
	CLEANUP_FREE char *comment = held_comment(form->held);
	struct ruleset_rule *rule;

	/* The limit of logging must not decide about the packet: so a rule of its own. What a rule
	 * limits itself is logged within that limit. */
	if (log && !policy->limit.set)
		write_log_rule(form, v, comment);
	rule = ruleset_add_rule(clause->chain, comment);
	add_matches(form, v, rule);
	if (policy->limit.set)
		add_limits(form, rule, v->f);
	if (log && policy->limit.set)
		add_log(form, rule, comment);
	if (clause->w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	if (!log || !clause->logs)
		rule_verdict(rule, clause->verdict, clause->target);
	else if (clause->quiet)
		rule_verdict(rule, clause->verdict, clause->quiet);
}

/* ---- alternatives ---- */

static void write_icmp(const struct form *form, struct variant v)
{
	for (int f = 0; f < 2; f++) {
		if (v.f >= 0 && v.f != f)
			continue;
		v.protocol = f ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		write_variant(form, &v);
	}
}

static void write_ports(const struct form *form, struct variant v)
{
	const struct policy_rule *rule = form->held->rule;

	if (!rule->nports || form->port_set)
		write_variant(form, &v);
	for (size_t i = 0; i < rule->nports && !form->port_set; i++) {
		v.ports = &rule->ports[i];
		v.protocol = v.ports->protocol;
		if (form->long_only && v.far && ports_fit_elements(v.ports))
			continue;
		if (v.protocol == IPPROTO_ICMP)
			write_icmp(form, v);
		else
			write_variant(form, &v);
	}
}

static bool has_family(const struct ranges *ranges, int f)
{
	for (size_t i = 0; i < ranges->len; i++) {
		if (ranges->items[i].first.family == families[f])
			return true;
	}
	return false;
}

static void write_family(const struct form *form, const struct peers *peers, unsigned parts, int f,
			 const char *own)
{
	struct variant v = {.f = f, .own = own};
	CLEANUP_FREE char *exact = NULL;
	CLEANUP_FREE char *links = NULL;
	CLEANUP_FREE char *nets = NULL;

	if (parts & FORM_EXACT && peers->exact_wanted) {
		exact = address_set(form, &peers->exact, "addr", f, 0);
		v.far = exact;
		write_ports(form, v);
	}
	if (parts & FORM_EXACT && peers->exact_wanted && f == 1) {
		links = link_set(form, &peers->links);
		v.far = links;
		v.link = true;
		write_ports(form, v);
		v.link = false;
	}
	if (parts & FORM_RANGES && peers->ranges_wanted[f]) {
		if (!peers->everything)
			nets = address_set(form, &peers->ranges, "net", f, SET_INTERVAL);
		v.far = nets;
		write_ports(form, v);
	}
	v.far = NULL;
	for (size_t i = 0; parts & FORM_INTERFACES && i < peers->interfaces.len; i++) {
		v.interface = peers->interfaces.items[i];
		write_ports(form, v);
	}
}

static void write_form(const struct form *form, const struct peers *peers, unsigned parts)
{
	const struct policy_limit *limit = &form->held->rule->limit;
	bool own_cidrs = form->held->own == OWN_CIDRS && form->clause->side != SIDE_OUTSIDE;
	CLEANUP_RANGES struct ranges own = {NULL, 0, 0};

	/* Everything and everywhere needs no family. */
	if (parts & FORM_RANGES && peers->everything && !own_cidrs && !limit->per_source) {
		write_ports(form, (struct variant) {.f = -1});
		return;
	}
	if (own_cidrs)
		own = own_ranges(form->held, form->clause->side);
	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *own_set = NULL;

		if (own_cidrs && !has_family(&own, f))
			continue;
		if (own_cidrs)
			own_set = address_set(form, &own, "own", f, SET_INTERVAL);
		write_family(form, peers, parts, f, own_set);
	}
}

void form_write(const struct clause *clause, const struct held *held, size_t index,
		const struct peers *peers, unsigned parts)
{
	CLEANUP_FREE char *name = mem_printf("%s%zu", clause->sets, index);
	struct form form = {.clause = clause, .held = held, .name = name};

	form.long_only = !(parts & FORM_RANGES);
	write_form(&form, peers, parts);
}

void form_write_ports(const struct clause *clause, const struct held *held, size_t index,
		      const struct peers *peers, const char *ports)
{
	CLEANUP_FREE char *name = mem_printf("%s%zu", clause->sets, index);
	struct form form = {.clause = clause, .held = held, .name = name, .port_set = ports};

	write_form(&form, peers, FORM_ALL);
}
