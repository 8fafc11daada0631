#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "quaywall/reconcile.h"

static void expect_text(const char *text, const char *want)
{
	CLEANUP_JSON json_t *j = reconcile_json_text(text);

	assert_string_equal(json_string_value(j), want);
}

static void test_texts(void **state)
{
	CLEANUP_JSON json_t *nothing = reconcile_json_text(NULL);

	(void)state;
	assert_true(json_is_null(nothing));
	expect_text("shop", "shop");
	expect_text("", "");
	expect_text("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3",
		    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3");
}

static void test_what_is_no_utf8(void **state)
{
	(void)state;
	expect_text("a\xff"
		    "b",
		    "a?b");
	expect_text("\xc3", "?");
	expect_text("\xe2\x82", "??");
	expect_text("\xc0\xaf", "??");		  /* overlong */
	expect_text("\xed\xa0\x80", "???");	  /* a surrogate */
	expect_text("\xc3\xa9\xfe", "\xc3\xa9?"); /* what is right stays */
}

static void test_what_could_steer_a_terminal(void **state)
{
	(void)state;
	expect_text("a\033[2Jb\x7f", "a?[2Jb?");
	expect_text("\xc2\x9b"
		    "31m",
		    "?31m"); /* CSI as one character */
	expect_text("one\n\ttwo\r", "one\n\ttwo?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_what_is_no_utf8),
		cmocka_unit_test(test_what_could_steer_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
