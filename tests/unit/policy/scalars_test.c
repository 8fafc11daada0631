#include "parse.h"

/* A node that holds TEXT, quoted. */
static struct node node_of(const char *text)
{
	return (struct node) {.kind = NODE_SCALAR, .where = {"s", 1, 1}, .text = (char *)text};
}

static void test_numbers(void **state)
{
	uint32_t n = 7;

	(void)state;
	assert_int_equal(number_parse("0", 1, 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(number_parse("4294967295", 10, UINT32_MAX, &n), 0);
	assert_true(n == UINT32_MAX);
	n = 7;
	assert_true(number_parse("4294967296", 10, UINT32_MAX, &n) < 0);
	assert_true(number_parse("11", 2, 10, &n) < 0);
	assert_true(number_parse("", 0, 10, &n) < 0);
	assert_true(number_parse("+1", 2, 10, &n) < 0);
	assert_true(number_parse("1 ", 2, 10, &n) < 0);
	assert_true(number_parse("00000000001", 11, 10, &n) < 0);
	assert_int_equal(n, 7);
}

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		uint32_t rate;
		enum policy_unit unit;
	} good[] = {{"50/second", 50, POLICY_SECOND},
		    {"1/minute", 1, POLICY_MINUTE},
		    {"2/hour", 2, POLICY_HOUR},
		    {"3/day", 3, POLICY_DAY}};
	static const char *const bad[] = {"50",	 "/second",   "0/second", "1/",
					  "1/s", "1/second ", "0"};
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	enum policy_unit unit;
	uint32_t rate;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct node n = node_of(good[i].text);
		assert_true(scalar_rate(&p, &n, "new", false, &rate, &unit));
		assert_int_equal(rate, good[i].rate);
		assert_int_equal(unit, good[i].unit);
		assert_non_null(strstr(good[i].text, unit_name(unit)));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct node n = node_of(bad[i]);
		assert_false(scalar_rate(&p, &n, "new", false, &rate, &unit));
		assert_int_equal(p.len, i + 1);
	}
	struct node zero = node_of("0");
	assert_true(scalar_rate(&p, &zero, "rate", true, &rate, &unit));
	assert_int_equal(rate, 0);
}

static void test_patterns(void **state)
{
	static const char *const good[] = {"",	   "web",  "w*",     "[ab]",	    "[!a]",
					   "[]a]", "[!]]", "[\\]]",  "[[:alpha:]]", "\\[",
					   "a]",   "\\\\", "[a-z]*", "[[.].]]"};
	static const char *const bad[] = {"[",	   "[!", "[]",	"[!]",	      "[^]", "[a",
					  "[a\\]", "\\", "a\\", "[[:alpha:]", "x[\\"};
	CLEANUP_PROBLEMS struct policy_problems p = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct node n = node_of(good[i]);
		CLEANUP_FREE char *pattern = scalar_pattern(&p, &n, "name");
		assert_non_null(pattern);
		assert_string_equal(pattern, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct node n = node_of(bad[i]);
		assert_null(scalar_pattern(&p, &n, "name"));
		assert_int_equal(p.len, i + 1);
	}
}

static void test_wildcards(void **state)
{
	CLEANUP_FREE char *text = pattern_unescape("a\\*b\\\\");

	(void)state;
	assert_true(pattern_has_wildcard("a*"));
	assert_true(pattern_has_wildcard("?"));
	assert_true(pattern_has_wildcard("\\\\[a]"));
	assert_false(pattern_has_wildcard("a\\*\\?\\["));
	assert_string_equal(text, "a*b\\");
}

static void test_words(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct node good = node_of("Größe 1"), line = node_of("a\nb"),
		    longer = node_of("12345678901");
	CLEANUP_FREE char *words = scalar_words(&p, &good, "name", 10);

	(void)state;
	assert_string_equal(words, "Größe 1");
	assert_null(scalar_words(&p, &line, "name", 10));
	assert_null(scalar_words(&p, &longer, "name", 10));
	assert_int_equal(p.len, 2);
}

static void test_choices(void **state)
{
	static const struct choice choices[] = {{"a", 1}, {"b", 2}, {"c", 3}, {NULL, 0}};
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct node good = node_of("b"), bad = node_of("B");
	int value = 0;
	bool flag = false;

	(void)state;
	assert_true(scalar_choice(&p, &good, "x", choices, &value));
	assert_int_equal(value, 2);
	assert_false(scalar_choice(&p, &bad, "x", choices, &value));
	assert_int_equal(value, 2);
	assert_string_equal(p.items[0].text, "\"x\" is \"B\" (expected a, b or c)");
	struct node yes = node_of("true"), on = node_of("on");
	assert_true(scalar_bool(&p, &yes, "x", &flag));
	assert_true(flag);
	assert_false(scalar_bool(&p, &on, "x", &flag));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	 cmocka_unit_test(test_rates),
		cmocka_unit_test(test_patterns), cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_words),	 cmocka_unit_test(test_choices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
