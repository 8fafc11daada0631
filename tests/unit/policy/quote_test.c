#include "parse.h"

static void assert_quoted(const char *text, const char *expected)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	quote_print(text, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void test_plain(void **state)
{
	(void)state;
	assert_quoted("web", "web");
	assert_quoted("docker.io/library/nginx-1", "docker.io/library/nginx-1");
	assert_quoted("1.10", "1.10");
	assert_quoted("null", "null"); /* every scalar is text */
}

static void test_quoted(void **state)
{
	(void)state;
	assert_quoted("", "\"\"");
	assert_quoted("true", "\"true\"");
	assert_quoted("a*", "\"a*\"");
	assert_quoted("-a", "\"-a\"");
	assert_quoted("a:b", "\"a:b\"");
	assert_quoted("a b", "\"a b\"");
	assert_quoted("q\"\\", "\"q\\\"\\\\\"");
	assert_quoted("a\nb\033", "\"a\\x0ab\\x1b\"");
	assert_quoted("ü", "\"ü\"");
}

/* What YAML takes for the end of a line, or for no character. */
static void test_odd_characters(void **state)
{
	(void)state;
	assert_quoted("a\xc2\x85z", "\"a\\u0085z\"");
	assert_quoted("a\xe2\x80\xa8z", "\"a\\u2028z\"");
	assert_quoted("\xef\xbb\xbfz", "\"\\ufeffz\"");
	assert_quoted("\xef\xbf\xbf", "\"\\uffff\"");
	assert_quoted("a\xffz", "\"a?z\"");
	assert_quoted("\xf0\x9f\x90\x8b", "\"\xf0\x9f\x90\x8b\"");
}

static void test_names_as_patterns(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"web", "web"},
		{"a*b?", "\"a\\\\*b\\\\?\""},
		{"[a]\\", "\"\\\\[a]\\\\\\\\\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		policy_name_print(cases[i].name, &out);
		assert_string_equal(buf_text(&out), cases[i].want);
	}
}

/* Each byte, and each pair with a letter, reads back as itself. */
static void test_reads_back(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++) {
		char texts[4][3] = {{(char)c}, {(char)c, 'a'}, {'a', (char)c}, {(char)c, (char)c}};
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			CLEANUP_PROBLEMS struct policy_problems p = {0};
			CLEANUP_YAML struct yaml_documents d = {0};
			CLEANUP_BUF struct buf out = BUF_INIT;
			buf_str(&out, "{k: ");
			quote_print(texts[i], &out);
			buf_char(&out, '}');
			const struct node *n = root_of(buf_text(&out), &p, &d)->items[1];
			assert_string_equal(n->text, texts[i]);
			assert_false(n->plain && strcmp(n->text, "true") == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	       cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_odd_characters), cmocka_unit_test(test_names_as_patterns),
		cmocka_unit_test(test_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
