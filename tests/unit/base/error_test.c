#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/error.h"

static void test_set_returns_code_and_replaces(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	assert_string_equal(error_text(&err), "unknown error");
	assert_int_equal(error_set(&err, -EINVAL, "port %d", 70000), -EINVAL);
	assert_string_equal(error_text(&err), "port 70000");
	assert_int_equal(error_set(&err, -ENOENT, "again: %s", error_text(&err)), -ENOENT);
	assert_string_equal(error_text(&err), "again: port 70000");
}

static void test_wrap_puts_text_in_front(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	error_set(&err, -EINVAL, "no such key");
	assert_int_equal(error_wrap(&err, -EINVAL, "reading %s", "a.json"), -EINVAL);
	assert_string_equal(error_text(&err), "reading a.json: no such key");
}

static void test_wrap_of_nothing_names_the_errno(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	error_wrap(&err, -ENOENT, "opening %s", "x");
	assert_string_equal(error_text(&err), "opening x: No such file or directory");
	error_done(&err);
	error_wrap(&err, -99999, "opening");
	assert_string_equal(error_text(&err), "opening: error 99999");
}

static void test_null_drops_the_text(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(error_wrap(NULL, -EPERM, "x"), -EPERM);
	assert_string_equal(error_text(NULL), "unknown error");
	error_done(NULL);
}

static void test_done_leaves_it_usable(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	error_set(&err, -1, "x");
	error_done(&err);
	error_done(&err);
	assert_string_equal(error_text(&err), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_returns_code_and_replaces),
		cmocka_unit_test(test_wrap_puts_text_in_front),
		cmocka_unit_test(test_wrap_of_nothing_names_the_errno),
		cmocka_unit_test(test_null_drops_the_text),
		cmocka_unit_test(test_done_leaves_it_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
