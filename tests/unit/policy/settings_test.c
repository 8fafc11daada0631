#include "parse.h"

static struct settings *parse_settings(const char *text)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct settings *s = settings_parse("/etc/quaywall/quaywall.yaml", text, strlen(text), &p);

	policy_problems_print(&p, &out);
	if (!s)
		assert_string_equal(buf_text(&out), "");
	return s;
}

static void assert_are_defaults(const struct settings *s)
{
	assert_string_equal(s->docker, "unix:///var/run/docker.sock");
	assert_string_equal(s->policies, "/etc/quaywall/policies");
	assert_string_equal(s->control, "/run/quaywall/control.sock");
	assert_int_equal(s->mode, POLICY_ENFORCE);
	assert_int_equal(s->containers, DEFAULT_ALLOW);
	assert_int_equal(s->unknown, DEFAULT_DENY);
	assert_int_equal(s->publish, DEFAULT_ALLOW);
	assert_int_equal(s->containers_to_host, DEFAULT_ALLOW);
	assert_int_equal(s->host_to_containers, DEFAULT_ALLOW);
	assert_int_equal(s->refuse_containers, REFUSE_REJECT);
	assert_int_equal(s->refuse_world, REFUSE_DROP);
	assert_true(s->antispoof);
	assert_true(s->counters);
	assert_true(s->watch);
	assert_null(s->state);
	assert_int_equal(s->plaintext, PLAINTEXT_ALERT);
	assert_false(s->deny_strangers);
	assert_int_equal(s->log_rate, 20);
	assert_int_equal(s->log_unit, POLICY_SECOND);
	assert_int_equal(s->log_burst, 100);
	assert_int_equal(s->log_group, 86);
	assert_null(s->tls_ca);
	assert_null(s->metrics);
	assert_int_equal(s->defaults_where.line, 0);
}

static void test_defaults(void **state)
{
	CLEANUP_SETTINGS struct settings *none = settings_new(), *empty = parse_settings("# no\n");

	(void)state;
	assert_are_defaults(none);
	assert_are_defaults(empty);
	assert_null(none->file);
	assert_string_equal(empty->file, "/etc/quaywall/quaywall.yaml");
	settings_free(NULL);
}

static void test_everything(void **state)
{
	CLEANUP_SETTINGS struct settings *s = parse_settings(
		"docker: tcp://engine:2376\n"
		"tls: {ca: /ca.pem, cert: tls/cert.pem, key: /key.pem}\n"
		"policies: policies.d\n"
		"control: /run/other.sock\n"
		"defaults:\n"
		"  mode: audit\n  containers: deny\n  unknown: audit\n  publish: local\n"
		"  containers_to_host: deny\n  host_to_containers: deny\n"
		"refuse: {containers: drop, world: reject}\n"
		"antispoof: false\ncounters: false\n"
		"overlay: {plaintext: deny, strangers: deny}\n"
		"log: {rate: 5/minute, burst: 7, group: 3}\n"
		"metrics: {listen: 'unix:/run/metrics.sock'}\n");

	(void)state;
	assert_string_equal(s->docker, "tcp://engine:2376");
	assert_string_equal(s->tls_cert, "/etc/quaywall/tls/cert.pem");
	assert_string_equal(s->policies, "/etc/quaywall/policies.d");
	assert_string_equal(s->control, "/run/other.sock");
	assert_int_equal(s->mode, POLICY_AUDIT);
	assert_int_equal(s->containers, DEFAULT_DENY);
	assert_int_equal(s->unknown, DEFAULT_AUDIT);
	assert_int_equal(s->publish, DEFAULT_LOCAL);
	assert_int_equal(s->containers_to_host, DEFAULT_DENY);
	assert_int_equal(s->host_to_containers, DEFAULT_DENY);
	assert_int_equal(s->refuse_containers, REFUSE_DROP);
	assert_int_equal(s->refuse_world, REFUSE_REJECT);
	assert_false(s->antispoof);
	assert_false(s->counters);
	assert_int_equal(s->plaintext, PLAINTEXT_DENY);
	assert_true(s->deny_strangers);
	assert_int_equal(s->log_rate, 5);
	assert_int_equal(s->log_unit, POLICY_MINUTE);
	assert_int_equal(s->log_burst, 7);
	assert_int_equal(s->log_group, 3);
	assert_string_equal(s->metrics, "unix:/run/metrics.sock");
	assert_int_equal(s->defaults_where.line, 5);
	assert_ptr_equal(s->defaults_where.file, s->file);
}

static void test_preset(void **state)
{
	CLEANUP_SETTINGS struct settings *s = parse_settings("preset: strict\n");

	(void)state;
	assert_int_equal(s->mode, POLICY_ENFORCE);
	assert_int_equal(s->containers, DEFAULT_DENY);
	assert_int_equal(s->unknown, DEFAULT_DENY);
	assert_int_equal(s->publish, DEFAULT_DENY);
	assert_int_equal(s->containers_to_host, DEFAULT_DENY);
	assert_int_equal(s->host_to_containers, DEFAULT_DENY);
	assert_int_equal(s->refuse_containers, REFUSE_REJECT);
	assert_true(s->antispoof);
	assert_int_equal(s->plaintext, PLAINTEXT_DENY_ENCRYPTED);
	assert_true(s->deny_strangers);
	assert_int_equal(s->defaults_where.line, 1);
}

static void test_a_setting_beside_the_preset_wins(void **state)
{
	CLEANUP_SETTINGS struct settings *s = parse_settings(
		"defaults: {publish: local, mode: audit, host_to_containers: allow}\n"
		"overlay: {strangers: alert}\n"
		"preset: strict\n");

	(void)state;
	assert_int_equal(s->publish, DEFAULT_LOCAL);
	assert_int_equal(s->mode, POLICY_AUDIT);
	assert_int_equal(s->host_to_containers, DEFAULT_ALLOW);
	assert_int_equal(s->containers, DEFAULT_DENY);
	assert_false(s->deny_strangers);
	assert_int_equal(s->plaintext, PLAINTEXT_DENY_ENCRYPTED);
}

static void test_no_log(void **state)
{
	CLEANUP_SETTINGS struct settings *s = parse_settings("log: {rate: 0}\n");

	(void)state;
	assert_int_equal(s->log_rate, 0);
}

/* Every warning of this version is in tests/errors/settings.txt; here: that none comes unasked. */
static void test_no_warning_unasked(void **state)
{
	static const char text[] =
		"overlay: {plaintext: alert, strangers: alert}\nantispoof: false\n"
		"preset: strict\n";
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_SETTINGS struct settings *s = settings_parse("s", text, sizeof(text) - 1, &p);

	(void)state;
	assert_non_null(s);
	assert_int_equal(p.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_preset),
		cmocka_unit_test(test_a_setting_beside_the_preset_wins),
		cmocka_unit_test(test_no_log),
		cmocka_unit_test(test_no_warning_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
