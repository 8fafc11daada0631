#include "parse.h"

static void assert_said(struct policy_problems *p, const char *expected)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	policy_problems_print(p, &out);
	assert_string_equal(buf_text(&out), expected);
	policy_problems_done(p);
}

static void test_check(void **state)
{
	static const char *const known[] = {"from", "to", NULL};
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root = root_of("{from: 1, tp: 2, other: 3}", &p, &d);

	(void)state;
	keys_check(&p, root, known);
	assert_said(&p, "p.yaml:1:11: error: unknown key \"tp\" (did you mean \"to\"?)\n"
			"p.yaml:1:18: error: unknown key \"other\" (expected one of from, to)\n");
}

static void test_get_and_require(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root = root_of("{a: 1, b: 2}", &p, &d);

	(void)state;
	assert_string_equal(keys_get(root, "b")->text, "2");
	assert_string_equal(keys_node(root, "b")->text, "b");
	assert_null(keys_get(root, "2")); /* a value is no key */
	assert_null(keys_node(root, "c"));
	assert_non_null(keys_require(&p, root, "a", "x"));
	assert_null(keys_require(&p, root, "c", "a thing"));
	assert_said(&p, "p.yaml:1:1: error: no \"c\" (expected a thing)\n");
}

static void test_kinds(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root = root_of("{m: {}, l: [1], e: [], t: x, n: , q: ''}", &p, &d);

	(void)state;
	assert_true(keys_is_mapping(&p, keys_get(root, "m"), "m", "a thing"));
	assert_true(keys_is_list(&p, keys_get(root, "l"), "l", "a thing"));
	assert_true(keys_is_text(&p, keys_get(root, "t"), "t", "a thing"));
	assert_int_equal(p.len, 0);
	assert_false(keys_is_mapping(&p, keys_get(root, "l"), "l", "a thing"));
	assert_said(&p, "p.yaml:1:12: error: \"l\" is a list (expected a thing)\n");
	assert_false(keys_is_list(&p, keys_get(root, "e"), "e", "a thing"));
	assert_said(&p, "p.yaml:1:20: error: \"e\" is an empty list (expected a thing)\n");
	assert_false(keys_is_list(&p, keys_get(root, "n"), "n", "a thing"));
	assert_said(&p, "p.yaml:1:33: error: \"n\" has no value (expected a thing)\n");
	assert_false(keys_is_text(&p, keys_get(root, "m"), "m", "a thing"));
	assert_said(&p, "p.yaml:1:5: error: \"m\" is a mapping (expected a thing)\n");
	assert_false(keys_is_text(&p, keys_get(root, "q"), "q", "a thing"));
	assert_said(&p, "p.yaml:1:38: error: \"q\" has no value (expected a thing)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_get_and_require),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
