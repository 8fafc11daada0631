#include "parse.h"

static void assert_printed(const struct policy_problems *p, const char *expected)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	policy_problems_print(p, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void test_prints_with_and_without_place(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct policy_where at = {"a.yaml", 3, 7}, file = {"a.yaml", 0, 0};

	(void)state;
	policy_problem_add(&p, POLICY_ERROR, &at, "wrong: %d", 1);
	policy_problem_add(&p, POLICY_WARNING, &file, "doubtful");
	policy_problem_add(&p, POLICY_ERROR, NULL, "nowhere");
	assert_printed(&p,
		       "a.yaml:3:7: error: wrong: 1\na.yaml: warning: doubtful\nerror: nowhere\n");
	assert_int_equal(policy_problems_errors(&p), 2);
}

static void test_control_bytes_are_shown(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct policy_where at = {"a\n.yaml", 1, 1};

	(void)state;
	policy_problem_add(&p, POLICY_ERROR, &at, "%s", "x\033[0m\177 ü");
	assert_printed(&p, "a\\x0a.yaml:1:1: error: x\\x1b[0m\\x7f ü\n");
}

static void test_sort_is_by_place_and_says_it_once(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct policy_where first = {"a", 1, 9}, second = {"a", 2, 1}, third = {"a", 2, 10};

	(void)state;
	policy_problem_add(&p, POLICY_ERROR, &third, "before the sorted part");
	policy_problem_add(&p, POLICY_ERROR, &third, "c");
	policy_problem_add(&p, POLICY_ERROR, &second, "b");
	policy_problem_add(&p, POLICY_ERROR, &first, "a");
	policy_problem_add(&p, POLICY_ERROR, &second, "b");
	policy_problem_add(&p, POLICY_ERROR, &second, "b2");
	problems_sort(&p, 1);
	assert_printed(&p, "a:2:10: error: before the sorted part\na:1:9: error: a\n"
			   "a:2:1: error: b\na:2:1: error: b2\na:2:10: error: c\n");
}

static void test_array_grows(void **state)
{
	size_t *items = NULL;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		items = array_grow(items, i, sizeof(*items));
		items[i] = i;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prints_with_and_without_place),
		cmocka_unit_test(test_control_bytes_are_shown),
		cmocka_unit_test(test_sort_is_by_place_and_says_it_once),
		cmocka_unit_test(test_array_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
