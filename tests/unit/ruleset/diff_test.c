#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static const char letters[] = {
	[CHANGE_DELETE_TABLE] = 'T',	[CHANGE_ADD_TABLE] = 't',    [CHANGE_FLUSH_RULES] = 'R',
	[CHANGE_DELETE_ELEMENTS] = 'E', [CHANGE_DELETE_CHAIN] = 'C', [CHANGE_DELETE_SET] = 'S',
	[CHANGE_DELETE_LIMIT] = 'L',	[CHANGE_ADD_LIMIT] = 'l',    [CHANGE_ADD_SET] = 's',
	[CHANGE_ADD_CHAIN] = 'c',	[CHANGE_SET_RULES] = 'r',    [CHANGE_ADD_ELEMENTS] = 'e',
};

/* The kinds of the changes from OLD to WANTED, a letter each: small for what comes. */
static void expect(struct ruleset *old, struct ruleset *wanted, const char *want)
{
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	struct buf got CLEANUP_BUF = BUF_INIT;

	if (old)
		ruleset_sort(old);
	ruleset_sort(wanted);
	ruleset_compare(old, wanted, &d);
	for (size_t i = 0; i < d.len; i++)
		buf_char(&got, letters[d.items[i].kind]);
	assert_string_equal(buf_text(&got), want);
}

/* A base chain that jumps by a map to a chain with a limit. */
static struct ruleset *small(void)
{
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *r = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_map", SET_VERDICTS, &field, 1);
	struct ruleset_chain *c = ruleset_add_chain(r, "q_to", HOOK_NONE, 0);

	ruleset_add_limit(r, "q_limit", 1, 1, 5);
	sample_element(s, "192.0.2.1", VERDICT_GOTO, "q_to", NULL);
	sample_element(s, "192.0.2.2", VERDICT_DROP, NULL, "shop.yaml:2");
	sample_rule(c, NULL, &(struct ruleset_expr) {.kind = EXPR_LIMIT, .name = (char *)"q_limit"},
		    1, VERDICT_DROP, NULL);
	c = ruleset_add_chain(r, "forward", HOOK_FORWARD, -10);
	sample_rule(c, NULL,
		    &(struct ruleset_expr) {.kind = EXPR_VMAP,
					    .name = (char *)"q_map",
					    .loads = {LOAD_IP_SADDR},
					    .nloads = 1},
		    1, VERDICT_NONE, NULL);
	return r;
}

static void test_equal_is_nothing_to_do(void **state)
{
	struct ruleset *a CLEANUP_RULESET = sample_full(), *b CLEANUP_RULESET = sample_full();

	(void)state;
	expect(a, b, "");
}

static void test_no_table_is_all_to_do(void **state)
{
	struct ruleset *r CLEANUP_RULESET = small();

	(void)state;
	expect(NULL, r, "tlsccrre");
}

static void test_to_nothing(void **state)
{
	struct ruleset *old CLEANUP_RULESET = small();
	struct ruleset *none CLEANUP_RULESET = ruleset_new("quaywall", 1);

	(void)state;
	expect(old, none, "RRECCSL");
}

static void test_elements_come_and_go(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	sample_element(ruleset_find_set(b, "q_map"), "192.0.2.3", VERDICT_DROP, NULL, NULL);
	expect(a, b, "e");
	expect(b, a, "E");
}

static void test_a_changed_element_goes_and_comes(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();
	struct ruleset_set *s = ruleset_find_set(b, "q_map");
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};

	(void)state;
	s->elements[1].comment = "shop.yaml:3";
	ruleset_sort(a);
	ruleset_sort(b);
	ruleset_compare(a, b, &d);
	assert_int_equal(d.len, 2);
	assert_int_equal(d.items[0].len, 1);
	assert_string_equal(d.items[0].elements[0]->comment, "shop.yaml:2");
	assert_string_equal(d.items[1].elements[0]->comment, "shop.yaml:3");
	s->elements[1].verdict = VERDICT_ACCEPT;
	expect(a, b, "Ee");
}

static void test_changed_rules(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();
	struct ruleset_chain *c = ruleset_find_chain(b, "q_to");

	(void)state;
	sample_rule(c, NULL, NULL, 0, VERDICT_DROP, NULL);
	expect(a, b, "Rr");
	ruleset_find_chain(a, "q_to")->rules[0].unknown = true;
	expect(a, a, "Rr");
}

/* The kernel lets no set or limit go that a rule uses. */
static void test_a_changed_set_takes_its_users_along(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	ruleset_find_set(b, "q_map")->flags |= SET_COUNTER;
	expect(a, b, "RESsre");
}

static void test_a_changed_limit_takes_its_users_along(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	b->limits[0].burst = 6;
	expect(a, b, "RLlr");
}

static void test_a_base_chain_of_another_priority(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	ruleset_find_chain(b, "forward")->priority = -9;
	expect(a, b, "RCcr");
	ruleset_find_chain(a, "forward")->priority = -9;
	ruleset_find_chain(a, "forward")->unknown = true;
	expect(a, b, "RCcr");
}

static void test_a_chain_that_becomes_a_base_chain(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	ruleset_find_chain(b, "q_to")->hook = HOOK_INPUT;
	expect(a, b, "Ttlsccrre");
}

static void test_elements_of_a_dynamic_set_do_not_count(void **state)
{
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();
	struct ruleset_set *s = ruleset_add_set(a, "q_dynamic", SET_DYNAMIC, &field, 1);

	(void)state;
	ruleset_add_set(b, "q_dynamic", SET_DYNAMIC, &field, 1);
	sample_element(s, "192.0.2.1", VERDICT_NONE, NULL, NULL);
	expect(a, b, "");
	s->timeout = 5;
	expect(a, b, "Ss");
}

static void test_a_foreign_set_goes(void **state)
{
	struct ruleset *a CLEANUP_RULESET = small(), *b CLEANUP_RULESET = small();

	(void)state;
	ruleset_add_set(a, "foreign", 0, NULL, 0)->unknown = true;
	expect(a, b, "S");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_is_nothing_to_do),
		cmocka_unit_test(test_no_table_is_all_to_do),
		cmocka_unit_test(test_to_nothing),
		cmocka_unit_test(test_elements_come_and_go),
		cmocka_unit_test(test_a_changed_element_goes_and_comes),
		cmocka_unit_test(test_changed_rules),
		cmocka_unit_test(test_a_changed_set_takes_its_users_along),
		cmocka_unit_test(test_a_changed_limit_takes_its_users_along),
		cmocka_unit_test(test_a_base_chain_of_another_priority),
		cmocka_unit_test(test_a_chain_that_becomes_a_base_chain),
		cmocka_unit_test(test_elements_of_a_dynamic_set_do_not_count),
		cmocka_unit_test(test_a_foreign_set_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
