#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static void test_key_layout(void **state)
{
	static const enum ruleset_field fields[] = {FIELD_IFNAME, FIELD_IPV6, FIELD_PROTOCOL,
						    FIELD_PORT};
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_set", 0, fields, ARRAY_SIZE(fields));

	(void)state;
	assert_int_equal(ruleset_field_offset(s, 0), 0);
	assert_int_equal(ruleset_field_offset(s, 1), 16);
	assert_int_equal(ruleset_field_offset(s, 2), 32);
	assert_int_equal(ruleset_field_offset(s, 3), 36);
	assert_int_equal(ruleset_key_size(s), 40);
	assert_int_equal(ruleset_field_size(FIELD_PORT), 2);
	assert_int_equal(ruleset_field_size(FIELD_ICMPV6_TYPE), 1);
}

static void test_objects_stay_where_they_are(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_chain *first = ruleset_add_chain(r, "q_first", HOOK_NONE, 7);

	(void)state;
	for (int i = 0; i < 100; i++)
		ruleset_add_chain(r, "q_other", HOOK_NONE, 0);
	assert_ptr_equal(ruleset_find_chain(r, "q_first"), first);
	assert_int_equal(first->priority, 0);
}

static void test_strings_are_copied(void **state)
{
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_map", SET_VERDICTS, &field, 1);
	char chain[] = "q_chain", comment[] = "shop.yaml:1";

	(void)state;
	sample_element(s, "192.0.2.1", VERDICT_GOTO, chain, comment);
	chain[0] = comment[0] = 'X';
	assert_string_equal(s->elements[0].chain, "q_chain");
	assert_string_equal(s->elements[0].comment, "shop.yaml:1");
	assert_memory_equal(s->elements[0].key_end, s->elements[0].key, ruleset_key_size(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_layout),
		cmocka_unit_test(test_objects_stay_where_they_are),
		cmocka_unit_test(test_strings_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
