/* Rules as nft text. */
#include "text.h"

#include <netinet/in.h>

#include "rule.h"
#include "quaywall/mem.h"
#include "quaywall/protocol.h"

static const char *const verdict_names[] = {
	[VERDICT_NONE] = "",	     [VERDICT_ACCEPT] = "accept", [VERDICT_DROP] = "drop",
	[VERDICT_RETURN] = "return", [VERDICT_JUMP] = "jump",	  [VERDICT_GOTO] = "goto",
};

static const char *const load_names[] = {
	[LOAD_IIFNAME] = "iifname",
	[LOAD_OIFNAME] = "oifname",
	[LOAD_IP_SADDR] = "ip saddr",
	[LOAD_IP_DADDR] = "ip daddr",
	[LOAD_IP6_SADDR] = "ip6 saddr",
	[LOAD_IP6_DADDR] = "ip6 daddr",
	[LOAD_L4PROTO] = "meta l4proto",
	[LOAD_TH_DPORT] = "th dport",
	[LOAD_TH_SPORT] = "th sport",
	[LOAD_ICMPV6_TYPE] = "icmpv6 type",
	[LOAD_ETHER_SADDR] = "ether saddr",
	[LOAD_ARP_ETHER] = "arp saddr ether",
	[LOAD_ARP_IP] = "arp saddr ip",
	[LOAD_ND_TARGET] = "@nh,384,128",
	[LOAD_VNI] = "@th,96,24",
	[LOAD_CT_ORIG_IP] = "ct original ip saddr",
	[LOAD_CT_ORIG_IP6] = "ct original ip6 saddr",
	[LOAD_CT_REPLY_IP] = "ct reply ip saddr",
	[LOAD_CT_REPLY_IP6] = "ct reply ip6 saddr",
};

static const struct {
	uint32_t bit;
	const char *name;
} ct_states[] = {
	{CT_INVALID, "invalid"}, {CT_ESTABLISHED, "established"}, {CT_RELATED, "related"},
	{CT_NEW, "new"},	 {CT_UNTRACKED, "untracked"},
};

void text_verdict(enum ruleset_verdict verdict, const char *chain, struct buf *out)
{
	buf_str(out, verdict_names[verdict]);
	if (rule_verdict_has_chain(verdict))
		buf_printf(out, " %s", chain);
}

/* The names are those that nft's own grammar holds: the others of /etc/protocols, `ipv6-icmp` among
 * them, are unknown to it on a host without that file. */
void text_protocol(uint32_t number, struct buf *out)
{
	const char *name = number == IPPROTO_ICMPV6 ? "icmpv6" : protocol_name(number);

	if (name)
		buf_str(out, name);
	else
		buf_printf(out, "%u", number);
}

void text_rate(uint32_t rate, uint32_t unit, uint32_t burst, struct buf *out)
{
	const char *name = unit == 1	  ? "second"
			   : unit == 60	  ? "minute"
			   : unit == 3600 ? "hour"
					  : "day";

	buf_printf(out, "rate %u/%s burst %u packets", rate, name, burst);
}

static void add_loads(const struct ruleset_expr *e, struct buf *out)
{
	for (size_t i = 0; i < e->nloads; i++)
		buf_printf(out, "%s%s", i > 0 ? " . " : "", load_names[e->loads[i]]);
}

/* Names of bits that nft joins by commas. `!` is 'none of these'; `!=` would compare the whole word,
 * which for two bits is another thing. */
static void add_ct_state(const struct ruleset_expr *e, struct buf *out)
{
	const char *before = "";

	buf_printf(out, "ct state %s", e->negate ? "! " : "");
	for (size_t i = 0; i < ARRAY_SIZE(ct_states); i++) {
		if (!(e->number & ct_states[i].bit))
			continue;
		buf_printf(out, "%s%s", before, ct_states[i].name);
		before = ",";
	}
}

static void add_ports(const char *what, const struct ruleset_expr *e, struct buf *out)
{
	buf_printf(out, "%s %u", what, e->first);
	if (e->last != e->first)
		buf_printf(out, "-%u", e->last);
}

static void add_address(const char *what, const struct ruleset_expr *e, const char *op,
			struct buf *out)
{
	char text[ADDR_TEXT_SIZE];
	bool whole = e->prefix.len == 8 * addr_size(e->prefix.addr.family);

	if (whole)
		addr_format(&e->prefix.addr, text);
	else
		prefix_format(&e->prefix, text);
	buf_printf(out, "%s %s %s%s", e->prefix.addr.family == AF_INET ? "ip" : "ip6", what, op,
		   text);
}

static void add_dynset(const char *verb, const struct ruleset_expr *e, struct buf *out)
{
	buf_printf(out, "%s @%s { ", verb, e->name);
	add_loads(e, out);
	if (e->kind == EXPR_DYNSET_LIMIT) {
		buf_str(out, " limit ");
		text_rate(e->rate, e->unit, e->burst, out);
	} else if (e->kind == EXPR_DYNSET_CONNS) {
		buf_printf(out, " ct count %u", e->number);
	} else if (e->kind == EXPR_DYNSET_COUNT) {
		buf_str(out, " counter");
	}
	buf_str(out, " }");
}

static void add_statement(const struct ruleset_expr *e, struct buf *out)
{
	switch (e->kind) {
	case EXPR_LIMIT:
		buf_printf(out, "limit name \"%s\"", e->name);
		return;
	case EXPR_DYNSET_LIMIT:
	case EXPR_DYNSET_COUNT:
	case EXPR_DYNSET_STAY:
		add_dynset("update", e, out);
		return;
	case EXPR_DYNSET_CONNS:
		add_dynset("add", e, out);
		return;
	case EXPR_COUNTER:
		buf_str(out, "counter");
		return;
	case EXPR_LOG:
		buf_printf(out, "log prefix \"%s\" group %u", e->name, e->number);
		return;
	case EXPR_REJECT_RST:
		buf_str(out, "reject with tcp reset");
		return;
	case EXPR_REJECT_ADMIN:
		buf_str(out, "reject with icmpx admin-prohibited");
		return;
	default:
		text_verdict(e->verdict, e->name, out);
	}
}

/* As nft lists them: by name where it has one. */
static void add_ether_type(const struct ruleset_expr *e, const char *op, struct buf *out)
{
	static const struct {
		uint32_t number;
		const char *name;
	} names[] = {{0x0800, "ip"}, {0x0806, "arp"}, {0x86dd, "ip6"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].number == e->number) {
			buf_printf(out, "ether type %s%s", op, names[i].name);
			return;
		}
	}
	buf_printf(out, "ether type %s0x%04x", op, e->number);
}

static void add_expr(const struct ruleset_expr *e, struct buf *out)
{
	const char *op = e->negate ? "!= " : "";

	switch (e->kind) {
	case EXPR_IIFNAME:
		buf_printf(out, "iifname %s\"%s\"", op, e->name);
		return;
	case EXPR_OIFNAME:
		buf_printf(out, "oifname %s\"%s\"", op, e->name);
		return;
	case EXPR_CT_STATE:
		add_ct_state(e, out);
		return;
	case EXPR_CT_DNAT:
		buf_printf(out, "ct status %sdnat", e->negate ? "! " : "");
		return;
	case EXPR_NFPROTO:
		buf_printf(out, "meta nfproto %s", e->number == AF_INET ? "ipv4" : "ipv6");
		return;
	case EXPR_L4PROTO:
		buf_printf(out, "meta l4proto %s", op);
		text_protocol(e->number, out);
		return;
	case EXPR_ICMP:
		buf_printf(out, "%s type %u", e->family == AF_INET6 ? "icmpv6" : "icmp", e->number);
		return;
	case EXPR_ICMP_CODE:
		buf_printf(out, "%s code %u", e->family == AF_INET6 ? "icmpv6" : "icmp", e->number);
		return;
	case EXPR_TH_DPORT:
		add_ports("th dport", e, out);
		return;
	case EXPR_CT_ORIG_PORT:
		add_ports("ct original proto-dst", e, out);
		return;
	case EXPR_TCP_NOT_SYN:
		buf_str(out, "tcp flags & (fin | syn | rst | ack) != syn");
		return;
	case EXPR_FIB_LOCAL:
		buf_printf(out, "fib daddr type %slocal", op);
		return;
	case EXPR_HOPLIMIT:
		buf_printf(out, "ip6 hoplimit %u", e->number);
		return;
	case EXPR_NEXTHDR:
		buf_printf(out, "ip6 nexthdr %s", op);
		text_protocol(e->number, out);
		return;
	case EXPR_LATER_FRAGMENT:
		buf_str(out, "frag frag-off != 0");
		return;
	case EXPR_ETHER_TYPE:
		add_ether_type(e, op, out);
		return;
	case EXPR_MULTICAST:
		buf_str(out, "meta pkttype multicast");
		return;
	case EXPR_LINK_GROUP:
		buf_str(out, "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00");
		return;
	case EXPR_IP_DADDR:
		add_address("daddr", e, op, out);
		return;
	case EXPR_IP_SADDR:
		add_address("saddr", e, op, out);
		return;
	case EXPR_IPSEC_IN:
		buf_printf(out, "meta ipsec %s", e->negate ? "missing" : "exists");
		return;
	case EXPR_IPSEC_OUT:
		buf_printf(out, "rt ipsec %s", e->negate ? "missing" : "exists");
		return;
	case EXPR_LOOKUP:
	case EXPR_VMAP:
		add_loads(e, out);
		buf_printf(out, " %s@%s", e->kind == EXPR_VMAP ? "vmap " : op, e->name);
		return;
	default:
		add_statement(e, out);
	}
}

/* nft puts `meta nfproto` before the first use of an IP header by itself, `ether type` before that of ARP's, and
 * does not list it. */
static bool nft_adds_it(const struct ruleset_rule *rule, size_t i)
{
	const struct ruleset_expr *e = &rule->exprs[i];
	size_t next = i + 1;

	if (e->kind == EXPR_ETHER_TYPE)
		return !e->negate && next < rule->len &&
		       rule_implied_ether_type(&rule->exprs[next]) == e->number;
	if (next < rule->len && rule->exprs[next].kind == EXPR_L4PROTO)
		next++;
	return rule->exprs[i].kind == EXPR_NFPROTO && next < rule->len &&
	       rule_implied_family(&rule->exprs[next]) == rule->exprs[i].number;
}

void text_rule(const struct ruleset_rule *rule, struct buf *out)
{
	const char *before = "";

	if (rule->unknown)
		buf_str(out, "# a rule of someone else");
	for (size_t i = 0; !rule->unknown && i < rule->len; i++) {
		if (nft_adds_it(rule, i))
			continue;
		buf_str(out, before);
		add_expr(&rule->exprs[i], out);
		before = " ";
	}
	if (rule->comment)
		buf_printf(out, "%scomment \"%s\"", before, rule->comment);
}
