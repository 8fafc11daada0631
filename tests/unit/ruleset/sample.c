#include "sample.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

struct prefix sample_prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

static void field_from_text(enum ruleset_field f, const char *text, uint8_t *ret)
{
	struct addr a;
	unsigned long number = strtoul(text, NULL, 10);

	switch (f) {
	case FIELD_IFNAME:
		memcpy(ret, text, strlen(text));
		return;
	case FIELD_IPV4:
	case FIELD_IPV6:
		if (addr_parse(text, &a) < 0)
			abort();
		memcpy(ret, a.bytes, addr_size(a.family));
		return;
	case FIELD_PORT:
		ret[0] = (uint8_t)(number >> 8);
		ret[1] = (uint8_t)number;
		return;
	case FIELD_PROTOCOL:
	case FIELD_ICMPV6_TYPE:
		ret[0] = (uint8_t)number;
		return;
	case FIELD_ETHER:
		if (mac_parse(text, ret) < 0)
			abort();
		return;
	case FIELD_ND_TARGET:
		if (addr_parse(text, &a) < 0)
			abort();
		memcpy(ret, a.bytes, sizeof(a.bytes));
		return;
	case FIELD_VNI:
		ret[0] = (uint8_t)(number >> 16);
		ret[1] = (uint8_t)(number >> 8);
		ret[2] = (uint8_t)number;
	}
}

void sample_element(struct ruleset_set *s, const char *text, enum ruleset_verdict verdict,
		    const char *chain, const char *comment)
{
	uint8_t first[RULESET_KEY_MAX] = {0}, end[RULESET_KEY_MAX] = {0};
	struct ruleset_element e = {.key = first,
				    .key_end = end,
				    .verdict = verdict,
				    .chain = chain,
				    .comment = comment};
	char *copy CLEANUP_FREE = mem_strdup(text), *rest = copy, *field, *last;

	for (size_t i = 0; i < s->nfields; i++) {
		field = strsep(&rest, "|");
		last = s->flags & SET_INTERVAL ? strchr(field, '-') : NULL;
		if (last)
			*last++ = '\0';
		field_from_text(s->fields[i], field, first + ruleset_field_offset(s, i));
		field_from_text(s->fields[i], last ? last : field,
				end + ruleset_field_offset(s, i));
	}
	ruleset_add_element(s, &e);
}

void sample_rule(struct ruleset_chain *c, const char *comment, const struct ruleset_expr *exprs,
		 size_t n, enum ruleset_verdict verdict, const char *chain)
{
	struct ruleset_rule *rule = ruleset_add_rule(c, comment);

	for (size_t i = 0; i < n; i++)
		ruleset_add_expr(rule, &exprs[i]);
	if (verdict != VERDICT_NONE)
		ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_VERDICT,
							       .verdict = verdict,
							       .name = (char *)chain});
}

#define EXPRS(...)	((struct ruleset_expr[]) {__VA_ARGS__})
#define RULE(c, v, ...) RULE_TO(c, NULL, v, NULL, __VA_ARGS__)
#define RULE_TO(c, comment, v, chain, ...) \
	sample_rule(c, comment, EXPRS(__VA_ARGS__), ARRAY_SIZE(EXPRS(__VA_ARGS__)), v, chain)
#define SET(r, name, flags, ...)                                                \
	ruleset_add_set(r, name, flags, ((enum ruleset_field[]) {__VA_ARGS__}), \
			ARRAY_SIZE(((enum ruleset_field[]) {__VA_ARGS__})))

static void add_plain_sets(struct ruleset *r)
{
	struct ruleset_set *s = SET(r, "q_bridges", 0, FIELD_IFNAME);

	sample_element(s, "br-shopfront", VERDICT_NONE, NULL, NULL);
	sample_element(s, "docker0", VERDICT_NONE, NULL, "the default bridge");
	sample_element(s, "br-123456789abc", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_nd", 0, FIELD_ICMPV6_TYPE);
	sample_element(s, "133", VERDICT_NONE, NULL, NULL);
	sample_element(s, "136", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_protocols", SET_COUNTER, FIELD_PROTOCOL);
	sample_element(s, "6", VERDICT_NONE, NULL, NULL);
	sample_element(s, "58", VERDICT_NONE, NULL, "policies/shop.yaml:3");
	sample_element(s, "250", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_ports", 0, FIELD_PORT);
	sample_element(s, "80", VERDICT_NONE, NULL, NULL);
	sample_element(s, "65535", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_six", 0, FIELD_IPV6);
	sample_element(s, "2001:db8::1", VERDICT_NONE, NULL, NULL);
	SET(r, "q_empty", 0, FIELD_IPV4);
	SET(r, "q_empty.range", SET_INTERVAL, FIELD_IPV4, FIELD_PORT);
}

static void add_interval_sets(struct ruleset *r)
{
	struct ruleset_set *s = SET(r, "q_subnets4", SET_INTERVAL, FIELD_IPV4);

	sample_element(s, "172.18.0.0-172.18.255.255", VERDICT_NONE, NULL, "shop.yaml:7 front");
	sample_element(s, "192.168.1.5", VERDICT_NONE, NULL, NULL);
	sample_element(s, "192.168.1.6-192.168.1.9", VERDICT_NONE, NULL, NULL);
	sample_element(s, "255.255.255.255", VERDICT_NONE, NULL, "the last one");
	s = SET(r, "q_subnets6", SET_INTERVAL | SET_COUNTER, FIELD_IPV6);
	sample_element(s, "fd00::-fd00::ffff", VERDICT_NONE, NULL, "shop.yaml:8");
	sample_element(s, "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", VERDICT_NONE, NULL,
		       NULL);
	s = SET(r, "q_all4", SET_INTERVAL, FIELD_IPV4);
	sample_element(s, "0.0.0.0-255.255.255.255", VERDICT_NONE, NULL, "everyone");
	s = SET(r, "q_all6", SET_INTERVAL, FIELD_IPV6);
	sample_element(s, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_ranges", SET_INTERVAL | SET_COUNTER, FIELD_PORT);
	sample_element(s, "0-1023", VERDICT_NONE, NULL, "low");
	sample_element(s, "8080", VERDICT_NONE, NULL, NULL);
	sample_element(s, "60000-65535", VERDICT_NONE, NULL, "high");
	s = SET(r, "q_allports", SET_INTERVAL, FIELD_PORT);
	sample_element(s, "0-65535", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_subnetmap", SET_INTERVAL | SET_VERDICTS, FIELD_IPV4);
	sample_element(s, "10.0.0.0-10.0.0.255", VERDICT_JUMP, "from_shop/db", "shop.yaml:9");
	sample_element(s, "10.0.1.0-10.0.1.7", VERDICT_DROP, NULL, NULL);
}

static void add_concatenated_sets(struct ruleset *r)
{
	struct ruleset_set *s =
		SET(r, "from_shop/db.allow4", SET_COUNTER, FIELD_IPV4, FIELD_PROTOCOL, FIELD_PORT);

	sample_element(s, "172.18.0.3|6|5432", VERDICT_NONE, NULL, "shop.yaml:12 shop/api");
	sample_element(s, "172.18.0.3|17|53", VERDICT_NONE, NULL, NULL);
	s = SET(r, "from_shop/db.allow6", 0, FIELD_IPV6, FIELD_PROTOCOL, FIELD_PORT);
	sample_element(s, "fd00::3|132|5432", VERDICT_NONE, NULL, "shop.yaml:12 shop/api");
	s = SET(r, "from_shop/db.range4", SET_INTERVAL | SET_COUNTER, FIELD_IPV4, FIELD_PROTOCOL,
		FIELD_PORT);
	sample_element(s, "10.0.0.0-10.255.255.255|6|8000-8100", VERDICT_NONE, NULL,
		       "shop.yaml:13");
	sample_element(s, "11.0.0.0-11.0.1.3|17|0-65535", VERDICT_NONE, NULL, NULL);
	sample_element(s, "12.0.0.0-12.0.0.255|0-255|0-65535", VERDICT_NONE, NULL, NULL);
	s = SET(r, "from_shop/db.range6", SET_INTERVAL, FIELD_IPV6, FIELD_PROTOCOL, FIELD_PORT);
	sample_element(s, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff|58|0-65535", VERDICT_NONE,
		       NULL, "shop.yaml:14");
	sample_element(s, "fd00::-fd00::ff|6|443", VERDICT_NONE, NULL, NULL);
	s = SET(r, "publish_shop/web.tcp4", SET_INTERVAL, FIELD_IPV4, FIELD_PORT);
	sample_element(s, "0.0.0.0-255.255.255.255|443", VERDICT_NONE, NULL, "shop.yaml:20");
	sample_element(s, "10.0.0.0-10.0.0.255|80", VERDICT_NONE, NULL, NULL);
	SET(r, "q_flows4", 0, FIELD_IFNAME, FIELD_IPV4, FIELD_IPV4);
	SET(r, "q_flows6", 0, FIELD_IFNAME, FIELD_IPV6, FIELD_IPV6);
	s = SET(r, "q_out_if", 0, FIELD_IFNAME, FIELD_IPV6, FIELD_PORT);
	sample_element(s, "br-a|fd00::1|80", VERDICT_NONE, NULL, NULL);
}

static void add_maps(struct ruleset *r)
{
	struct ruleset_set *s =
		SET(r, "endpoints_out4", SET_VERDICTS | SET_COUNTER, FIELD_IFNAME, FIELD_IPV4);

	sample_element(s, "br-shopfront|172.18.0.2", VERDICT_GOTO, "from_shop/db",
		       "shop/db (db-1)");
	sample_element(s, "br-shopfront|172.18.0.3", VERDICT_RETURN, NULL, NULL);
	s = SET(r, "endpoints_out6", SET_VERDICTS, FIELD_IFNAME, FIELD_IPV6);
	sample_element(s, "br-shopfront|fd00::2", VERDICT_JUMP, "from_shop/db", "shop/db (db-1)");
	sample_element(s, "br-shopfront|fd00::3", VERDICT_DROP, NULL, NULL);
	s = SET(r, "published", SET_VERDICTS, FIELD_PROTOCOL, FIELD_PORT);
	sample_element(s, "6|8080", VERDICT_GOTO, "from_shop/db", NULL);
	sample_element(s, "17|53", VERDICT_ACCEPT, NULL, NULL);
	s = SET(r, "single", SET_VERDICTS, FIELD_IPV4);
	sample_element(s, "172.18.0.9", VERDICT_GOTO, "refuse", "alone");
}

static void add_dynamic_sets(struct ruleset *r)
{
	struct ruleset_set *s = SET(r, "lim4", SET_DYNAMIC, FIELD_IPV4);

	s->timeout = 90;
	s->size = 65535;
	s = SET(r, "lim6", SET_DYNAMIC, FIELD_IPV6, FIELD_PORT);
	s->timeout = 3600;
	s->size = 1000;
	s = SET(r, "conn4", SET_DYNAMIC, FIELD_IPV4);
	s->size = 65535;
}

#define LOADS(...) \
	.loads = {__VA_ARGS__}, .nloads = ARRAY_SIZE(((enum ruleset_load[]) {__VA_ARGS__}))
#define LOOKUP(set, ...)                                                       \
	{                                                                      \
		.kind = EXPR_LOOKUP, .name = (char *)(set), LOADS(__VA_ARGS__) \
	}
#define VMAP(set, ...)                                                       \
	{                                                                    \
		.kind = EXPR_VMAP, .name = (char *)(set), LOADS(__VA_ARGS__) \
	}
#define L4(n)                                       \
	{                                           \
		.kind = EXPR_L4PROTO, .number = (n) \
	}
#define NAMED(k, n)                              \
	{                                        \
		.kind = (k), .name = (char *)(n) \
	}
#define NOT_NAMED(k, n)                                          \
	{                                                        \
		.kind = (k), .negate = true, .name = (char *)(n) \
	}

static void add_refuse(struct ruleset *r)
{
	struct ruleset_chain *c = ruleset_add_chain(r, "refuse", HOOK_NONE, 0);

	RULE(c, VERDICT_NONE, NAMED(EXPR_LIMIT, "q_lograte"),
	     {.kind = EXPR_LOG, .number = 86, .name = (char *)"refused from_shop/db"});
	RULE(c, VERDICT_NONE, LOOKUP("q_bridges", LOAD_IIFNAME), {.kind = EXPR_REJECT_RST});
	RULE(c, VERDICT_NONE, LOOKUP("q_bridges", LOAD_IIFNAME), {.kind = EXPR_REJECT_ADMIN});
	RULE(c, VERDICT_DROP, {.kind = EXPR_COUNTER});
}

static void add_lookups(struct ruleset *r)
{
	struct ruleset_chain *c = ruleset_add_chain(r, "from_shop/db", HOOK_NONE, 0);

	RULE(c, VERDICT_RETURN,
	     LOOKUP("from_shop/db.allow4", LOAD_IP_DADDR, LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN,
	     LOOKUP("from_shop/db.allow6", LOAD_IP6_DADDR, LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE(c, VERDICT_DROP,
	     LOOKUP("from_shop/db.allow6", LOAD_IP6_SADDR, LOAD_L4PROTO, LOAD_TH_SPORT));
	RULE(c, VERDICT_RETURN,
	     LOOKUP("from_shop/db.range4", LOAD_IP_SADDR, LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN,
	     LOOKUP("from_shop/db.range6", LOAD_IP6_SADDR, LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN, L4(6),
	     LOOKUP("publish_shop/web.tcp4", LOAD_IP_SADDR, LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN, L4(6),
	     LOOKUP("q_out_if", LOAD_OIFNAME, LOAD_IP6_DADDR, LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN, LOOKUP("q_protocols", LOAD_L4PROTO));
	RULE(c, VERDICT_RETURN, L4(17), LOOKUP("q_ports", LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN, L4(17), LOOKUP("q_ranges", LOAD_TH_DPORT));
	RULE(c, VERDICT_RETURN, L4(17), LOOKUP("q_allports", LOAD_TH_SPORT));
	RULE(c, VERDICT_RETURN, LOOKUP("q_all4", LOAD_IP_SADDR));
	RULE(c, VERDICT_RETURN, LOOKUP("q_subnets4", LOAD_IP_DADDR));
	RULE(c, VERDICT_RETURN, LOOKUP("q_all6", LOAD_IP6_SADDR));
	RULE(c, VERDICT_RETURN, LOOKUP("q_six", LOAD_IP6_DADDR));
	RULE(c, VERDICT_RETURN,
	     {.kind = EXPR_LOOKUP,
	      .negate = true,
	      .name = (char *)"q_subnets6",
	      LOADS(LOAD_IP6_DADDR)});
	RULE_TO(c, "shop.yaml:30 allow", VERDICT_RETURN, NULL, L4(6),
		LOOKUP("publish_shop/web.tcp4", LOAD_IP_SADDR, LOAD_TH_DPORT),
		{.kind = EXPR_DYNSET_LIMIT,
		 .rate = 50,
		 .unit = 1,
		 .burst = 100,
		 .name = (char *)"lim4",
		 LOADS(LOAD_IP_SADDR)},
		{.kind = EXPR_DYNSET_CONNS,
		 .number = 20,
		 .name = (char *)"conn4",
		 LOADS(LOAD_IP_SADDR)});
	RULE(c, VERDICT_RETURN, L4(17),
	     {.kind = EXPR_DYNSET_LIMIT,
	      .rate = 7,
	      .unit = 3600,
	      .burst = 9,
	      .name = (char *)"lim6",
	      LOADS(LOAD_IP6_SADDR, LOAD_TH_DPORT)});
	RULE(c, VERDICT_DROP, L4(17),
	     {.kind = EXPR_DYNSET_STAY,
	      .name = (char *)"lim6",
	      LOADS(LOAD_IP6_SADDR, LOAD_TH_DPORT)});
	RULE_TO(c, "shop.yaml:4 isolate", VERDICT_GOTO, "refuse", {.kind = EXPR_COUNTER});
}

static void add_matches(struct ruleset *r)
{
	struct ruleset_chain *c = ruleset_add_chain(r, "q_matches", HOOK_NONE, 0);

	RULE(c, VERDICT_RETURN, NAMED(EXPR_IIFNAME, "wg*"));
	RULE(c, VERDICT_RETURN, NOT_NAMED(EXPR_OIFNAME, "wg*"));
	RULE(c, VERDICT_RETURN, NOT_NAMED(EXPR_IIFNAME, "lo"), NAMED(EXPR_OIFNAME, "eth0"));
	RULE(c, VERDICT_RETURN, NAMED(EXPR_IIFNAME, "fifteenletters1"));
	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_CT_STATE, .number = CT_ESTABLISHED | CT_RELATED});
	RULE(c, VERDICT_DROP, {.kind = EXPR_CT_STATE, .number = CT_INVALID});
	RULE(c, VERDICT_ACCEPT,
	     {.kind = EXPR_CT_STATE, .negate = true, .number = CT_NEW | CT_UNTRACKED});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_CT_DNAT});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_CT_DNAT, .negate = true});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_NFPROTO, .number = AF_INET});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_NFPROTO, .number = AF_INET6});
	RULE(c, VERDICT_RETURN, L4(58));
	RULE(c, VERDICT_RETURN, {.kind = EXPR_L4PROTO, .negate = true, .number = 6});
	RULE(c, VERDICT_RETURN, L4(47));
	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_ICMP, .family = AF_INET, .number = 8});
	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_ICMP, .family = AF_INET, .number = 3},
	     {.kind = EXPR_ICMP_CODE, .family = AF_INET, .number = 4});
	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_ICMP, .family = AF_INET6, .number = 1},
	     {.kind = EXPR_ICMP_CODE, .family = AF_INET6, .number = 0});
	RULE(c, VERDICT_ACCEPT, LOOKUP("q_nd", LOAD_ICMPV6_TYPE));
	RULE(c, VERDICT_RETURN, L4(6), {.kind = EXPR_TH_DPORT, .first = 5, .last = 10});
	RULE(c, VERDICT_RETURN, L4(132), {.kind = EXPR_TH_DPORT, .first = 443, .last = 443});
	RULE(c, VERDICT_RETURN, L4(6), {.kind = EXPR_CT_ORIG_PORT, .first = 80, .last = 80});
	RULE(c, VERDICT_RETURN, L4(17), {.kind = EXPR_CT_ORIG_PORT, .first = 1000, .last = 2000});
	RULE(c, VERDICT_RETURN, L4(17), {.kind = EXPR_TH_DPORT, .first = 0, .last = 65535});
	RULE(c, VERDICT_DROP, {.kind = EXPR_CT_STATE, .number = CT_NEW},
	     {.kind = EXPR_TCP_NOT_SYN});
	RULE(c, VERDICT_DROP, {.kind = EXPR_TCP_NOT_SYN},
	     {.kind = EXPR_CT_STATE, .number = CT_NEW});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_CT_STATE, .negate = true, .number = CT_NEW});
	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_HOPLIMIT, .number = 255},
	     LOOKUP("q_nd", LOAD_ICMPV6_TYPE));
	RULE(c, VERDICT_ACCEPT, LOOKUP("q_flows4", LOAD_IIFNAME, LOAD_IP_SADDR, LOAD_CT_REPLY_IP));
	RULE(c, VERDICT_ACCEPT, LOOKUP("q_flows6", LOAD_IIFNAME, LOAD_IP6_SADDR, LOAD_CT_ORIG_IP6));
	RULE(c, VERDICT_ACCEPT, LOOKUP("q_subnets4", LOAD_CT_ORIG_IP),
	     {.kind = EXPR_LOOKUP,
	      .negate = true,
	      .name = (char *)"q_subnets6",
	      LOADS(LOAD_CT_REPLY_IP6)});
	RULE(c, VERDICT_DROP, {.kind = EXPR_LINK_GROUP});
	RULE(c, VERDICT_DROP, {.kind = EXPR_MULTICAST}, {.kind = EXPR_LINK_GROUP});
	RULE(c, VERDICT_DROP, {.kind = EXPR_FIB_LOCAL});
	RULE(c, VERDICT_DROP, {.kind = EXPR_FIB_LOCAL, .negate = true});
}

static void add_addresses(struct ruleset *r)
{
	static const char *const prefixes[] = {
		"127.0.0.0/8", "10.0.0.0/15",	"192.0.2.0/24",	   "192.0.2.1/32", "10.20.0.0/16",
		"fe80::/10",   "fd00::/8",	"2001:db8:1::/48", "fd00::1/128",  "2001:db8::/33",
		"224.0.0.0/4", "172.16.0.0/12", "0.0.0.0/0",	   "::/0",
	};
	struct ruleset_chain *c = ruleset_add_chain(r, "q_addresses", HOOK_NONE, 0);

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct prefix p = sample_prefix(prefixes[i]);

		RULE(c, VERDICT_RETURN, {.kind = EXPR_IP_DADDR, .prefix = p});
		RULE(c, VERDICT_RETURN, {.kind = EXPR_IP_SADDR, .negate = true, .prefix = p});
	}
	RULE(c, VERDICT_RETURN, {.kind = EXPR_IP_SADDR, .prefix = sample_prefix("192.0.2.1")},
	     {.kind = EXPR_IP_DADDR, .prefix = sample_prefix("192.0.2.2")});
	RULE(c, VERDICT_RETURN, {.kind = EXPR_IP_SADDR, .prefix = sample_prefix("fd00::1")},
	     {.kind = EXPR_IP_DADDR, .prefix = sample_prefix("fd00::2")});
	RULE(c, VERDICT_RETURN, NAMED(EXPR_IIFNAME, "eth0"),
	     {.kind = EXPR_NFPROTO, .number = AF_INET}, {.kind = EXPR_COUNTER},
	     {.kind = EXPR_IP_DADDR, .prefix = sample_prefix("192.0.2.2")});
}

/* VXLAN's identifier, alone and beside addresses, and what is encrypted. */
static void add_overlay_sets(struct ruleset *r)
{
	struct ruleset_set *s = SET(r, "q_vnis", 0, FIELD_VNI);

	sample_element(s, "4097", VERDICT_NONE, NULL, "ov");
	sample_element(s, "16777215", VERDICT_NONE, NULL, NULL);
	sample_element(s, "0", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_peers4", 0, FIELD_VNI, FIELD_IPV4);
	sample_element(s, "4097|192.0.2.1", VERDICT_NONE, NULL, "ov");
	s = SET(r, "q_peers6", 0, FIELD_VNI, FIELD_IPV6);
	sample_element(s, "4097|fd00::1", VERDICT_NONE, NULL, NULL);
	s = SET(r, "q_seen4", SET_DYNAMIC, FIELD_VNI, FIELD_IPV4);
	s->timeout = 86400;
	s->size = 1000;
	s = SET(r, "q_seen6", SET_DYNAMIC, FIELD_VNI, FIELD_IPV6);
	s->timeout = 86400;
	s->size = 1000;
}

/* The kernel takes `meta ipsec` for what comes in alone, `rt ipsec` for what goes out. */
static void add_overlay(struct ruleset *r)
{
	struct ruleset_chain *c = ruleset_add_chain(r, "q_overlay_in", HOOK_NONE, 0);

	add_overlay_sets(r);
	RULE_TO(c, NULL, VERDICT_GOTO, "refuse", LOOKUP("q_peers4", LOAD_VNI, LOAD_IP_SADDR));
	RULE(c, VERDICT_NONE, {.kind = EXPR_IPSEC_IN},
	     {.kind = EXPR_DYNSET_COUNT,
	      .name = (char *)"q_seen4",
	      LOADS(LOAD_VNI, LOAD_IP_SADDR)});
	RULE(c, VERDICT_DROP, LOOKUP("q_vnis", LOAD_VNI), {.kind = EXPR_IPSEC_IN, .negate = true});
	c = ruleset_add_chain(r, "q_overlay_out", HOOK_NONE, 0);
	RULE_TO(c, NULL, VERDICT_GOTO, "refuse", LOOKUP("q_peers6", LOAD_VNI, LOAD_IP6_DADDR));
	RULE(c, VERDICT_NONE, {.kind = EXPR_IPSEC_OUT, .negate = true},
	     {.kind = EXPR_DYNSET_COUNT,
	      .name = (char *)"q_seen6",
	      LOADS(LOAD_VNI, LOAD_IP6_DADDR)});
	RULE(c, VERDICT_DROP, {.kind = EXPR_IPSEC_OUT}, LOOKUP("q_vnis", LOAD_VNI));
}

static void add_base_chains(struct ruleset *r)
{
	struct ruleset_chain *c = ruleset_add_chain(r, "forward", HOOK_FORWARD, -10);

	RULE(c, VERDICT_ACCEPT, {.kind = EXPR_CT_STATE, .number = CT_ESTABLISHED});
	RULE_TO(c, NULL, VERDICT_JUMP, "q_matches", LOOKUP("q_bridges", LOAD_IIFNAME));
	RULE_TO(c, NULL, VERDICT_JUMP, "q_addresses", LOOKUP("q_bridges", LOAD_OIFNAME));
	RULE(c, VERDICT_NONE, VMAP("endpoints_out4", LOAD_IIFNAME, LOAD_IP_SADDR));
	RULE(c, VERDICT_NONE, VMAP("endpoints_out6", LOAD_IIFNAME, LOAD_IP6_SADDR));
	c = ruleset_add_chain(r, "input", HOOK_INPUT, 0);
	RULE_TO(c, NULL, VERDICT_JUMP, "q_overlay_in", L4(17), LOOKUP("q_ports", LOAD_TH_DPORT));
	RULE(c, VERDICT_NONE, VMAP("published", LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE(c, VERDICT_NONE, VMAP("single", LOAD_IP_SADDR));
	RULE(c, VERDICT_NONE, VMAP("q_subnetmap", LOAD_IP_SADDR));
	c = ruleset_add_chain(r, "raw_early", HOOK_PREROUTING, -310);
	RULE(c, VERDICT_DROP, NOT_NAMED(EXPR_IIFNAME, "lo"),
	     {.kind = EXPR_IP_DADDR, .prefix = sample_prefix("127.0.0.0/8")});
	c = ruleset_add_chain(r, "output", HOOK_OUTPUT, -110);
	RULE_TO(c, NULL, VERDICT_JUMP, "q_overlay_out", L4(17), LOOKUP("q_ports", LOAD_TH_DPORT));
	ruleset_add_chain(r, "q_late", HOOK_POSTROUTING, 105);
	ruleset_add_chain(r, "q_odd", HOOK_PREROUTING, 1234);
}

struct ruleset *sample_full(void)
{
	struct ruleset *r = ruleset_new("quaywall", 1);

	/* Not of 8 letters: libnftnl 1.2.4 writes this name without its end, which padding then is. */
	ruleset_add_limit(r, "q_lograte", 20, 1, 100);
	ruleset_add_limit(r, "q_daily", 3, 86400, 5);
	ruleset_add_limit(r, "q_minutely", 3, 60, 7);
	add_plain_sets(r);
	add_interval_sets(r);
	add_concatenated_sets(r);
	add_maps(r);
	add_dynamic_sets(r);
	add_refuse(r);
	add_lookups(r);
	add_matches(r);
	add_addresses(r);
	add_overlay(r);
	add_base_chains(r);
	ruleset_sort(r);
	return r;
}

struct ruleset *sample_big(size_t n)
{
	struct ruleset *r = ruleset_new("quaywall", 1);
	struct ruleset_set *s = SET(r, "q_big", 0, FIELD_IPV4, FIELD_PROTOCOL, FIELD_PORT);
	struct ruleset_set *map = SET(r, "q_map", SET_VERDICTS, FIELD_IPV4);
	struct ruleset_chain *c = ruleset_add_chain(r, "forward", HOOK_FORWARD, -10);

	for (size_t i = 0; i < n; i++) {
		uint8_t key[RULESET_KEY_MAX] = {0};
		struct ruleset_element e = {.key = key, .comment = "shop.yaml:12"};
		uint32_t address = htonl(0x0a000000 + (uint32_t)(n - i));

		memcpy(key, &address, sizeof(address));
		key[4] = 6;
		key[9] = 80;
		ruleset_add_element(s, &e);
	}
	sample_element(map, "10.0.0.1", VERDICT_GOTO, "q_chain", "shop.yaml:1");
	ruleset_add_chain(r, "q_chain", HOOK_NONE, 0);
	RULE(c, VERDICT_DROP, LOOKUP("q_big", LOAD_IP_SADDR, LOAD_L4PROTO, LOAD_TH_DPORT));
	RULE_TO(c, "shop.yaml:2", VERDICT_NONE, NULL, VMAP("q_map", LOAD_IP_SADDR));
	ruleset_sort(r);
	return r;
}
