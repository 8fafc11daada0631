#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#include "../../../controller/docker/http.h"

static void test_escape(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	http_escape("sha256:aA9-_.", &out);
	http_escape("/../?a=b&c#\" \xc3\xa9%", &out);
	assert_string_equal(buf_text(&out), "sha256:aA9-_.%2F..%2F%3Fa%3Db%26c%23%22%20%C3%A9%25");
}

static void fails(struct docker_options o, const char *want)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct http *h = NULL;

	assert_int_equal(http_new(&o, &h, &err), -EINVAL);
	assert_string_equal(error_text(&err), want);
	assert_null(h);
}

static void test_wrong_options(void **state)
{
	static const char *const urls[] = {
		"",
		"/var/run/docker.sock",
		"unix://",
		"unix:///",
		"unix://docker.sock",
		"http://host:2375",
		"https://host:2376",
		"ssh://host",
		"tcp://",
		"tcp://host",
		"tcp://:2376",
		"tcp://host:",
		"tcp://host:port",
		"tcp://user@host:1",
		"tcp://host:2376/path",
		"tcp://host:123456",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		CLEANUP_FREE char *want =
			mem_printf("\"%s\" is no engine's address (expected unix:///PATH or "
				   "tcp://HOST:PORT)",
				   urls[i]);

		fails((struct docker_options) {.url = urls[i]}, want);
	}
	fails((struct docker_options) {.url = "tcp://h:1", .tls_ca = "ca.pem"},
	      "tcp://h:1: TLS needs all of ca, cert and key");
	fails((struct docker_options) {.url = "unix:///x", .tls_cert = "cert.pem"},
	      "unix:///x: TLS needs a tcp:// address");
}

static void test_good_options(void **state)
{
	static const struct docker_options good[] = {
		{.url = "unix:///var/run/docker.sock"},
		{.url = "tcp://127.0.0.1:2375"},
		{.url = "tcp://[::1]:2376", .tls_ca = "a", .tls_cert = "b", .tls_key = "c"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CLEANUP_HTTP struct http *h = NULL;

		assert_int_equal(http_new(&good[i], &h, NULL), 0);
	}
	http_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_good_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
