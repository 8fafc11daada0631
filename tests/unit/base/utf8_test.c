#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "quaywall/utf8.h"

static void check_decode(const char *text, size_t want_len, uint32_t want)
{
	uint32_t c = 0;

	assert_int_equal(utf8_decode(text, strlen(text), &c), want_len);
	assert_int_equal(c, want);
}

static void test_characters_of_every_length(void **state)
{
	(void)state;
	check_decode("a", 1, 'a');
	check_decode("\xc3\xa9", 2, 0xe9);
	check_decode("\xe2\x82\xac", 3, 0x20ac);
	check_decode("\xf0\x9f\x9a\xa2", 4, 0x1f6a2);
}

static void test_what_is_no_character(void **state)
{
	(void)state;
	check_decode("\x80", 0, 0);		/* continues nothing */
	check_decode("\xc3", 0, 0);		/* ends early */
	check_decode("\xc3(", 0, 0);		/* goes on wrongly */
	check_decode("\xc0\xaf", 0, 0);		/* overlong */
	check_decode("\xe0\x80\xaf", 0, 0);	/* overlong */
	check_decode("\xed\xa0\x80", 0, 0);	/* a surrogate */
	check_decode("\xf4\x90\x80\x80", 0, 0); /* beyond U+10FFFF */
	check_decode("\xff", 0, 0);
}

static void check_clean(const char *text, const char *want)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	utf8_clean(text, &out);
	assert_string_equal(buf_text(&out), want);
}

static void test_cleaned_text(void **state)
{
	(void)state;
	check_clean("", "");
	check_clean("shop/db \xe2\x82\xac", "shop/db \xe2\x82\xac");
	check_clean("\x1b[31mred\n", "?[31mred?");
	check_clean("a\xff\x62\xc3", "a?b?");
	check_clean("\xc2\x9b!", "?!"); /* a control character of two bytes */
	check_clean("\xe2\x80\xae"
		    "bd",
		    "?bd"); /* writes from right to left */
	check_clean("\xe2\x80\xa8\xe2\x81\xa6\xd8\x9c", "???");
	check_clean("\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_of_every_length),
		cmocka_unit_test(test_what_is_no_character),
		cmocka_unit_test(test_cleaned_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
