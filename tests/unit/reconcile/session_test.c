#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "little.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"

/* web publishes 8080 (its port 80) to 203.0.113.0/24 alone; db is reached by nobody; lone is in no policy. */
static const char shop[] = "policy: shop\n"
			   "for: [{name: web}, {name: db}]\n"
			   "isolate: [ingress]\n"
			   "publish:\n"
			   "  - {to: {name: web}, port: 8080, from: 203.0.113.0/24}\n"
			   "---\n"
			   "policy: quiet\n"
			   "for: {name: lone}\n"
			   "deny:\n"
			   "  - {from: {name: lone}, to: host, ports: [22]}\n";

static struct world w;

static int setup(void **state)
{
	(void)state;
	little_world(&w, shop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_drop(&w, NULL);
	return 0;
}

/* Judged by SSH_CONNECTION alone; "" where it survives. */
static void assert_warning(const char *connection, const char *want)
{
	struct reconcile_session own;
	CLEANUP_JSON json_t *warnings = NULL;

	assert_true(reconcile_session_parse(connection, &own));
	warnings = reconcile_session_warnings(w.compiled, w.model, NULL, &own);
	assert_int_equal(json_array_size(warnings), *want ? 1 : 0);
	if (*want)
		assert_string_equal(json_string_value(json_array_get(warnings, 0)), want);
}

static void test_the_hosts_own_server(void **state)
{
	(void)state;
	assert_warning("198.51.100.9 40000 192.0.2.1 22", "");
	assert_warning("198.51.100.9 40000 172.18.0.1 22", "");
}

static void test_a_container_by_its_published_port(void **state)
{
	(void)state;
	assert_warning("203.0.113.9 40000 172.18.0.3 80", "");
	assert_warning(
		"198.51.100.9 40000 172.18.0.3 80",
		"your SSH session from 198.51.100.9:40000 to web, 80/tcp by the host's port "
		"8080, does not survive these policies: shop restricts published ports and no "
		"publish rule names it (p.yaml:1)");
	/* The same, as the client sees it. */
	assert_warning("203.0.113.9 40000 192.0.2.1 8080", "");
	assert_warning(
		"198.51.100.9 40000 192.0.2.1 8080",
		"your SSH session from 198.51.100.9:40000 to web, 80/tcp by the host's port "
		"8080, does not survive these policies: shop restricts published ports and no "
		"publish rule names it (p.yaml:1)");
}

static void test_a_container_straight(void **state)
{
	(void)state;
	assert_warning("198.51.100.9 40000 172.18.0.2 22",
		       "your SSH session from 198.51.100.9:40000 to db, 22/tcp, does not survive "
		       "these policies: shop isolates ingress and no rule allows it (p.yaml:1)");
	/* From the host itself: rule 6. */
	assert_warning("172.18.0.1 40000 172.18.0.2 22", "");
}

static void test_the_host_by_a_container(void **state)
{
	(void)state;
	assert_warning(
		"172.19.0.2 40000 172.19.0.1 22",
		"your SSH session from lone:40000 to the host, 22/tcp, does not survive these "
		"policies: quiet denies it (p.yaml:10)");
}

static void test_nothing_known(void **state)
{
	CLEANUP_JSON json_t *warnings = reconcile_session_warnings(w.compiled, w.model, NULL, NULL);

	(void)state;
	assert_true(json_is_array(warnings));
	assert_int_equal(json_array_size(warnings), 0);
}

static void test_what_is_no_connection(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"198.51.100.9",
		"198.51.100.9 40000 192.0.2.1",
		"198.51.100.9 0 192.0.2.1 22",
		"198.51.100.9 65536 192.0.2.1 22",
		"198.51.100.9 40000 192.0.2.1 22 23",
		"host 40000 192.0.2.1 22",
		"198.51.100.9 4x 192.0.2.1 22",
		"198.51.100.9 40000 192.0.2.1 999999999999999999999999"};
	struct reconcile_session s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(reconcile_session_parse(wrong[i], &s));
	assert_false(reconcile_session_parse(NULL, &s));
	assert_true(reconcile_session_parse("fe80::1%eth0 40000 fe80::2%eth0 22", &s));
	assert_int_equal(s.client.family, AF_INET6);
	assert_int_equal(s.client_port, 40000);
	assert_int_equal(s.server_port, 22);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_hosts_own_server), TEST(test_a_container_by_its_published_port),
		TEST(test_a_container_straight), TEST(test_the_host_by_a_container),
		TEST(test_nothing_known),	 TEST(test_what_is_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
