#include "parse.h"

static struct settings *parse_log(const char *log)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *text = mem_printf("log: %s\n", log);

	return settings_parse("/etc/quaywall/quaywall.yaml", text, strlen(text), &p);
}

static void assert_goes_to(const char *log, enum output_to to, const char *path)
{
	CLEANUP_SETTINGS struct settings *s = parse_log(log);

	assert_non_null(s);
	assert_int_equal(s->output_to, to);
	if (path)
		assert_string_equal(s->output_path, path);
	else
		assert_null(s->output_path);
}

static void test_where_to(void **state)
{
	(void)state;
	assert_goes_to("{rate: 0}", OUTPUT_NONE, NULL);
	assert_goes_to("{to: none}", OUTPUT_NONE, NULL);
	assert_goes_to("{to: /var/log/x.json}", OUTPUT_FILE, "/var/log/x.json");
	assert_goes_to("{to: logs/x.json}", OUTPUT_FILE, "/etc/quaywall/logs/x.json");
	assert_goes_to("{to: ./journal}", OUTPUT_FILE, "/etc/quaywall/./journal");
	assert_goes_to("{to: syslogs/x}", OUTPUT_FILE, "/etc/quaywall/syslogs/x");
	assert_goes_to("{to: syslog}", OUTPUT_SYSLOG, "/dev/log");
	assert_goes_to("{to: 'syslog:/run/log'}", OUTPUT_SYSLOG, "/run/log");
	assert_goes_to("{to: journal}", OUTPUT_JOURNAL, "/run/systemd/journal/socket");
	assert_goes_to("{to: 'journal:/run/x'}", OUTPUT_JOURNAL, "/run/x");
}

static void test_what(void **state)
{
	CLEANUP_SETTINGS struct settings *none = parse_log("{burst: 1}"),
					 *all = parse_log("{what: all}"),
					 *refused = parse_log("{what: refused}");

	(void)state;
	assert_int_equal(none->output_what, OUTPUT_LOGGED);
	assert_int_equal(all->output_what, OUTPUT_ALL);
	assert_int_equal(refused->output_what, OUTPUT_REFUSED);
}

/* Their exact texts are in tests/errors/settings.txt. */
static void test_mistakes(void **state)
{
	static const char *const wrong[] = {"{to: sislog}",    "{to: syslog:x}", "{to: /var/log/}",
					    "{to: }",	       "{to: [syslog]}", "{to: \"/a\\nb\"}",
					    "{to: journal: x}"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(parse_log(wrong[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_to),
		cmocka_unit_test(test_what),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
