#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static struct ruleset_rule *fresh_rule(struct ruleset *r)
{
	return ruleset_add_rule(ruleset_add_chain(r, "q_chain", HOOK_NONE, 0), NULL);
}

/* Without the match on the protocol, bytes of an IPv6 header would be taken for an IPv4 address. */
static void test_family_is_matched_before_a_header_is_read(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_rule *rule = fresh_rule(r);
	struct ruleset_expr match = {.kind = EXPR_IP_SADDR, .prefix = sample_prefix("192.0.2.1")};

	(void)state;
	ruleset_add_expr(rule, &match);
	ruleset_add_expr(rule, &match);
	assert_int_equal(rule->len, 3);
	assert_int_equal(rule->exprs[0].kind, EXPR_NFPROTO);
	assert_int_equal(rule->exprs[0].number, AF_INET);
	assert_int_equal(rule->exprs[2].kind, EXPR_IP_SADDR);
}

static void test_lookup_implies_its_family(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_rule *rule = fresh_rule(r);

	(void)state;
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_VMAP,
						       .name = (char *)"q_map",
						       .loads = {LOAD_IIFNAME, LOAD_IP6_SADDR},
						       .nloads = 2});
	assert_int_equal(rule->len, 2);
	assert_int_equal(rule->exprs[0].number, AF_INET6);
}

static void test_protocol_is_matched_before_its_header_is_read(void **state)
{
	static const struct {
		struct ruleset_expr expr;
		uint32_t protocol;
	} cases[] = {
		{{.kind = EXPR_ICMP, .family = AF_INET, .number = 8}, IPPROTO_ICMP},
		{{.kind = EXPR_ICMP, .family = AF_INET6, .number = 1}, IPPROTO_ICMPV6},
		{{.kind = EXPR_TCP_NOT_SYN}, IPPROTO_TCP},
		{{.kind = EXPR_REJECT_RST}, IPPROTO_TCP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
		struct ruleset_rule *rule = fresh_rule(r);

		ruleset_add_expr(rule, &cases[i].expr);
		assert_true(rule->len >= 2);
		assert_int_equal(rule->exprs[rule->len - 2].kind, EXPR_L4PROTO);
		assert_int_equal(rule->exprs[rule->len - 2].number, cases[i].protocol);
	}
}

/* So that what nft makes of its own list, which leaves both matches out, is the same rule. */
static void test_family_comes_before_the_protocol(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_rule *rule = fresh_rule(r);

	(void)state;
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {.kind = EXPR_L4PROTO, .number = IPPROTO_TCP});
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_IP_SADDR,
						       .prefix = sample_prefix("192.0.2.1")});
	assert_int_equal(rule->len, 3);
	assert_int_equal(rule->exprs[0].kind, EXPR_NFPROTO);
	assert_int_equal(rule->exprs[1].kind, EXPR_L4PROTO);
}

/* 'Not TCP' does not make sure of TCP. */
static void test_a_negated_match_fixes_nothing(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_rule *rule = fresh_rule(r);

	(void)state;
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_L4PROTO,
						       .negate = true,
						       .number = IPPROTO_TCP});
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_REJECT_RST});
	assert_int_equal(rule->len, 3);
}

static void test_unused_fields_are_dropped(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_rule *rule = fresh_rule(r);
	struct prefix p = {.addr = {.family = AF_INET, .bytes = {192, 0, 2, 1}}, .len = 24};

	(void)state;
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {
				 .kind = EXPR_IP_DADDR, .number = 5, .first = 6, .prefix = p});
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_VERDICT,
						       .verdict = VERDICT_DROP,
						       .negate = true,
						       .name = (char *)"q_chain"});
	assert_int_equal(rule->exprs[1].number, 0);
	assert_int_equal(rule->exprs[1].first, 0);
	assert_int_equal(rule->exprs[1].prefix.addr.bytes[3], 0);
	assert_false(rule->exprs[2].negate);
	assert_null(rule->exprs[2].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family_is_matched_before_a_header_is_read),
		cmocka_unit_test(test_lookup_implies_its_family),
		cmocka_unit_test(test_protocol_is_matched_before_its_header_is_read),
		cmocka_unit_test(test_family_comes_before_the_protocol),
		cmocka_unit_test(test_a_negated_match_fixes_nothing),
		cmocka_unit_test(test_unused_fields_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
