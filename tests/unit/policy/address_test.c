#include "parse.h"

/* Whether `docker: URL` is admitted and kept as it is. */
static bool takes_url(const char *url)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *text = mem_printf("docker: \"%s\"\n", url);
	CLEANUP_SETTINGS struct settings *s = settings_parse("s.yaml", text, strlen(text), &p);

	assert_int_equal(policy_problems_errors(&p), s ? 0 : 1);
	return s && strcmp(s->docker, url) == 0;
}

static void test_urls(void **state)
{
	static const char *const good[] = {"unix:///run/docker.sock", "unix:///a b",
					   "tcp://127.0.0.1:2375",    "tcp://engine.example:2376",
					   "tcp://[::1]:2376",	      "tcp://a_b-c:1"};
	static const char *const bad[] = {"unix://run/docker.sock",
					  "/run/docker.sock",
					  "tcp://",
					  "tcp://:2375",
					  "tcp://a:",
					  "tcp://a:65536",
					  "tcp://[::1:2376",
					  "tcp://[a]:2376",
					  "tcp://a b:1",
					  "tcp://a/b:1",
					  "http://a:1",
					  "TCP://a:1",
					  "tcp://[]:1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(takes_url(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(takes_url(bad[i]));
}

static void test_tls_inside(void **state)
{
	static const char text[] = "docker: {url: 'tcp://a:1', tls: {ca: a, cert: b, key: /c}}\n";
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_SETTINGS struct settings *s =
		settings_parse("conf/q.yaml", text, sizeof(text) - 1, &p);

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->docker, "tcp://a:1");
	assert_string_equal(s->tls_ca, "conf/a");
	assert_string_equal(s->tls_cert, "conf/b");
	assert_string_equal(s->tls_key, "/c");
}

static void test_relative_to_a_bare_name(void **state)
{
	static const char text[] = "policies: p\n";
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_SETTINGS struct settings *s = settings_parse("q.yaml", text, sizeof(text) - 1, &p);

	(void)state;
	assert_string_equal(s->policies, "p");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_tls_inside),
		cmocka_unit_test(test_relative_to_a_bare_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
