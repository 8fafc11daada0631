/*
 * What a packet is to conntrack, which the base chains ask first: it goes on with a flow, which costs one rule; it reports
 * an error of one, or belongs to none; it answers one that was cut; or it begins one, and is judged by what follows.
 */
#include "ruleset-internal.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

#define HOPLIMIT_ND  255 /* what was routed has less */
#define HOPLIMIT_MLD 1	 /* what is routed dies */

#define CHAIN_NOT_NEW	   "not_new"
#define CHAIN_NOT_NEW_HOST "not_new_host"
#define CHAIN_ICMP_ERRORS  "icmp_errors"

/* Without antispoof a container may be another's router, and whoever wants to pretends to be an end. */
bool judges_errors(const struct compiled *c)
{
	return c->enforcing && c->settings->antispoof;
}

/*
 * ct state related meta l4proto icmp | ipv6-icmp accept, or jump icmp_errors
 *
 * Other related flows (helpers' expectations) are new flows to a policy.
 */
static void write_related(const struct writer *w, struct ruleset_chain *chain, bool from_host)
{
	static const uint8_t protocols[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_ct_state(rule, CT_RELATED);
		rule_l4proto(rule, protocols[i]);
		if (from_host || !judges_errors(w->c))
			rule_verdict(rule, VERDICT_ACCEPT, NULL);
		else
			rule_verdict(rule, VERDICT_JUMP, CHAIN_ICMP_ERRORS);
	}
}

/* iifname . ip saddr . ct reply ip saddr @ends4 accept, and by who began the flow */
static void match_ends(const struct writer *w, struct ruleset_chain *chain, int f, bool blocks)
{
	static const enum ruleset_load ends[2][2] = {{LOAD_CT_REPLY_IP, LOAD_CT_ORIG_IP},
						     {LOAD_CT_REPLY_IP6, LOAD_CT_ORIG_IP6}};

	for (size_t i = 0; i < 2; i++) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_lookup(rule, ends_set(w, f, blocks)->name, false,
			    LOADS(LOAD_IIFNAME, family_saddr(f), ends[f][i]));
		rule_verdict(rule, VERDICT_ACCEPT, NULL);
	}
}

/* iifname != @bridges ct original ip saddr != @subnets4 accept, and by who answers */
static void match_routers(struct ruleset_chain *chain, int f)
{
	static const enum ruleset_load ends[2][2] = {{LOAD_CT_ORIG_IP, LOAD_CT_REPLY_IP},
						     {LOAD_CT_ORIG_IP6, LOAD_CT_REPLY_IP6}};
	CLEANUP_FREE char *name = mem_printf("subnets%s", family_digit[f]);

	for (size_t i = 0; i < 2; i++) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_lookup(rule, SET_BRIDGES, true, LOADS(LOAD_IIFNAME));
		rule_lookup(rule, name, true, LOADS(ends[f][i]));
		rule_verdict(rule, VERDICT_ACCEPT, NULL);
	}
}

/*
 * An ICMP error belongs to a flow for what it carries, whoever sends it: a third one could end flows, or make
 * their packets small, and be heard by those whom it may not reach. From a container it belongs to a flow of its
 * own; routers are outside, and on no flow within. Any other error is a flow of its sender's.
 */
static void write_errors(const struct writer *w)
{
	struct ruleset_chain *chain;

	if (!judges_errors(w->c))
		return;
	chain = ruleset_add_chain(w->r, CHAIN_ICMP_ERRORS, HOOK_NONE, 0);
	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *blocks = mem_printf("ends_blocks%s", family_digit[f]);

		match_ends(w, chain, f, false);
		if (ruleset_find_set(w->r, blocks))
			match_ends(w, chain, f, true);
		match_routers(chain, f);
	}
}

static struct ruleset_set *icmpv6_types(const struct writer *w, const char *name,
					const uint8_t *types, size_t n)
{
	bool fresh;
	struct ruleset_set *set = set_get(w, name, 0, FIELDS(FIELD_ICMPV6_TYPE), &fresh);

	for (size_t i = 0; fresh && i < n; i++) {
		struct key k = {.len = 0};

		key_protocol(&k, types[i]);
		set_add(set, &k, NULL, NULL);
	}
	return set;
}

static struct ruleset_rule *match_icmpv6(struct ruleset_chain *chain,
					 const struct ruleset_set *types, uint32_t hoplimit)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_HOPLIMIT, .number = hoplimit});
	rule_lookup(rule, types->name, false, LOADS(LOAD_ICMPV6_TYPE));
	return rule;
}

/*
 * ip6 hoplimit 255 icmpv6 type @icmpv6_nd accept
 * ip6 hoplimit 1 ip6 daddr ff00::/8 icmpv6 type @icmpv6_mld accept
 *
 * Neighbour and multicast listener discovery, of which conntrack takes no note, so that its packets are never new ones.
 * They stay on the link: what asks to be routed as such is a tunnel.
 * Router advertisements and redirects are needed from the host alone; what path MTU discovery needs
 * belongs to a flow, and passed as related to it.
 */
static void write_needed(const struct writer *w, struct ruleset_chain *chain, bool from_host)
{
	static const uint8_t nd[] = {133, 135, 136}, router[] = {134, 137};
	static const uint8_t mld[] = {130, 131, 132, 143};
	static const struct prefix multicast = {{AF_INET6, {0xff}}, 8};
	struct ruleset_rule *rule;

	rule = match_icmpv6(chain, icmpv6_types(w, "icmpv6_nd", nd, ARRAY_SIZE(nd)), HOPLIMIT_ND);
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
	if (from_host) {
		rule = match_icmpv6(chain,
				    icmpv6_types(w, "icmpv6_router", router, ARRAY_SIZE(router)),
				    HOPLIMIT_ND);
		rule_verdict(rule, VERDICT_ACCEPT, NULL);
	}
	rule = match_icmpv6(chain, icmpv6_types(w, "icmpv6_mld", mld, ARRAY_SIZE(mld)),
			    HOPLIMIT_MLD);
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_IP_DADDR, .prefix = multicast});
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
}

/*
 * ct state invalid iifname @bridges drop, and by oifname: an answer would end the flow that the packet pretends to be of
 */
static void write_invalid(const struct writer *w, struct ruleset_chain *chain)
{
	static const enum ruleset_load names[] = {LOAD_IIFNAME, LOAD_OIFNAME};

	for (size_t i = 0; w->c->enforcing && i < ARRAY_SIZE(names); i++) {
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_ct_state(rule, CT_INVALID);
		rule_lookup(rule, SET_BRIDGES, false, LOADS(names[i]));
		rule_verdict(rule, VERDICT_DROP, NULL);
	}
}

/* What neither goes on with a flow nor begins one is hardly ever seen, so is judged apart from what every packet passes. */
void write_not_new(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_NOT_NEW, HOOK_NONE, 0);

	write_errors(w);
	write_related(w, chain, false);
	write_needed(w, chain, false);
	write_invalid(w, chain);
	chain = ruleset_add_chain(w->r, CHAIN_NOT_NEW_HOST, HOOK_NONE, 0);
	write_related(w, chain, true);
	write_needed(w, chain, true);
}

/*
 * ct state established accept
 * ct state != new jump not_new
 * … @cut4 goto answers_of_cut_flows
 */
void write_beginning(const struct writer *w, struct ruleset_chain *chain, bool from_host)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

	rule_ct_state(rule, CT_ESTABLISHED);
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
	rule = ruleset_add_rule(chain, NULL);
	ruleset_add_expr(rule, &(struct ruleset_expr) {
				       .kind = EXPR_CT_STATE, .negate = true, .number = CT_NEW});
	rule_verdict(rule, VERDICT_JUMP, from_host ? CHAIN_NOT_NEW_HOST : CHAIN_NOT_NEW);
	match_cut(w, chain);
}
