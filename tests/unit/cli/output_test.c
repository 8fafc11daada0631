#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../../controller/cli/output.h"

static void test_columns_are_as_wide_as_they_must(void **state)
{
	CLEANUP_TABLE struct output_table t = {.columns = 3};
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	output_row(&t, (const char *[]) {"shop/db", "1", "x"});
	output_row(&t, (const char *[]) {"a", "100", NULL});
	output_table_print(&t, &out);
	assert_string_equal(buf_text(&out), "  shop/db  1    x\n  a        100\n");
}

static void test_no_colour_in_a_pipe(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	setenv("NO_COLOR", "1", 1);
	output_verdict(&out, "deny");
	assert_string_equal(buf_text(&out), "deny");
}

static void test_what_an_object_holds(void **state)
{
	json_t *j = json_pack("{s:s, s:i, s:n}", "name", "db", "line", 12, "rule");

	(void)state;
	assert_string_equal(output_text(j, "name"), "db");
	assert_string_equal(output_text(j, "line"), "12");
	assert_string_equal(output_text(j, "rule"), "");
	assert_string_equal(output_text(j, "absent"), "");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_they_must),
		cmocka_unit_test(test_no_colour_in_a_pipe),
		cmocka_unit_test(test_what_an_object_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
