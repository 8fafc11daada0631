#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "quaywall/mem.h"
#include "sample.h"
#include "../../../controller/ruleset/text.h"

static const struct {
	struct ruleset_expr expr;
	const char *text;
} cases[] = {
	{{.kind = EXPR_IIFNAME, .name = (char *)"wg*"}, "iifname \"wg*\""},
	{{.kind = EXPR_OIFNAME, .negate = true, .name = (char *)"lo"}, "oifname != \"lo\""},
	{{.kind = EXPR_CT_STATE, .number = CT_NEW | CT_RELATED}, "ct state related,new"},
	{{.kind = EXPR_CT_STATE, .negate = true, .number = CT_NEW | CT_INVALID},
	 "ct state ! invalid,new"},
	{{.kind = EXPR_CT_DNAT}, "ct status dnat"},
	{{.kind = EXPR_CT_DNAT, .negate = true}, "ct status ! dnat"},
	{{.kind = EXPR_NFPROTO, .number = AF_INET6}, "meta nfproto ipv6"},
	{{.kind = EXPR_L4PROTO, .number = 6}, "meta l4proto tcp"},
	{{.kind = EXPR_L4PROTO, .negate = true, .number = 200}, "meta l4proto != 200"},
	{{.kind = EXPR_ICMP, .family = AF_INET6, .number = 1}, "meta l4proto icmpv6 icmpv6 type 1"},
	{{.kind = EXPR_ICMP_CODE, .family = AF_INET, .number = 4}, "meta l4proto icmp icmp code 4"},
	{{.kind = EXPR_TH_DPORT, .first = 80, .last = 80}, "th dport 80"},
	{{.kind = EXPR_TH_DPORT, .first = 80, .last = 90}, "th dport 80-90"},
	{{.kind = EXPR_CT_ORIG_PORT, .first = 0, .last = 65535}, "ct original proto-dst 0-65535"},
	{{.kind = EXPR_TCP_NOT_SYN}, "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn"},
	{{.kind = EXPR_FIB_LOCAL, .negate = true}, "fib daddr type != local"},
	{{.kind = EXPR_HOPLIMIT, .number = 255}, "ip6 hoplimit 255"},
	{{.kind = EXPR_ETHER_TYPE, .negate = true, .number = 0x8100}, "ether type != 0x8100"},
	{{.kind = EXPR_ETHER_TYPE, .number = 0x86dd}, "ether type ip6"},
	{{.kind = EXPR_MULTICAST}, "meta pkttype multicast"},
	{{.kind = EXPR_LOOKUP,
	  .negate = true,
	  .name = (char *)"q_set",
	  .loads = {LOAD_IP_SADDR, LOAD_TH_SPORT},
	  .nloads = 2},
	 "ip saddr . th sport != @q_set"},
	{{.kind = EXPR_VMAP,
	  .name = (char *)"q_map",
	  .loads = {LOAD_OIFNAME, LOAD_IP6_DADDR},
	  .nloads = 2},
	 "oifname . ip6 daddr vmap @q_map"},
	{{.kind = EXPR_LIMIT, .name = (char *)"q_limit"}, "limit name \"q_limit\""},
	{{.kind = EXPR_DYNSET_LIMIT,
	  .rate = 5,
	  .unit = 60,
	  .burst = 7,
	  .name = (char *)"q_set",
	  .loads = {LOAD_IP_SADDR},
	  .nloads = 1},
	 "update @q_set { ip saddr limit rate 5/minute burst 7 packets }"},
	{{.kind = EXPR_DYNSET_CONNS,
	  .number = 9,
	  .name = (char *)"q_set",
	  .loads = {LOAD_IP_SADDR, LOAD_TH_DPORT},
	  .nloads = 2},
	 "add @q_set { ip saddr . th dport ct count 9 }"},
	{{.kind = EXPR_DYNSET_COUNT,
	  .name = (char *)"q_set",
	  .loads = {LOAD_VNI, LOAD_IP_SADDR},
	  .nloads = 2},
	 "update @q_set { @th,96,24 . ip saddr counter }"},
	{{.kind = EXPR_IPSEC_IN}, "meta ipsec exists"},
	{{.kind = EXPR_IPSEC_IN, .negate = true}, "meta ipsec missing"},
	{{.kind = EXPR_IPSEC_OUT}, "rt ipsec exists"},
	{{.kind = EXPR_IPSEC_OUT, .negate = true}, "rt ipsec missing"},
	{{.kind = EXPR_DYNSET_STAY,
	  .name = (char *)"q_set",
	  .loads = {LOAD_IP_SADDR, LOAD_TH_DPORT},
	  .nloads = 2},
	 "update @q_set { ip saddr . th dport }"},
	{{.kind = EXPR_COUNTER}, "counter"},
	{{.kind = EXPR_LOG, .number = 86, .name = (char *)"refused"},
	 "log prefix \"refused\" group 86"},
	{{.kind = EXPR_REJECT_RST}, "meta l4proto tcp reject with tcp reset"},
	{{.kind = EXPR_REJECT_ADMIN}, "reject with icmpx admin-prohibited"},
	{{.kind = EXPR_VERDICT, .verdict = VERDICT_RETURN}, "return"},
	{{.kind = EXPR_VERDICT, .verdict = VERDICT_GOTO, .name = (char *)"q_to"}, "goto q_to"},
};

static void expect(const struct ruleset_expr *exprs, size_t n, const char *comment,
		   const char *want)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_chain *c = ruleset_add_chain(r, "q_chain", HOOK_NONE, 0);
	struct buf out CLEANUP_BUF = BUF_INIT;

	sample_rule(c, comment, exprs, n, VERDICT_NONE, NULL);
	text_rule(&c->rules[0], &out);
	assert_string_equal(buf_text(&out), want);
}

static void test_each_expression(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(&cases[i].expr, 1, NULL, cases[i].text);
}

static void test_addresses(void **state)
{
	struct ruleset_expr exprs[] = {
		{.kind = EXPR_IP_SADDR, .prefix = sample_prefix("10.0.0.0/8")},
		{.kind = EXPR_IP_DADDR, .negate = true, .prefix = sample_prefix("192.0.2.1")},
	};
	struct ruleset_expr six = {.kind = EXPR_IP_DADDR, .prefix = sample_prefix("fe80::/10")};

	(void)state;
	expect(exprs, 2, NULL, "ip saddr 10.0.0.0/8 ip daddr != 192.0.2.1");
	expect(&six, 1, "shop.yaml:1", "ip6 daddr fe80::/10 comment \"shop.yaml:1\"");
}

/* nft writes the family's match where it does not follow from the next match. */
static void test_family_that_stands_elsewhere_is_printed(void **state)
{
	struct ruleset_expr exprs[] = {
		{.kind = EXPR_NFPROTO, .number = AF_INET},
		{.kind = EXPR_COUNTER},
		{.kind = EXPR_IP_SADDR, .prefix = sample_prefix("10.0.0.0/8")},
	};

	(void)state;
	expect(exprs, 3, NULL, "meta nfproto ipv4 counter ip saddr 10.0.0.0/8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_expression),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_family_that_stands_elsewhere_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
