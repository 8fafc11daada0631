#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static struct ruleset *small(void)
{
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *r = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_set", 0, &field, 1);
	struct ruleset_chain *c = ruleset_add_chain(r, "q_chain", HOOK_NONE, 0);

	sample_element(s, "192.0.2.1", VERDICT_NONE, NULL, "shop.yaml:1");
	sample_rule(c, NULL, &(struct ruleset_expr) {.kind = EXPR_COUNTER}, 1, VERDICT_NONE, NULL);
	sample_rule(c, "shop.yaml:4", NULL, 0, VERDICT_DROP, NULL);
	return r;
}

static void expect(struct ruleset *old, struct ruleset *wanted, const char *want)
{
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	struct buf got CLEANUP_BUF = BUF_INIT;

	if (old)
		ruleset_sort(old);
	ruleset_sort(wanted);
	ruleset_compare(old, wanted, &d);
	ruleset_diff_print(old, wanted, &d, &got);
	assert_string_equal(buf_text(&got), want);
}

static void test_nothing(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	expect(a, b, "");
}

static void test_all_new(void **state)
{
	struct ruleset *r CLEANUP_RULESET = small();

	(void)state;
	ruleset_add_limit(r, "q_limit", 1, 60, 2);
	ruleset_add_chain(r, "forward", HOOK_FORWARD, 0);
	expect(NULL, r,
	       "+table quaywall\n"
	       "limit q_limit\n"
	       "+\trate 1/minute burst 2 packets\n"
	       "set q_set\n"
	       "+\ttype ipv4_addr\n"
	       "+\t192.0.2.1 comment \"shop.yaml:1\"\n"
	       "chain forward\n"
	       "+\ttype filter hook forward priority filter; policy accept;\n"
	       "chain q_chain\n"
	       "+\tchain\n"
	       "+\tcounter\n"
	       "+\tdrop comment \"shop.yaml:4\"\n");
}

static void test_elements(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	sample_element(ruleset_find_set(b, "q_set"), "192.0.2.0", VERDICT_NONE, NULL, NULL);
	ruleset_find_set(b, "q_set")->elements[0].comment = "shop.yaml:2";
	expect(a, b,
	       "set q_set\n"
	       "-\t192.0.2.1 comment \"shop.yaml:1\"\n"
	       "+\t192.0.2.0\n"
	       "+\t192.0.2.1 comment \"shop.yaml:2\"\n");
}

/* Of rules, what stays is not shown. */
static void test_rules(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	ruleset_find_chain(b, "q_chain")->rules[1].comment[10] = '5';
	expect(a, b,
	       "chain q_chain\n"
	       "-\tdrop comment \"shop.yaml:4\"\n"
	       "+\tdrop comment \"shop.yaml:5\"\n");
}

static void test_what_goes(void **state)
{
	struct ruleset *old CLEANUP_RULESET = small();
	struct ruleset *none CLEANUP_RULESET = ruleset_new("quaywall", 1);

	(void)state;
	expect(old, none,
	       "set q_set\n"
	       "-\ttype ipv4_addr\n"
	       "chain q_chain\n"
	       "-\tcounter\n"
	       "-\tdrop comment \"shop.yaml:4\"\n"
	       "-\tchain\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	  cmocka_unit_test(test_all_new),
		cmocka_unit_test(test_elements),  cmocka_unit_test(test_rules),
		cmocka_unit_test(test_what_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
