#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "../../../controller/cli/arguments.h"

/* A table of its own: the real one would bring every verb's function with it. What the real verbs say to wrong
 * arguments is in tests/errors/arguments.txt. */
const struct verb verbs[] = {
	{"run", VERB_RUN, 0, 0, "", "", "", NULL},
	{"validate", VERB_VALIDATE, 0, SIZE_MAX, "[FILE...]", "", "", NULL},
	{"explain", VERB_EXPLAIN, 2, 3, "FROM TO [PORT]", "", "", NULL},
	{NULL, 0, 0, 0, NULL, NULL, NULL, NULL},
};

#define ARGV(...)                             \
	(char *[])                            \
	{                                     \
		"quaywall", __VA_ARGS__, NULL \
	}

static int parse(char **argv, struct arguments *ret, struct error *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return arguments_parse(argc, argv, ret, err);
}

static void expect_error(char **argv, const char *want)
{
	CLEANUP_ARGUMENTS struct arguments a = {.verb = NULL};
	CLEANUP_ERROR struct error err = ERROR_INIT;

	assert_int_equal(parse(argv, &a, &err), -EINVAL);
	assert_string_equal(error_text(&err), want);
}

static void test_options_stand_anywhere(void **state)
{
	CLEANUP_ARGUMENTS struct arguments a = {.verb = NULL};

	(void)state;
	assert_int_equal(parse(ARGV("--json", "explain", "web", "--snapshot=f", "db", "--policies",
				    "dir", "5432"),
			       &a, NULL),
			 0);
	assert_string_equal(a.verb->name, "explain");
	assert_true(a.json);
	assert_string_equal(a.snapshot, "f");
	assert_string_equal(a.policies, "dir");
	assert_int_equal(a.noperands, 3);
	assert_string_equal(a.operands[1], "db");
	assert_string_equal(a.operands[2], "5432");
}

static void test_behind_two_dashes_are_words(void **state)
{
	CLEANUP_ARGUMENTS struct arguments a = {.verb = NULL};

	(void)state;
	assert_int_equal(parse(ARGV("validate", "-v", "--", "--json", "-"), &a, NULL), 0);
	assert_true(a.verbose);
	assert_false(a.json);
	assert_int_equal(a.noperands, 2);
	assert_string_equal(a.operands[0], "--json");
}

static void test_help_needs_nothing_else(void **state)
{
	CLEANUP_ARGUMENTS struct arguments a = {.verb = NULL};

	(void)state;
	assert_int_equal(parse(ARGV("-h"), &a, NULL), 0);
	assert_true(a.help);
	assert_null(a.verb);
}

static void test_what_is_wrong(void **state)
{
	(void)state;
	expect_error(ARGV("--json"), "no verb is given (try 'quaywall --help')");
	expect_error(ARGV("valdate"), "unknown verb 'valdate' (try 'quaywall --help')");
	expect_error(ARGV("run", "--force=1"), "unknown option '--force' (try 'quaywall --help')");
	expect_error(ARGV("run", "--config"), "option '--config' needs a value (FILE)");
	expect_error(ARGV("run", "--config="),
		     "option '--config' has an empty value (expected FILE)");
	expect_error(ARGV("run", "--once=yes"), "option '--once' takes no value");
	expect_error(ARGV("run", "--docker", "a", "--docker=b"),
		     "option '--docker' is given twice");
	expect_error(ARGV("validate", "--once"), "'validate' does not take option '--once'");
	expect_error(ARGV("run", "now"), "'run' takes no argument, 'now' is one too many");
	expect_error(ARGV("explain", "a"), "'explain' needs FROM TO [PORT]");
	expect_error(ARGV("explain", "a", "b", "1", "c"),
		     "'explain' takes FROM TO [PORT], 'c' is one too many");
}

static void test_help_lists_what_a_verb_takes(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	arguments_print_options(&verbs[0], &out);
	assert_non_null(strstr(buf_text(&out), "  --once  "));
	assert_non_null(strstr(buf_text(&out), "  --config FILE  "));
	assert_null(strstr(buf_text(&out), "--verbose"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_stand_anywhere),
		cmocka_unit_test(test_behind_two_dashes_are_words),
		cmocka_unit_test(test_help_needs_nothing_else),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_help_lists_what_a_verb_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
