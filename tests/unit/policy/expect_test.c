#include "parse.h"

static struct policy_set *parse_expects(const char *expects)
{
	CLEANUP_FREE char *text = mem_printf(
		"policy: x\nfor: all\ngroups: {web: {service: web}}\nexpect:\n%s", expects);
	return parse(text);
}

static void test_ends(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse_expects("  - {from: web, to: {service: db}, port: 5432, verdict: allow}\n"
			      "  - {from: [web, {name: a}], to: host, verdict: deny}\n"
			      "  - {from: 10.0.0.0/8, to: web, port: udp, verdict: deny}\n"
			      "  - {from: host, to: web, port: 80-90/tcp+udp, verdict: deny}\n");
	const struct policy_expect *e = only_document(set)->expects;

	(void)state;
	assert_int_equal(only_document(set)->nexpects, 4);
	assert_int_equal(e[0].from.peer.kind, PEER_SELECTOR);
	assert_true(e[0].allow);
	assert_int_equal(e[0].ports[0].first, 5432);
	assert_false(e[0].by_published_port);
	assert_int_equal(e[1].from.peer.selector->kind, SELECTOR_ANY);
	assert_int_equal(e[1].to.peer.kind, PEER_HOST);
	assert_int_equal(e[1].nports, 0);
	assert_false(e[1].allow);
	assert_int_equal(e[2].from.peer.kind, PEER_CIDR);
	assert_int_equal(e[2].from.peer.cidr.len, 8);
	assert_int_equal(e[3].nports, 2);
	assert_int_equal(e[3].where.line, 8);
}

static void test_publish(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse_expects("  - {from: 192.0.2.1, publish: 8443, verdict: deny}\n"
			      "  - {from: 192.0.2.1, publish: 53/udp, to: web, verdict: allow}\n");
	const struct policy_expect *e = only_document(set)->expects;

	(void)state;
	assert_true(e[0].by_published_port);
	assert_false(e[0].to.set);
	assert_int_equal(e[0].ports[0].first, 8443);
	assert_true(e[1].by_published_port);
	assert_true(e[1].to.set);
}

static void test_interface(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse_expects("  - {from: 192.0.2.1, interface: wg0, publish: 80, verdict: deny}\n"
			      "  - {from: web, to: 192.0.2.1, interface: eth0, verdict: deny}\n"
			      "  - {from: {cidr: 192.0.2.1, interface: a}, to: {cidr: 192.0.2.2, "
			      "interface: b}, verdict: deny}\n"
			      "  - {from: {cidr: 192.0.2.1, interface: a}, to: 192.0.2.2, "
			      "interface: b, verdict: deny}\n");
	const struct policy_expect *e = only_document(set)->expects;

	(void)state;
	assert_string_equal(e[0].from.interface, "wg0");
	assert_null(e[0].to.interface);
	assert_string_equal(e[1].to.interface, "eth0");
	for (size_t i = 2; i < 4; i++) {
		assert_string_equal(e[i].from.interface, "a");
		assert_string_equal(e[i].to.interface, "b");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
