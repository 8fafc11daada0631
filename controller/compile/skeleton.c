#include "ruleset-internal.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

/* filter - 10: after conntrack and the engine's DNAT, before the filter chains of everybody else. */
#define PRIORITY_FILTER (-10)
/* raw - 10: before the engine's own raw rules and any DNAT. */
#define PRIORITY_RAW (-310)

#define DHCP_SERVER 67

/* None begins as an identity's chain does, whatever containers and policies are called. */
#define CHAIN_FROM_BRIDGES    "sent_from_bridges"
#define CHAIN_FROM_CONTAINERS "containers_send"
#define CHAIN_TO_CONTAINERS   "containers_receive"
#define CHAIN_FROM_OUTSIDE    "sent_from_outside"
#define CHAIN_TRANSLATED      "translated"

/* ---- how a packet is refused ---- */

/*
 * counter
 * limit name "log_rate" log prefix "quaywall WHAT" group 86
 *
 * The difference of the two is what the limit left out: so the first stands beside the second also where `counters` is
 * off, and beside the other counters where nothing is logged.
 */
void write_log(const struct writer *w, struct ruleset_chain *chain, const char *what)
{
	const struct settings *s = w->c->settings;
	CLEANUP_FREE char *prefix = mem_printf("quaywall %s", what);
	struct ruleset_rule *rule;

	if (s->log_rate || s->counters)
		rule_expr(ruleset_add_rule(chain, NULL), EXPR_COUNTER);
	if (!s->log_rate)
		return;
	rule = ruleset_add_rule(chain, NULL);
	rule_named(rule, EXPR_LIMIT, LIMIT_LOG);
	ruleset_add_expr(rule, &(struct ruleset_expr) {
				       .kind = EXPR_LOG, .number = s->log_group, .name = prefix});
}

/* [iifname [!=] @bridges] reject with tcp reset | icmpx admin-prohibited */
static void write_reject(struct ruleset_chain *chain, bool bridges, bool negate)
{
	for (int tcp = 1; tcp >= 0; tcp--) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		if (bridges)
			rule_lookup(rule, SET_BRIDGES, negate, LOADS(LOAD_IIFNAME));
		if (tcp)
			rule_l4proto(rule, IPPROTO_TCP);
		rule_expr(rule, tcp ? EXPR_REJECT_RST : EXPR_REJECT_ADMIN);
	}
}

static void write_drop(struct ruleset_chain *chain)
{
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_DROP, NULL);
}

static void write_refusal(const struct writer *w, const char *name, const char *what,
			  const char *quiet)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, name, HOOK_NONE, 0);

	write_log(w, chain, what);
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_GOTO, quiet);
}

/*
 * Dropped, however `refuse:` says: a container that has just started is unknown until the engine has said whose
 * address it is. Its kernel sends a first packet that got no answer again, where a reset or an ICMP error would
 * end what the policy permits a moment later.
 */
static void write_unknown_refusal(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_REFUSE_UNKNOWN, HOOK_NONE, 0);

	write_log(w, chain, "unknown");
	write_drop(chain);
}

static void write_refusals(const struct writer *w)
{
	const struct settings *s = w->c->settings;
	struct ruleset_chain *chain;

	ruleset_add_limit(w->r, LIMIT_LOG, s->log_rate ? s->log_rate : 1,
			  s->log_rate ? s->log_unit : POLICY_SECOND, s->log_burst);
	write_refusal(w, CHAIN_REFUSE, "refused", CHAIN_QUIET);
	write_unknown_refusal(w);
	write_refusal(w, CHAIN_REFUSE_LOCAL, "refused", CHAIN_QUIET_LOCAL);

	chain = ruleset_add_chain(w->r, CHAIN_QUIET, HOOK_NONE, 0);
	if (s->refuse_containers == REFUSE_REJECT)
		write_reject(chain, true, false);
	if (s->refuse_world == REFUSE_REJECT)
		write_reject(chain, true, true);
	write_drop(chain);

	chain = ruleset_add_chain(w->r, CHAIN_QUIET_LOCAL, HOOK_NONE, 0);
	if (s->refuse_containers == REFUSE_REJECT)
		write_reject(chain, false, false);
	write_drop(chain);

	chain = ruleset_add_chain(w->r, CHAIN_AUDIT, HOOK_NONE, 0);
	write_log(w, chain, "audit");
	chain = ruleset_add_chain(w->r, CHAIN_AUDIT_UNKNOWN, HOOK_NONE, 0);
	write_log(w, chain, "audit unknown");
}

/* ---- sets that the base chains use ---- */

static void write_bridges(const struct writer *w)
{
	struct ruleset_set *set = ruleset_add_set(w->r, SET_BRIDGES, 0, FIELDS(FIELD_IFNAME));
	const struct model *m = w->c->model;

	for (size_t i = 0; i < m->nnetworks; i++) {
		CLEANUP_FREE char *comment = NULL;
		struct key k = {.len = 0};

		if (!model_network_is_managed(&m->networks[i]))
			continue;
		comment = ruleset_comment(m->networks[i].name);
		key_ifname(&k, m->networks[i].bridge);
		set_add(set, &k, NULL, comment);
	}
}

static void write_ranges(const struct writer *w, const char *prefix, const struct ranges *ranges)
{
	struct ruleset_set *sets[2];

	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("%s%s", prefix, family_digit[f]);

		sets[f] = ruleset_add_set(w->r, name, SET_INTERVAL, FIELDS(family_field(f)));
	}
	for (size_t i = 0; i < ranges->len; i++)
		set_add_range(sets[ranges->items[i].first.family == AF_INET6], &ranges->items[i],
			      NULL);
}

/* ---- whose addresses a packet shows ---- */

static void end_unknown(const struct writer *w, struct ruleset_rule *rule)
{
	bool refuse = w->c->unknown == UNKNOWN_REFUSE;

	if (w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, refuse ? VERDICT_GOTO : VERDICT_JUMP,
		     refuse ? CHAIN_REFUSE_UNKNOWN : CHAIN_AUDIT_UNKNOWN);
}

/* LOAD @subnetsF goto refuse_unknown: rule 8, behind a lookup of the known endpoints */
static void write_unknown(const struct writer *w, struct ruleset_chain *chain, bool source)
{
	if (w->c->unknown == UNKNOWN_PASS)
		return;
	/* A container's only addresses are its endpoint's, so what is in no subnet is forged. */
	if (source && w->c->settings->antispoof) {
		end_unknown(w, ruleset_add_rule(chain, DEFAULT_UNKNOWN));
		return;
	}
	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("subnets%s", family_digit[f]);
		struct ruleset_rule *rule = ruleset_add_rule(chain, DEFAULT_UNKNOWN);

		rule_lookup(rule, name, false, LOADS(source ? family_saddr(f) : family_daddr(f)));
		end_unknown(w, rule);
	}
}

/*
 * ip saddr @subnets4 goto refuse_unknown, of what comes by no bridge of containers
 *
 * A neighbour that sends from a container's address would have the container's rights. Link-local
 * addresses, which subnets6 holds too, are its own on its own link.
 */
static void write_forged(const struct writer *w, struct ruleset_chain *chain)
{
	static const struct prefix link_local = {{AF_INET6, {0xfe, 0x80}}, 10};

	for (int f = 0; w->c->enforcing && f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("subnets%s", family_digit[f]);
		struct ruleset_rule *rule = ruleset_add_rule(chain, "forged source");

		if (f)
			ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_IP_SADDR,
								       .negate = true,
								       .prefix = link_local});
		rule_lookup(rule, name, false, LOADS(family_saddr(f)));
		if (w->c->settings->counters)
			rule_expr(rule, EXPR_COUNTER);
		rule_verdict(rule, VERDICT_GOTO, CHAIN_REFUSE_UNKNOWN);
	}
}

/* ---- endpoints ---- */

/* iifname . ip saddr vmap @PREFIXF, and the map of blocks where policies give any */
static void match_endpoints(const struct writer *w, struct ruleset_chain *chain, const char *prefix,
			    bool source)
{
	enum ruleset_load ifname = source ? LOAD_IIFNAME : LOAD_OIFNAME;

	for (int f = 0; f < 2; f++) {
		enum ruleset_load addr = source ? family_saddr(f) : family_daddr(f);
		CLEANUP_FREE char *name = mem_printf("%s%s", prefix, family_digit[f]);
		CLEANUP_FREE char *blocks = mem_printf("%s_blocks%s", prefix, family_digit[f]);

		rule_vmap(ruleset_add_rule(chain, NULL), name, LOADS(ifname, addr));
		if (ruleset_find_set(w->r, blocks))
			rule_vmap(ruleset_add_rule(chain, NULL), blocks, LOADS(ifname, addr));
	}
}

/* ---- forward ---- */

/*
 * A container that reaches itself through its own published port, translated by the engine:
 * iifname . ip saddr . ip daddr @self4 accept
 */
static void write_translated(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_TRANSLATED, HOOK_NONE, 0);

	for (int f = 0; f < 2; f++) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_lookup(rule, self_set(w, f)->name, false,
			    LOADS(LOAD_IIFNAME, family_saddr(f), family_daddr(f)));
		rule_verdict(rule, VERDICT_ACCEPT, NULL);
	}
}

static void goto_if_bridge(struct ruleset_chain *chain, enum ruleset_load ifname,
			   const char *target)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

	rule_lookup(rule, SET_BRIDGES, false, LOADS(ifname));
	rule_verdict(rule, VERDICT_GOTO, target);
}

/*
 * ct status dnat jump translated
 * jump containers_send
 * oifname @bridges goto containers_receive
 *
 * The first two judge who sends, the third who receives.
 */
static void write_from_bridges(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_FROM_BRIDGES, HOOK_NONE, 0);
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

	rule_expr(rule, EXPR_CT_DNAT);
	rule_verdict(rule, VERDICT_JUMP, CHAIN_TRANSLATED);
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_JUMP, CHAIN_FROM_CONTAINERS);
	goto_if_bridge(chain, LOAD_OIFNAME, CHAIN_TO_CONTAINERS);
}

static void write_from_outside(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_FROM_OUTSIDE, HOOK_NONE, 0);

	write_forged(w, chain);
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_GOTO, CHAIN_TO_CONTAINERS);
}

static void write_forward(const struct writer *w)
{
	struct ruleset_chain *chain =
		ruleset_add_chain(w->r, "forward", HOOK_FORWARD, PRIORITY_FILTER);

	write_beginning(w, chain, false);
	goto_if_bridge(chain, LOAD_IIFNAME, CHAIN_FROM_BRIDGES);
	goto_if_bridge(chain, LOAD_OIFNAME, CHAIN_FROM_OUTSIDE);
	write_translated(w);
	write_from_bridges(w);
	write_from_outside(w);

	chain = ruleset_add_chain(w->r, CHAIN_FROM_CONTAINERS, HOOK_NONE, 0);
	match_endpoints(w, chain, "endpoints_out", true);
	write_unknown(w, chain, true);

	chain = ruleset_add_chain(w->r, CHAIN_TO_CONTAINERS, HOOK_NONE, 0);
	match_endpoints(w, chain, "endpoints_in", false);
	write_unknown(w, chain, false);
}

/* ---- input and output ---- */

/*
 * ip saddr 0.0.0.0 ip daddr 255.255.255.255 meta l4proto udp th dport 67 accept
 *
 * Who asks for an address by DHCP has none, so is no endpoint. Only the host's server can answer, see
 * bridge.c, and only it is asked here. DHCPv6 has the link-local address of an endpoint.
 */
static void write_dhcp(const struct writer *w, struct ruleset_chain *chain)
{
	static const struct prefix unspecified = {{AF_INET, {0}}, 32};
	static const struct prefix broadcast = {{AF_INET, {255, 255, 255, 255}}, 32};
	struct ruleset_rule *rule;

	if (w->c->unknown == UNKNOWN_PASS)
		return;
	rule = ruleset_add_rule(chain, "DHCP client");
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {.kind = EXPR_IP_SADDR, .prefix = unspecified});
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_IP_DADDR, .prefix = broadcast});
	rule_l4proto(rule, IPPROTO_UDP);
	rule_ports(rule, EXPR_TH_DPORT, DHCP_SERVER, DHCP_SERVER);
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
}

static void write_input(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, "input", HOOK_INPUT, PRIORITY_FILTER);
	struct ruleset_rule *rule;

	write_beginning(w, chain, false);
	rule = ruleset_add_rule(chain, NULL);
	rule_named(rule, EXPR_IIFNAME, "lo");
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
	goto_if_bridge(chain, LOAD_IIFNAME, CHAIN_HOST_CONTAINERS);
	write_forged(w, chain);
	write_published_maps(w);

	chain = ruleset_add_chain(w->r, CHAIN_HOST_CONTAINERS, HOOK_NONE, 0);
	write_dhcp(w, chain);
	/* Multicast and broadcast are not the host's address: they are judged as on the bridge. */
	for (int f = 0; w->c->unknown != UNKNOWN_PASS && f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("subnets%s", family_digit[f]);

		rule = ruleset_add_rule(chain, DEFAULT_UNKNOWN);
		rule_not(rule, EXPR_FIB_LOCAL, NULL);
		rule_lookup(rule, name, false, LOADS(family_daddr(f)));
		end_unknown(w, rule);
	}
	rule = ruleset_add_rule(chain, NULL);
	rule_not(rule, EXPR_FIB_LOCAL, NULL);
	rule_verdict(rule, VERDICT_GOTO, CHAIN_FROM_CONTAINERS);
	match_endpoints(w, chain, "endpoints_host", true);
	write_unknown(w, chain, true);
	if (w->c->unknown != UNKNOWN_REFUSE)
		write_unknown_hairpin(w, chain);
}

static void write_output(const struct writer *w)
{
	struct ruleset_chain *chain =
		ruleset_add_chain(w->r, "output", HOOK_OUTPUT, PRIORITY_FILTER);

	write_beginning(w, chain, true);
	/* By address alone: after the engine's DNAT the packet still shows lo as its way out. */
	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("endpoints_local%s", family_digit[f]);
		CLEANUP_FREE char *blocks = mem_printf("endpoints_local_blocks%s", family_digit[f]);

		rule_vmap(ruleset_add_rule(chain, NULL), name, LOADS(family_daddr(f)));
		if (ruleset_find_set(w->r, blocks))
			rule_vmap(ruleset_add_rule(chain, NULL), blocks, LOADS(family_daddr(f)));
	}
	rule_vmap(ruleset_add_rule(chain, NULL), "endpoints_link6",
		  LOADS(LOAD_OIFNAME, LOAD_IP6_DADDR));
}

/*
 * meta pkttype multicast ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop
 *
 * A packet in a frame to 01:80:c2:00:00:0x does not come by the bridge, but by its port itself, past every rule
 * that goes by @bridges; also by a port that is not bound yet. No packet of IP is ever sent so.
 */
static void write_link_groups(const struct writer *w, struct ruleset_chain *chain)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, "past the bridge");

	rule_expr(rule, EXPR_MULTICAST);
	rule_expr(rule, EXPR_LINK_GROUP);
	if (w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, VERDICT_DROP, NULL);
}

/*
 * ip daddr 127.0.0.0/8 iifname != "lo" drop: a port published on 127.0.0.1 is DNATed for whoever sends there
 *
 * Every packet comes by here, so first what is cheap to look at and ends the rule for nearly all.
 */
static void write_raw(const struct writer *w)
{
	static const struct prefix loopback = {{AF_INET, {127}}, 8};
	struct ruleset_chain *chain;
	struct ruleset_rule *rule;

	if (!w->c->enforcing)
		return;
	chain = ruleset_add_chain(w->r, "raw", HOOK_PREROUTING, PRIORITY_RAW);
	rule = ruleset_add_rule(chain, "published on loopback");
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_IP_DADDR, .prefix = loopback});
	rule_not(rule, EXPR_IIFNAME, "lo");
	if (w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, VERDICT_DROP, NULL);
	write_link_groups(w, chain);
}

void write_skeleton(const struct writer *w)
{
	write_refusals(w);
	write_cut(w);
	write_bridges(w);
	write_ranges(w, "subnets", &w->c->reach);
	write_ranges(w, "containers", &w->c->containers);
	write_not_new(w);
	write_forward(w);
	write_input(w);
	write_output(w);
	write_raw(w);
	write_overlay(w);
}
