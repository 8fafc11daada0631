#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static void test_elements_are_sorted_and_the_first_of_equals_stays(void **state)
{
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_set", 0, &field, 1);

	(void)state;
	sample_element(s, "192.0.2.9", VERDICT_NONE, NULL, "first");
	sample_element(s, "10.0.0.1", VERDICT_NONE, NULL, NULL);
	for (int i = 0; i < 100; i++)
		sample_element(s, "192.0.2.9", VERDICT_NONE, NULL, "later");
	sample_element(s, "9.0.0.1", VERDICT_NONE, NULL, NULL);
	ruleset_sort(r);
	assert_int_equal(s->len, 3);
	assert_int_equal(s->elements[0].key[0], 9);
	assert_int_equal(s->elements[1].key[0], 10);
	assert_string_equal(s->elements[2].comment, "first");
}

static void test_names_are_found_before_and_after(void **state)
{
	static const char *const names[] = {"q_c", "q_a", "q_b"};
	static const enum ruleset_field field = FIELD_IPV4;
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ruleset_add_set(r, names[i], 0, &field, 1);
		ruleset_add_chain(r, names[i], HOOK_NONE, 0);
	}
	for (int sorted = 0; sorted < 2; sorted++, ruleset_sort(r)) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			assert_string_equal(ruleset_find_set(r, names[i])->name, names[i]);
			assert_string_equal(ruleset_find_chain(r, names[i])->name, names[i]);
		}
		assert_null(ruleset_find_set(r, "q_d"));
		assert_null(ruleset_find_chain(r, "q_d"));
	}
	assert_string_equal(r->sets[0]->name, "q_a");
	ruleset_add_set(r, "q_0", 0, &field, 1);
	assert_non_null(ruleset_find_set(r, "q_0"));
}

static void test_nothing_can_be_sorted(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);

	(void)state;
	ruleset_sort(r);
	assert_null(ruleset_find_set(r, "q_d"));
	assert_null(ruleset_find_chain(r, "q_d"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_are_sorted_and_the_first_of_equals_stays),
		cmocka_unit_test(test_names_are_found_before_and_after),
		cmocka_unit_test(test_nothing_can_be_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
