/*
 * The policy that is written, as text: the files .want beside this one, which QUAYWALL_UPDATE=1 writes anew.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/learn.h"
#include "quaywall/mem.h"
#include "shop.h"

#define MORNING 1700000000

/* ---- flows ---- */

static struct flow_end address(const char *text)
{
	struct flow_end end = {.kind = END_OUTSIDE};

	assert_int_equal(addr_parse(text, &end.addr), 0);
	return end;
}

static void add(struct learn_table *table, struct flow_end from, struct flow_end to,
		uint8_t protocol, uint16_t port, enum flow_verdict verdict)
{
	struct flow f = {.from = from, .to = to, .protocol = protocol, .port = port};

	assert_true(learn_table_add(table, t.compiled, &f, verdict,
				    MORNING + (time_t)learn_table_len(table), NULL));
}

static void add_tcp(struct learn_table *table, struct flow_end from, struct flow_end to,
		    uint16_t port)
{
	add(table, from, to, IPPROTO_TCP, port, FLOW_AUDIT);
}

static void add_published(struct learn_table *table, const char *from, uint16_t port)
{
	struct flow f = {
		.from = address(from),
		.to = endpoint(W1_FRONT),
		.protocol = IPPROTO_TCP,
		.port = 8443,
		.published = true,
		.published_port = port,
	};

	assert_true(learn_table_add(table, t.compiled, &f, FLOW_ALLOW, MORNING, NULL));
}

/* ---- texts ---- */

static char *write_policy(const struct learn_table *table, const struct learn_wish *wish)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (learn_policy_write(table, t.settings, t.model, wish, &out, &err) < 0)
		fail_msg("%s", error_text(&err));
	return buf_steal(&out);
}

static char *path_of(const char *name)
{
	return mem_printf("%s/tests/unit/learn/%s.want", getenv("QUAYWALL_SOURCE"), name);
}

static void update(const char *name, const char *text)
{
	CLEANUP_FREE char *path = path_of(name);
	CLEANUP_FILE FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
}

static void assert_written(const char *name, const struct learn_table *table,
			   const struct learn_wish *wish)
{
	CLEANUP_FREE char *text = write_policy(table, wish), *path = path_of(name);
	CLEANUP_FREE char *want = mem_new(65536, 1);

	if (getenv("QUAYWALL_UPDATE"))
		update(name, text);
	CLEANUP_FILE FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(want, 1, 65535, file) > 0);
	assert_string_equal(text, want);
}

/* ---- tests ---- */

static void test_an_application(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(1000);
	struct flow_end host = {.kind = END_HOST};
	struct learn_wish wish = {.project = NULL};

	(void)state;
	add_tcp(table, endpoint(W1_BACK), endpoint(DB), 5432);
	add_tcp(table, endpoint(W2_BACK), endpoint(DB), 5432);
	add_tcp(table, endpoint(W1_BACK), endpoint(DB), 5433);
	add(table, endpoint(WORKER), endpoint(DB), IPPROTO_ICMP, 0, FLOW_ALLOW);
	add(table, endpoint(WORKER), address("192.0.2.53"), IPPROTO_UDP, 53, FLOW_AUDIT);
	add_tcp(table, endpoint(WORKER), address("192.0.2.53"), 53);
	add_tcp(table, endpoint(W1_FRONT), host, 9100);
	add_tcp(table, host, endpoint(W1_FRONT), 8443);
	/* Another project, and a container without one. */
	add_tcp(table, endpoint(BLOG_WEB), endpoint(DB), 5432);
	add_tcp(table, endpoint(GRAFANA), endpoint(W1_FRONT), 8443);
	add_published(table, "198.51.100.7", 443);
	add_published(table, "10.0.0.7", 443);
	/* What nobody allowed, and what no policy can say. */
	add(table, endpoint(WORKER), endpoint(W1_BACK), IPPROTO_TCP, 22, FLOW_DENY);
	add(table, endpoint(W1_BACK), endpoint(DB), IPPROTO_TCP, 5432, FLOW_DENY);
	add(table, endpoint(WORKER), address("224.0.0.22"), IPPROTO_IGMP, 0, FLOW_ALLOW);
	assert_written("application", table, &wish);
}

static void test_one_project_and_what_was_refused(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(1000);
	const char *const names[] = {"shop", "blog"};
	struct learn_wish wish = {
		.project = "shop", .refused = true, .names = names, .nnames = ARRAY_SIZE(names)};

	(void)state;
	add(table, endpoint(WORKER), endpoint(W1_BACK), IPPROTO_TCP, 22, FLOW_DENY);
	add_tcp(table, endpoint(BLOG_WEB), endpoint(DB), 5432);
	add_tcp(table, endpoint(BLOG_WEB), endpoint(GRAFANA), 3000);
	assert_written("project", table, &wish);
}

static void test_many_addresses(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(10000);
	struct learn_wish wish = {.project = NULL};
	char text[32];

	(void)state;
	for (int i = 0; i < 12; i++) {
		/* Public ones: anywhere. */
		snprintf(text, sizeof(text), "198.51.100.%d", i);
		add_tcp(table, endpoint(WORKER), address(text), 443);
		/* Neighbours, and beside a network of containers (172.18.0.0/16, 172.19.0.0/16). */
		snprintf(text, sizeof(text), "10.1.2.%d", 16 + i);
		add_tcp(table, endpoint(WORKER), address(text), 25);
		snprintf(text, sizeof(text), "172.%d.0.9", i % 2 ? 16 : 21);
		add_tcp(table, endpoint(WORKER), address(text), (uint16_t)(1000 + i));
		snprintf(text, sizeof(text), "fd00:99::%d", i);
		add_tcp(table, endpoint(W1_FRONT), address(text), 80);
	}
	/* More than are kept, of a private block that holds containers' networks. */
	for (int i = 0; i < LEARN_ADDRS_MAX + 20; i++) {
		snprintf(text, sizeof(text), "172.28.7.%d", i);
		add_tcp(table, endpoint(DB), address(text), 123);
		add_published(table, text, 9000);
	}
	/* More than are kept, and nobody knows which: anywhere. */
	for (int i = 0; i < LEARN_ADDRS_MAX; i++) {
		snprintf(text, sizeof(text), "10.9.9.%d", i);
		add_tcp(table, endpoint(BLOG_WEB), address(text), 443);
	}
	add_tcp(table, endpoint(BLOG_WEB), address("198.51.100.7"), 443);
	assert_written("addresses", table, &wish);
}

/* A range is of the address that it was seen of, and of no other. */
static void test_many_ports(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(10000);
	struct learn_wish wish = {.project = NULL};

	(void)state;
	for (uint16_t i = 0; i < LEARN_PORTS_MAX + 70; i++) {
		add_tcp(table, endpoint(WORKER), endpoint(DB), (uint16_t)(30000 + i));
		add_tcp(table, endpoint(WORKER), address("198.51.100.7"), (uint16_t)(2000 + i));
	}
	add_tcp(table, endpoint(WORKER), address("198.51.100.8"), 22);
	add_tcp(table, endpoint(WORKER), address("198.51.100.9"), 22);
	assert_written("ports", table, &wish);
}

/* More closed ports than are kept apart, and what is served is seen after them. */
static void test_a_scan(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(10000);
	struct learn_wish wish = {.project = NULL};

	(void)state;
	for (uint16_t i = 0; i < LEARN_PORTS_MAX + 70; i++) {
		struct flow f = {.from = endpoint(WORKER),
				 .to = endpoint(DB),
				 .protocol = IPPROTO_TCP,
				 .port = (uint16_t)(1000 + i)};

		add_tcp(table, f.from, f.to, f.port);
		learn_table_unanswered(table, t.compiled, &f);
	}
	add_tcp(table, endpoint(WORKER), endpoint(DB), 5432);
	add_tcp(table, endpoint(WORKER), endpoint(DB), 1007);
	assert_written("scan", table, &wish);
}

/* clang-format off */
#define REPLICA(n, ports) \
	"{\"id\":\"c" n "\",\"name\":\"web-" n "\",\"labels\":{" \
	"\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"web\"}," \
	"\"ports\":[" ports "]}"
#define PORT(n) \
	"{\"protocol\":\"tcp\",\"container_port\":80,\"host_port\":" n ",\"host_addr\":\"0.0.0.0\"}"

static const char replicas[] =
	"{\"quaywall_snapshot\":1,\"networks\":["
	"{\"id\":\"n1\",\"name\":\"front\",\"driver\":\"bridge\",\"bridge\":\"br-1\","
	 "\"subnets\":[\"172.18.0.0/16\"],\"gateways\":[\"172.18.0.1\"]}],"
	"\"containers\":["
	REPLICA("1", PORT("8080") "," PORT("8081")) ","
	REPLICA("2", PORT("8082"))
	"],\"endpoints\":["
	"{\"id\":\"e1\",\"network\":\"n1\",\"container\":\"c1\",\"addr4\":\"172.18.0.2\"},"
	"{\"id\":\"e2\",\"network\":\"n1\",\"container\":\"c2\",\"addr4\":\"172.18.0.3\"}]}";
/* clang-format on */

/* No container publishes all of what its service does. */
static void test_replicas_that_publish_different_ports(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(100);
	struct learn_wish wish = {.project = NULL};
	struct test_case shop = t;

	(void)state;
	case_load(&t, NULL, "policy: shop\nfor: {project: shop}\n", replicas);
	for (uint16_t i = 0; i < 3; i++) {
		struct flow f = {.from = address("198.51.100.7"),
				 .to = endpoint(i / 2),
				 .protocol = IPPROTO_TCP,
				 .port = 80,
				 .published = true,
				 .published_port = (uint16_t)(8080 + i)};

		assert_true(learn_table_add(table, t.compiled, &f, FLOW_ALLOW, MORNING, NULL));
	}
	assert_written("replicas", table, &wish);
	case_done(&t);
	t = shop;
}

static void test_nothing(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(10);
	struct learn_wish wish = {.project = NULL};
	CLEANUP_FREE char *text = write_policy(table, &wish);

	(void)state;
	assert_string_equal(text, "# Nothing was seen that would need a rule.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_application),
		cmocka_unit_test(test_one_project_and_what_was_refused),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_a_scan),
		cmocka_unit_test(test_replicas_that_publish_different_ports),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
