#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/check.h"

static void test_lists(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(check_list_parse("hygiene", NULL), 0);
	assert_int_equal(check_list_parse("audit-mode,hygiene", NULL), 0);
	assert_int_equal(check_list_parse("audit-mod", NULL), -EINVAL);
	assert_int_equal(check_list_parse("", NULL), -EINVAL);
	assert_int_equal(check_list_parse("hygiene,,audit-mode", NULL), -EINVAL);
	assert_int_equal(check_list_parse("hygiene,audit-modes", &err), -EINVAL);
	assert_string_equal(error_text(&err), "'audit-modes' is no check and no group ('quaywall "
					      "check --list' has them)");
}

static void test_members(void **state)
{
	(void)state;
	assert_true(check_list_has("hygiene", "hygiene", "audit-mode"));
	assert_true(check_list_has("x,audit-mode", "hygiene", "audit-mode"));
	assert_false(check_list_has("audit-mode", "hygiene", "container-ungoverned"));
	assert_false(check_list_has("audit", "hygiene", "audit-mode"));
	assert_false(check_list_has("audit-mode", "hygiene", NULL));
	assert_true(check_list_has("hygiene", "hygiene", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
