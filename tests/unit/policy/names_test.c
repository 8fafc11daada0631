#include "parse.h"

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(names_distance("from", "from"), 0);
	assert_int_equal(names_distance("form", "from"), 1); /* a swap is one mistake */
	assert_int_equal(names_distance("fom", "from"), 1);
	assert_int_equal(names_distance("", "from"), 4);
	assert_int_equal(names_distance("kitten", "sitting"), 3);
	assert_true(names_distance("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == SIZE_MAX);
}

static void test_nearest(void **state)
{
	static const char *const known[] = {"from", "to", "ports", NULL};

	(void)state;
	assert_string_equal(names_nearest("form", known), "from");
	assert_string_equal(names_nearest("port", known), "ports");
	assert_null(names_nearest("x", known)); /* as near to `to` as to nothing */
	assert_null(names_nearest("containers", known));
}

static void test_advice(void **state)
{
	static const char *const known[] = {"from", "to", NULL}, *const one[] = {"listen", NULL};
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	names_advice("fro", known, &out);
	assert_string_equal(buf_text(&out), "did you mean \"from\"?");
	buf_truncate(&out, 0);
	names_advice("kubernetes", known, &out);
	assert_string_equal(buf_text(&out), "expected one of from, to");
	buf_truncate(&out, 0);
	names_advice("kubernetes", one, &out);
	assert_string_equal(buf_text(&out), "expected listen");
}

static void test_clip(void **state)
{
	char buf[CLIP_SIZE], text[200];

	(void)state;
	assert_string_equal(clip("short", buf), "short");
	memset(text, 'a', sizeof(text));
	text[60] = '\0';
	assert_string_equal(clip(text, buf), text);
	/* Two bytes that straddle the limit go both. */
	memcpy(text + 59, "üü", sizeof("üü"));
	clip(text, buf);
	assert_int_equal(strlen(buf), 59 + strlen("…"));
	assert_string_equal(buf + 58, "a…");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_clip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
