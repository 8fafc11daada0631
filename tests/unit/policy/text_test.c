#include "parse.h"

static char *check(const char *text, size_t len)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct buf out = BUF_INIT;

	bool good = text_check("t", text, len, &p);
	assert_int_equal(good, p.len == 0);
	policy_problems_print(&p, &out);
	return buf_steal(&out);
}

#define ASSERT_TEXT(text, expected)                            \
	do {                                                   \
		char *printed = check(text, sizeof(text) - 1); \
		assert_string_equal(printed, expected);        \
		free(printed);                                 \
	} while (0)

static void test_good(void **state)
{
	(void)state;
	ASSERT_TEXT("", "");
	ASSERT_TEXT("a: b\r\n  c: d # ü € 𝄞\n", "");
	ASSERT_TEXT("\xef\xbb\xbf"
		    "a: b",
		    "");
	ASSERT_TEXT("a:\tb\n", ""); /* a tab after the text is no indentation */
	ASSERT_TEXT("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbd", "");
}

static void test_nul(void **state)
{
	(void)state;
	ASSERT_TEXT("ab\0c", "t:1:3: error: a NUL byte (expected text)\n");
}

static void test_control(void **state)
{
	(void)state;
	ASSERT_TEXT("a\n\x01", "t:2:1: error: the control character U+0001 (expected text)\n");
	ASSERT_TEXT("\x7f", "t:1:1: error: the control character U+007F (expected text)\n");
	ASSERT_TEXT("\xc2\x9f", "t:1:1: error: the control character U+009F (expected text)\n");
}

static void test_invalid_utf8(void **state)
{
	static const char *const invalid[] = {
		"\x80",		    /* continues nothing */
		"\xc3",		    /* cut */
		"\xc3(",	    /* not continued */
		"\xc0\x80",	    /* overlong */
		"\xe0\x80\x80",	    /* overlong */
		"\xf0\x80\x80\x80", /* overlong */
		"\xed\xa0\x80",	    /* a surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf8\x88\x80\x80", /* five bytes */
		"\xff\xfe",	    /* UTF-16 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		CLEANUP_FREE char *text = mem_printf("é%s", invalid[i]);
		CLEANUP_FREE char *printed = check(text, strlen(text));
		assert_string_equal(printed, "t:1:2: error: not UTF-8 (expected text in UTF-8)\n");
	}
}

static void test_tabs(void **state)
{
	(void)state;
	ASSERT_TEXT("a:\n\tb: c\n  \td: e\n\t\n",
		    "t:2:1: error: a tab in the indentation (expected spaces)\n"
		    "t:3:3: error: a tab in the indentation (expected spaces)\n"
		    "t:4:1: error: a tab in the indentation (expected spaces)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	cmocka_unit_test(test_nul),
		cmocka_unit_test(test_control), cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_tabs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
