#include "parse.h"

/* The value of KEY after merging, or NULL. */
static void assert_value(const char *text, const char *key, const char *expected)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root = root_of(text, &p, &d);
	const struct node *n = keys_get(keys_get(root, "m"), key);

	if (!expected) {
		assert_null(n);
		return;
	}
	assert_non_null(n);
	assert_string_equal(n->text, expected);
}

static void test_own_keys_win(void **state)
{
	static const char before[] = "a: &a {x: 1, y: 2}\nm: {<<: *a, x: 3}\n";
	static const char after[] = "a: &a {x: 1, y: 2}\nm: {x: 3, <<: *a}\n";

	(void)state;
	assert_value(before, "x", "3");
	assert_value(before, "y", "2");
	assert_value(before, "<<", NULL);
	assert_value(after, "x", "3");
}

static void test_of_a_list_the_earlier_wins(void **state)
{
	static const char text[] = "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nm: {<<: [*a, *b]}\n";

	(void)state;
	assert_value(text, "x", "1");
	assert_value(text, "y", "2");
}

static void test_merged_mappings_may_merge(void **state)
{
	static const char text[] = "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nm: {<<: *b}\n";

	(void)state;
	assert_value(text, "x", "1");
	assert_value(text, "y", "2");
}

static void test_quoted_is_a_key(void **state)
{
	(void)state;
	assert_value("m: {'<<': x}\n", "<<", "x");
}

/* What a merge drops is still what its anchors name. */
static void test_anchors_outlive_what_is_dropped(void **state)
{
	(void)state;
	assert_value("a: &a {x: &x [1, 2]}\nc: {x: 0, <<: {x: &y 5}}\nm: {<<: *a, z: *y}\n", "z",
		     "5");
	assert_value("a: &a {x: 1}\nc: {&k <<: *a}\nm: {z: *k}\n", "z", "<<");
}

static void test_an_anchor_on_what_is_merged(void **state)
{
	static const char error[] =
		"p.yaml:1:7: error: \"<<\" merges no mapping (expected *NAME, or a list of them)\n";

	(void)state;
	assert_problems("x-a: {<<: &a {b: 1}}\nx-b: *a\npolicy: x\nfor: all\n", error);
	assert_problems("x-a: {<<: [&a {b: 1}]}\nx-b: *a\npolicy: x\nfor: all\n", error);
	assert_problems("x-a: {<<: &a }\nx-b: *a\npolicy: x\nfor: all\n", error);
}

static void test_duplicates(void **state)
{
	(void)state;
	assert_problems("policy: x\nfor: all\nx-a: {b: 1, a: 2, b: 3, a: 4, b: 5}\n",
			"p.yaml:3:19: error: duplicate key \"b\" (it stands in line 3 already)\n"
			"p.yaml:3:25: error: duplicate key \"a\" (it stands in line 3 already)\n"
			"p.yaml:3:31: error: duplicate key \"b\" (it stands in line 3 already)\n");
}

static void test_merge_is_no_duplicate(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("x-a: &a {service: web}\npolicy: x\nfor: {<<: *a, service: db}\n");

	(void)state;
	assert_int_equal(set->documents[0].governs->nchildren, 1);
	assert_string_equal(set->documents[0].governs->children[0]->pattern, "db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_keys_win),
		cmocka_unit_test(test_of_a_list_the_earlier_wins),
		cmocka_unit_test(test_merged_mappings_may_merge),
		cmocka_unit_test(test_quoted_is_a_key),
		cmocka_unit_test(test_anchors_outlive_what_is_dropped),
		cmocka_unit_test(test_an_anchor_on_what_is_merged),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_merge_is_no_duplicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
