#include "parse.h"

#include <stdio.h>

/*
 * Runs tests/errors/FILE: wrong inputs, each with every line that is printed of it. A case is
 * "=== TITLE", the input, ">>>", the lines, and an empty line that is no part of it.
 */

static char *read_table(const char *name)
{
	const char *source = getenv("QUAYWALL_SOURCE");
	CLEANUP_FREE char *path = mem_printf("%s/tests/errors/%s", source ? source : ".", name);
	struct buf text = BUF_INIT;
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&text, chunk, n);
	fclose(f);
	return buf_steal(&text);
}

/* The text from AT to the line that begins with MARK, or to the end; *RET_NEXT is that line. */
static char *cut(char *at, const char *mark, char **ret_next)
{
	CLEANUP_FREE char *needle = mem_printf("\n%s", mark);
	char *end = strstr(at - 1, needle);

	*ret_next = end ? end + 1 : at + strlen(at);
	return mem_strndup(at, end && end >= at ? (size_t)(end + 1 - at) : strlen(at) * !end);
}

static char *after_line(char *at)
{
	char *newline = strchr(at, '\n');
	return newline ? newline + 1 : at + strlen(at);
}

static void strip_empty_line(char *lines)
{
	size_t len = strlen(lines);

	if (len >= 2 && lines[len - 1] == '\n' && lines[len - 2] == '\n')
		lines[len - 1] = '\0';
}

static char *problems_of_settings(const char *text, size_t len)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_SETTINGS struct settings *s = settings_parse("quaywall.yaml", text, len, &p);
	struct buf printed = BUF_INIT;

	assert_int_equal(s == NULL, policy_problems_errors(&p) > 0);
	policy_problems_print(&p, &printed);
	return buf_steal(&printed);
}

static bool holds(const char *title, const char *input, const char *expected,
		  char *(*run)(const char *, size_t))
{
	CLEANUP_FREE char *printed = run(input, strlen(input));

	if (strcmp(printed, expected) == 0)
		return true;
	print_error("case: %s\nexpected:\n%sprinted:\n%s\n", title, expected, printed);
	return false;
}

static void run_table(const char *name, size_t at_least, char *(*run)(const char *, size_t))
{
	CLEANUP_FREE char *table = read_table(name);
	char *at = strstr(table, "\n=== ");
	size_t cases = 0, wrong = 0;

	at = at ? at + 1 : table + strlen(table);
	while (*at) {
		char *body = after_line(at), *mark, *next;
		CLEANUP_FREE char *title = mem_strndup(at, (size_t)(body - at - 1));
		CLEANUP_FREE char *input = cut(body, ">>>\n", &mark);
		CLEANUP_FREE char *expected = cut(after_line(mark), "=== ", &next);

		strip_empty_line(expected);
		assert_string_not_equal(expected, "");
		wrong += !holds(title, input, expected, run);
		cases++;
		at = next;
	}
	assert_int_equal(wrong, 0);
	assert_true(cases >= at_least);
}

static void test_policies(void **state)
{
	(void)state;
	run_table("policies.txt", 120, problems_of);
}

static void test_settings(void **state)
{
	(void)state;
	run_table("settings.txt", 40, problems_of_settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
