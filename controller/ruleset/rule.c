/* Adding expressions to a rule in their one canonical form. */
#include "rule.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"

/* The fields of struct ruleset_expr that a kind uses. */
#define USES_NEGATE  1u
#define USES_FAMILY  2u
#define USES_NUMBER  4u
#define USES_PORTS   8u
#define USES_RATE    16u
#define USES_PREFIX  32u
#define USES_LOADS   64u
#define USES_VERDICT 128u
#define USES_NAME    256u

static const unsigned uses[] = {
	[EXPR_IIFNAME] = USES_NEGATE | USES_NAME,
	[EXPR_OIFNAME] = USES_NEGATE | USES_NAME,
	[EXPR_CT_STATE] = USES_NEGATE | USES_NUMBER,
	[EXPR_CT_DNAT] = USES_NEGATE,
	[EXPR_NFPROTO] = USES_NUMBER,
	[EXPR_L4PROTO] = USES_NEGATE | USES_NUMBER,
	[EXPR_ICMP] = USES_FAMILY | USES_NUMBER,
	[EXPR_ICMP_CODE] = USES_FAMILY | USES_NUMBER,
	[EXPR_TH_DPORT] = USES_PORTS,
	[EXPR_CT_ORIG_PORT] = USES_PORTS,
	[EXPR_TCP_NOT_SYN] = 0,
	[EXPR_FIB_LOCAL] = USES_NEGATE,
	[EXPR_HOPLIMIT] = USES_NUMBER,
	[EXPR_NEXTHDR] = USES_NEGATE | USES_NUMBER,
	[EXPR_LATER_FRAGMENT] = 0,
	[EXPR_MULTICAST] = 0,
	[EXPR_ETHER_TYPE] = USES_NEGATE | USES_NUMBER,
	[EXPR_LINK_GROUP] = 0,
	[EXPR_IP_DADDR] = USES_NEGATE | USES_PREFIX,
	[EXPR_IP_SADDR] = USES_NEGATE | USES_PREFIX,
	[EXPR_IPSEC_IN] = USES_NEGATE,
	[EXPR_IPSEC_OUT] = USES_NEGATE,
	[EXPR_LOOKUP] = USES_NEGATE | USES_LOADS | USES_NAME,
	[EXPR_VMAP] = USES_LOADS | USES_NAME,
	[EXPR_LIMIT] = USES_NAME,
	[EXPR_DYNSET_LIMIT] = USES_LOADS | USES_RATE | USES_NAME,
	[EXPR_DYNSET_CONNS] = USES_LOADS | USES_NUMBER | USES_NAME,
	[EXPR_DYNSET_COUNT] = USES_LOADS | USES_NAME,
	[EXPR_DYNSET_STAY] = USES_LOADS | USES_NAME,
	[EXPR_COUNTER] = 0,
	[EXPR_LOG] = USES_NUMBER | USES_NAME,
	[EXPR_REJECT_RST] = 0,
	[EXPR_REJECT_ADMIN] = 0,
	[EXPR_VERDICT] = USES_VERDICT | USES_NAME,
};

static uint32_t family_of_load(enum ruleset_load load)
{
	switch (load) {
	case LOAD_IP_SADDR:
	case LOAD_IP_DADDR:
		return AF_INET;
	case LOAD_IP6_SADDR:
	case LOAD_IP6_DADDR:
	case LOAD_ICMPV6_TYPE:
		return AF_INET6;
	default:
		return 0;
	}
}

uint32_t rule_implied_family(const struct ruleset_expr *e)
{
	uint32_t family = 0;

	if (e->kind == EXPR_HOPLIMIT || e->kind == EXPR_NEXTHDR)
		return AF_INET6;
	if (uses[e->kind] & USES_FAMILY)
		return e->family;
	if (uses[e->kind] & USES_PREFIX)
		return e->prefix.addr.family;
	if (uses[e->kind] & USES_LOADS)
		for (size_t i = 0; i < e->nloads && family == 0; i++)
			family = family_of_load(e->loads[i]);
	return family;
}

/* IPPROTO_IP stands for none. */
static uint32_t implied_protocol(const struct ruleset_expr *e)
{
	switch (e->kind) {
	case EXPR_ICMP:
	case EXPR_ICMP_CODE:
		return e->family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case EXPR_TCP_NOT_SYN:
	case EXPR_REJECT_RST:
		return IPPROTO_TCP;
	case EXPR_LOOKUP:
	case EXPR_VMAP:
		for (size_t i = 0; i < e->nloads; i++)
			if (e->loads[i] == LOAD_ICMPV6_TYPE)
				return IPPROTO_ICMPV6;
		return IPPROTO_IP;
	default:
		return IPPROTO_IP;
	}
}

/* 0 stands for none. */
uint32_t rule_implied_ether_type(const struct ruleset_expr *e)
{
	if (e->kind == EXPR_LATER_FRAGMENT)
		return ETH_P_IPV6;
	for (size_t i = 0; i < e->nloads; i++)
		if (e->loads[i] == LOAD_ARP_ETHER || e->loads[i] == LOAD_ARP_IP)
			return ETH_P_ARP;
	return 0;
}

static bool has_match(const struct ruleset_rule *rule, enum ruleset_expr_kind kind, uint32_t number)
{
	for (size_t i = 0; i < rule->len; i++)
		if (rule->exprs[i].kind == kind && !rule->exprs[i].negate &&
		    rule->exprs[i].number == number)
			return true;
	return false;
}

/* A copy of E with nothing but what its kind uses. */
static struct ruleset_expr canonical(const struct ruleset_expr *e)
{
	struct ruleset_expr copy = {.kind = e->kind};
	unsigned used = uses[e->kind];

	copy.negate = used & USES_NEGATE ? e->negate : false;
	copy.family = used & USES_FAMILY ? e->family : 0;
	copy.number = used & USES_NUMBER ? e->number : 0;
	copy.first = used & USES_PORTS ? e->first : 0;
	copy.last = used & USES_PORTS ? e->last : 0;
	copy.verdict = used & USES_VERDICT ? e->verdict : VERDICT_NONE;
	if (used & USES_RATE) {
		copy.rate = e->rate;
		copy.unit = e->unit;
		copy.burst = e->burst;
	}
	if (used & USES_PREFIX)
		copy.prefix = prefix_mask(&e->prefix);
	if (used & USES_LOADS) {
		memcpy(copy.loads, e->loads, e->nloads * sizeof(*e->loads));
		copy.nloads = e->nloads;
	}
	if ((used & USES_NAME) && (e->kind != EXPR_VERDICT || rule_verdict_has_chain(e->verdict)))
		copy.name = mem_strdup(e->name);
	return copy;
}

/* Of the two matches that others take for granted, the family's is first: what nft lists leaves both
 * out, and what it makes of that has them in this order. */
static void put_in_order(struct ruleset_rule *rule)
{
	struct ruleset_expr *last = &rule->exprs[rule->len - 1], *before = last - 1, swap;

	if (rule->len < 2 || last->kind != EXPR_NFPROTO || before->kind != EXPR_L4PROTO)
		return;
	swap = *before;
	*before = *last;
	*last = swap;
}

static void append(struct ruleset_rule *rule, const struct ruleset_expr *e)
{
	rule->exprs = mem_grow(rule->exprs, &rule->cap, rule->len + 1, sizeof(*rule->exprs));
	rule->exprs[rule->len++] = canonical(e);
	put_in_order(rule);
}

void ruleset_add_expr(struct ruleset_rule *rule, const struct ruleset_expr *expr)
{
	uint32_t family = rule_implied_family(expr), protocol = implied_protocol(expr);

	uint32_t ether_type = rule_implied_ether_type(expr);

	if (ether_type != 0 && !has_match(rule, EXPR_ETHER_TYPE, ether_type))
		append(rule,
		       &(struct ruleset_expr) {.kind = EXPR_ETHER_TYPE, .number = ether_type});
	if (family != 0 && !has_match(rule, EXPR_NFPROTO, family))
		append(rule, &(struct ruleset_expr) {.kind = EXPR_NFPROTO, .number = family});
	if (protocol != IPPROTO_IP && !has_match(rule, EXPR_L4PROTO, protocol))
		append(rule, &(struct ruleset_expr) {.kind = EXPR_L4PROTO, .number = protocol});
	append(rule, expr);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_expr(const struct ruleset_expr *a, const struct ruleset_expr *b)
{
	return a->kind == b->kind && a->negate == b->negate && a->family == b->family &&
	       a->number == b->number && a->first == b->first && a->last == b->last &&
	       a->rate == b->rate && a->unit == b->unit && a->burst == b->burst &&
	       a->prefix.len == b->prefix.len && addr_equal(&a->prefix.addr, &b->prefix.addr) &&
	       a->verdict == b->verdict && a->nloads == b->nloads &&
	       memcmp(a->loads, b->loads, a->nloads * sizeof(*a->loads)) == 0 &&
	       same_text(a->name, b->name);
}

bool rule_equal(const struct ruleset_rule *a, const struct ruleset_rule *b)
{
	if (a->unknown || b->unknown || a->len != b->len || !same_text(a->comment, b->comment))
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (!same_expr(&a->exprs[i], &b->exprs[i]))
			return false;
	return true;
}

bool rule_element_equal(const struct ruleset_set *s, const struct ruleset_element *a,
			const struct ruleset_element *b)
{
	size_t size = ruleset_key_size(s);

	return memcmp(a->key, b->key, size) == 0 && memcmp(a->key_end, b->key_end, size) == 0 &&
	       a->verdict == b->verdict && same_text(a->chain, b->chain) &&
	       same_text(a->comment, b->comment);
}

bool rule_verdict_has_chain(enum ruleset_verdict v)
{
	return v == VERDICT_JUMP || v == VERDICT_GOTO;
}

const char *rule_set_name(const struct ruleset_expr *e)
{
	return uses[e->kind] & USES_LOADS ? e->name : NULL;
}
