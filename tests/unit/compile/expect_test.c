#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

#define SHOP                                                                           \
	"policy: shop\n"                                                               \
	"for: {project: shop}\n"                                                       \
	"allow:\n"                                                                     \
	"  - {from: {service: web}, to: {service: db}, ports: [5432]}\n"               \
	"  - {from: {service: web}, to: {service: worker}, ports: [udp, 7000-7100]}\n" \
	"publish:\n"                                                                   \
	"  - {to: {service: web}, port: 443, from: [192.0.2.0/24, 2001:db8::/32]}\n"   \
	"expect:\n"

/* Runs one expectation over case_shop; "" where it holds, else the problem. */
static void check_with(const char *settings, const char *yaml, const char *want)
{
	struct test_case t;
	size_t held;

	case_load(&t, settings, yaml, case_shop);
	held = compile_run_expects(t.compiled, &t.problems);
	assert_string_equal(case_problems(&t), want);
	assert_int_equal(held, *want ? 0 : 1);
	case_done(&t);
}

static void check(const char *expect, const char *want)
{
	CLEANUP_FREE char *yaml = mem_printf("%s  - %s\n", SHOP, expect);

	check_with(NULL, yaml, want);
}

static void test_allow_holds(void **state)
{
	(void)state;
	check("{from: {service: web}, to: {service: db}, port: 5432, verdict: allow}", "");
	check("{from: {service: worker}, to: {service: db}, port: 5432, verdict: deny}", "");
}

static void test_failure_names_the_pair(void **state)
{
	(void)state;
	check("{from: {service: worker}, to: {service: db}, port: 5432, verdict: allow}",
	      "p.yaml:9:5: error: expected allow, but shop/worker (k1) 172.19.0.5 -> "
	      "shop/db (db-1) 172.19.0.4 5432/tcp is refused: "
	      "shop isolates egress and no rule allows it (p.yaml:1)\n");
	check("{from: {service: web}, to: {service: db}, port: 5432, verdict: deny}",
	      "p.yaml:9:5: error: expected deny, but shop/web (w1) 172.19.0.2 -> "
	      "shop/db (db-1) 172.19.0.4 5432/tcp is allowed: shop allows it (p.yaml:4); "
	      "shop allows it (p.yaml:4) (and 1 of 1 other pairs)\n");
}

/* web and db share one of web's two networks: only there they are a pair. */
static void test_common_network_only(void **state)
{
	(void)state;
	check_with(NULL,
		   "policy: net\nfor: {service: web, network: shop_front}\n"
		   "expect:\n  - {from: {service: db}, to: {service: web, project: shop}, port: 1, "
		   "verdict: allow}\n",
		   "");
	check_with(
		NULL,
		"policy: net\nfor: {service: web, network: shop_front}\n"
		"expect:\n  - {from: {name: grafana}, to: {name: w1}, port: 1, verdict: allow}\n",
		"p.yaml:4:5: error: expected allow, but grafana 172.17.0.2 -> shop/web (w1) "
		"172.18.0.2 1/tcp is refused: net isolates ingress and no rule allows it "
		"(p.yaml:1)\n");
}

static void test_no_pair(void **state)
{
	(void)state;
	check("{from: {service: typo}, to: {service: db}, port: 1, verdict: deny}",
	      "p.yaml:9:5: error: the expectation has no pair to judge: {service: typo} "
	      "selects no container\n");
	check("{from: {service: db}, to: {service: db}, port: 1, verdict: deny}",
	      "p.yaml:9:5: error: the expectation has no pair to judge: its ends are one container, "
	      "or have no address of one family\n");
	check("{from: 192.0.2.1, publish: 444, verdict: deny}",
	      "p.yaml:9:5: error: the expectation has no pair to judge: no container that shop "
	      "governs publishes 444/tcp\n");
	check("{from: 2001:db8::1, to: {service: db}, port: 5432, verdict: deny}",
	      "p.yaml:9:5: error: the expectation has no pair to judge: its ends are one container, "
	      "or have no address of one family\n");
}

/* None with itself, but with the other one. */
static void test_none_with_itself(void **state)
{
	(void)state;
	check("{from: {service: web}, to: {service: web}, port: 80, verdict: deny}", "");
}

static void test_ports(void **state)
{
	(void)state;
	check("{from: {service: web}, to: {service: worker}, port: 7000-7100, verdict: allow}", "");
	check("{from: {service: web}, to: {service: worker}, port: udp, verdict: allow}", "");
	check("{from: {service: web}, to: {service: worker}, port: 6990-7100, verdict: deny}",
	      "p.yaml:9:5: error: expected deny, but shop/web (w1) 172.19.0.2 -> shop/worker (k1) "
	      "172.19.0.5 7000-7100/tcp is allowed: shop allows it (p.yaml:5); "
	      "shop allows it (p.yaml:5) (and 1 of 1 other pairs)\n");
	check("{from: {service: web}, to: {service: worker}, port: 7000-7200, verdict: allow}",
	      "p.yaml:9:5: error: expected allow, but shop/web (w1) 172.19.0.2 -> shop/worker (k1) "
	      "172.19.0.5 7101-7200/tcp is refused: shop isolates egress and no rule allows it "
	      "(p.yaml:1) (and 1 of 1 other pairs)\n");
}

/* `port` left out: a deny must hold for every protocol and port, too. */
static void test_every_port(void **state)
{
	(void)state;
	check("{from: {service: worker}, to: {service: db}, verdict: deny}", "");
	check("{from: {service: web}, to: {service: db}, verdict: deny}",
	      "p.yaml:9:5: error: expected deny, but shop/web (w1) 172.19.0.2 -> shop/db (db-1) "
	      "172.19.0.4 5432/tcp is allowed: shop allows it (p.yaml:4); shop allows it "
	      "(p.yaml:4) (and 1 of 1 other pairs)\n");
	check_with(NULL,
		   "policy: a\nfor: {service: db}\nisolate: [ingress]\n"
		   "allow: [{from: any, to: {}, ports: [tcp, udp, sctp, icmp]}]\n"
		   "expect:\n  - {from: {name: k1}, to: {name: db-1}, verdict: allow}\n",
		   "p.yaml:6:5: error: expected allow, but shop/worker (k1) 172.19.0.5 -> shop/db "
		   "(db-1) 172.19.0.4 other protocols is refused: a isolates ingress and no rule "
		   "allows it (p.yaml:1)\n");
}

static void test_addresses(void **state)
{
	(void)state;
	/* The holder of an address. */
	check("{from: 172.19.0.2, to: {service: db}, port: 5432, verdict: allow}", "");
	check("{from: 172.19.0.99, to: {service: db}, port: 5432, verdict: allow}",
	      "p.yaml:9:5: error: expected allow, but unknown 172.19.0.99 -> shop/db (db-1) "
	      "172.19.0.4 5432/tcp is refused: no known endpoint of the network holds the address "
	      "(defaults.unknown)\n");
	check("{from: host, to: {service: db}, port: 5432, verdict: allow}", "");
	check("{from: {service: db}, to: 203.0.113.9, port: 443, verdict: deny}", "");
}

/* The host is all its addresses. */
static void test_host(void **state)
{
	static const char yaml[] = "policy: a\nfor: {name: k1}\nisolate: [egress]\n"
				   "allow: [{from: {}, to: %s, ports: [22]}]\nexpect:\n"
				   "  - {from: {name: k1}, to: host, port: 22, verdict: allow}\n";
	CLEANUP_FREE char *all = mem_printf(yaml, "0.0.0.0/0");
	CLEANUP_FREE char *one = mem_printf(yaml, "172.19.0.1");

	(void)state;
	check_with(NULL, all, "");
	check_with(NULL, one,
		   "p.yaml:6:5: error: expected allow, but shop/worker (k1) 172.19.0.5 -> the host "
		   "172.18.0.1 22/tcp is refused: a isolates egress and no rule allows it "
		   "(p.yaml:1)\n");
}

static void test_publish(void **state)
{
	(void)state;
	check("{from: 192.0.2.1, publish: 443, verdict: allow}", "");
	check("{from: 203.0.113.1, publish: 443, verdict: deny}", "");
	check("{from: 2001:db8::1, publish: 443, verdict: allow}", "");
	check("{from: 203.0.113.1, publish: 443, verdict: allow}",
	      "p.yaml:9:5: error: expected allow, but 203.0.113.1 -> shop/web (w1) 172.19.0.2 "
	      "published 443/tcp is refused: shop restricts published ports and no publish rule "
	      "names it (p.yaml:1)\n");
}

/* What is not published, or not to the outside, is refused whatever the rules say. */
static void test_unpublished(void **state)
{
	(void)state;
	check("{from: 192.0.2.1, to: {service: db}, publish: 443, verdict: deny}", "");
	check("{from: 192.0.2.1, to: {service: db}, publish: 443, verdict: allow}",
	      "p.yaml:9:5: error: expected allow, but 192.0.2.1 -> shop/db (db-1) 172.19.0.4 "
	      "published 443/tcp does not exist: nothing is published there\n");
	/* On 127.0.0.1 only. */
	check_with(NULL,
		   "policy: a\nfor: {name: w1}\npublish: [{to: {}, port: 9000, from: any}]\n"
		   "expect:\n  - {from: 192.0.2.1, publish: 9000, verdict: deny}\n",
		   "");
}

static void test_audit(void **state)
{
	static const char yaml[] = "policy: a\nfor: {service: db}\n%s"
				   "expect:\n  - {from: {name: k1}, to: {name: db-1}, port: 1, "
				   "verdict: %s}\n";
	CLEANUP_FREE char *deny = mem_printf(yaml, "mode: audit\n", "deny");
	CLEANUP_FREE char *allow = mem_printf(yaml, "mode: audit\n", "allow");

	(void)state;
	check_with(NULL, deny, "");
	check_with(NULL, allow,
		   "p.yaml:5:5: error: expected allow, but shop/worker (k1) 172.19.0.5 -> shop/db "
		   "(db-1) 172.19.0.4 1/tcp passes only because of audit mode: a isolates ingress "
		   "and no rule allows it (p.yaml:1)\n");
}

/* Of a template, the instances together must give a pair; none with a project of another one. */
static void test_template(void **state)
{
	(void)state;
	check_with(NULL,
		   "policy: t\nfor: {project: \"*\"}\nallow: [{from: {}, to: {}}]\n"
		   "expect:\n  - {from: {service: worker}, to: {service: db}, verdict: allow}\n",
		   "");
	check_with(NULL,
		   "policy: t\nfor: {project: \"x-*\"}\n"
		   "expect:\n  - {from: {service: worker}, to: {service: db}, verdict: allow}\n",
		   "p.yaml:4:5: error: the expectation has no pair to judge: no project matches "
		   "'x-*'\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow_holds),
		cmocka_unit_test(test_failure_names_the_pair),
		cmocka_unit_test(test_common_network_only),
		cmocka_unit_test(test_no_pair),
		cmocka_unit_test(test_none_with_itself),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_every_port),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_unpublished),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_template),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
