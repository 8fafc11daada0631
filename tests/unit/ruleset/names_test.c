#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"

static void expect_identifier(const char *text, const char *want)
{
	char *got CLEANUP_FREE = ruleset_identifier("to_", text);

	assert_string_equal(got, want);
}

static void test_plain_text_is_kept(void **state)
{
	(void)state;
	expect_identifier("shop/db", "to_shop/db");
	expect_identifier("a-b_c.d/E9", "to_a-b_c.d/E9");
}

static void test_other_bytes_are_replaced_and_hashed(void **state)
{
	char *one CLEANUP_FREE = ruleset_identifier("to_", "shop db");
	char *two CLEANUP_FREE = ruleset_identifier("to_", "shop\xff"
							   "db");

	(void)state;
	assert_int_equal(strncmp(one, "to_shop_db.", 11), 0);
	assert_int_equal(strncmp(two, "to_shop_db.", 11), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), 11 + 16);
}

/* A text that looks like the identifier of another one must not be it. */
static void test_an_identifier_is_not_its_own(void **state)
{
	char *one CLEANUP_FREE = ruleset_identifier("", "shop db");
	char *two CLEANUP_FREE = ruleset_identifier("", one);

	(void)state;
	assert_string_not_equal(one, two);
}

static void test_long_texts_are_cut_and_differ(void **state)
{
	char a[254], b[254];
	char *one CLEANUP_FREE = NULL, *two CLEANUP_FREE = NULL;

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	a[253] = b[253] = '\0';
	b[252] = 'b';
	one = ruleset_identifier("from_", a);
	two = ruleset_identifier("from_", b);
	assert_int_equal(strlen(one), 5 + 80 + 17);
	assert_string_not_equal(one, two);
}

static void test_empty_text_has_a_name(void **state)
{
	char *got CLEANUP_FREE = ruleset_identifier("to_", "");

	(void)state;
	assert_int_equal(strlen(got), 3 + 17);
}

/* The first is the known value of SipHash-2-4 for a key of zeros and no text. A host that is updated
 * finds its chains under the same names. */
static void test_hash_stays_what_it_is(void **state)
{
	(void)state;
	expect_identifier("", "to_.1e924b9d737700d7");
	expect_identifier("shop db", "to_shop_db.7197cf08bc322656");
}

static void test_comment_is_printable_and_short(void **state)
{
	char text[300];
	char *got CLEANUP_FREE = ruleset_comment("say \"hi\"\n\xc3\xa9\\"),
		  *longer CLEANUP_FREE = NULL;

	(void)state;
	assert_string_equal(got, "say ?hi????\\");
	memset(text, 'x', sizeof(text));
	text[299] = '\0';
	longer = ruleset_comment(text);
	assert_int_equal(strlen(longer), 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text_is_kept),
		cmocka_unit_test(test_other_bytes_are_replaced_and_hashed),
		cmocka_unit_test(test_an_identifier_is_not_its_own),
		cmocka_unit_test(test_long_texts_are_cut_and_differ),
		cmocka_unit_test(test_empty_text_has_a_name),
		cmocka_unit_test(test_hash_stays_what_it_is),
		cmocka_unit_test(test_comment_is_printable_and_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
