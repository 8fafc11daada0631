#include "parse.h"

static void test_any_order(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\ngroups: {a: b, b: [c, {name: d}], c: {}}\n");
	const struct policy_document *doc = only_document(set);

	(void)state;
	assert_int_equal(doc->ngroups, 3);
	assert_string_equal(doc->groups[0].name, "a");
	assert_int_equal(doc->groups[0].selector->group, 1);
	assert_int_equal(groups_find(doc, "c"), 2);
	assert_true(groups_find(doc, "d") == SIZE_MAX);
}

static void test_names_that_look_like_nothing_else(void **state)
{
	(void)state;
	/* Hexadecimal words are names, not addresses. */
	CLEANUP_POLICY_SET struct policy_set *set = parse(
		"policy: x\nfor: all\ngroups: {cafe: {}, db: {}, web.1: {}, 10a: {}, all: {}}\n");
	assert_int_equal(only_document(set)->ngroups, 5);
}

static void test_circles(void **state)
{
	(void)state;
	assert_problems(
		"policy: x\nfor: all\ngroups:\n  a: b\n  b: {all: [{not: a}]}\n  c: c\n",
		"p.yaml:4:3: error: groups in a circle: a, b, a (expected groups that end in selectors)\n"
		"p.yaml:6:3: error: groups in a circle: c, c (expected groups that end in selectors)\n");
	/* Twice the same group is no circle. */
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\ngroups: {a: [b, b], b: {name: c}}\n");
	assert_int_equal(only_document(set)->ngroups, 2);
}

static char *doubling(int n, int times)
{
	struct buf text = BUF_INIT;

	buf_str(&text, "policy: x\nfor: all\ngroups:\n  g0: {name: a}\n");
	for (int i = 1; i <= n; i++) {
		buf_printf(&text, "  g%d: [g%d", i, i - 1);
		for (int j = 1; j < times; j++)
			buf_printf(&text, ", g%d", i - 1);
		buf_str(&text, "]\n");
	}
	return buf_steal(&text);
}

static void test_growth(void **state)
{
	CLEANUP_FREE char *small = doubling(4, 5), *large = doubling(30, 10);

	(void)state;
	assert_problems(small, "");
	assert_problems(large, "p.yaml:8:3: error: the group expands to over 10000 conditions "
			       "(expected fewer)\n");
}

static void test_depth(void **state)
{
	CLEANUP_FREE char *good = doubling(31, 1), *deep = doubling(32, 1);

	(void)state;
	assert_problems(good, "");
	assert_problems(deep, "p.yaml:35:3: error: groups that name each other over 32 deep "
			      "(expected less)\n");
}

/* The same from the top down: the walk meets the depth before it has measured anything. */
static void test_depth_top_down(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	buf_str(&text, "policy: x\nfor: all\ngroups:\n");
	for (int i = 0; i < 32; i++)
		buf_printf(&text, "  g%d: g%d\n", i, i + 1);
	buf_str(&text, "  g32: {name: a}\n");
	CLEANUP_FREE char *printed = problems_of(buf_text(&text), text.len);
	assert_non_null(strstr(printed, "over 32 deep"));
}

static void test_many_references(void **state)
{
	CLEANUP_FREE char *groups = doubling(3, 14);
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	buf_printf(&text, "%sallow:\n", groups);
	for (int i = 0; i < 120; i++)
		buf_str(&text, "  - {from: g3, to: any}\n");
	assert_problems(buf_text(&text), "p.yaml:1:1: error: the document's groups expand to over "
					 "1000000 conditions (expected fewer)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_names_that_look_like_nothing_else),
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_top_down),
		cmocka_unit_test(test_many_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
