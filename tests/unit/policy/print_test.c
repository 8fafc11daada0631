#include "parse.h"

static void assert_canonical(const char *text, const char *expected)
{
	CLEANUP_FREE char *printed = canonical(text);

	assert_string_equal(printed, expected);
}

static void test_least(void **state)
{
	(void)state;
	assert_canonical("policy: x\nfor: all\n",
			 "policy: x\nfor: all\nisolate: [ingress, egress]\n");
	assert_canonical("", "");
	assert_canonical("policy: a\nfor: {}\nisolate: []\n---\npolicy: b\nfor: [{name: '*'}]\n"
			 "isolate: [egress]\nmode: audit\n",
			 "policy: a\nfor: {}\nisolate: []\n---\n"
			 "policy: b\nfor: [{name: \"*\"}]\nisolate: [egress]\nmode: audit\n");
}

static void test_rules(void **state)
{
	(void)state;
	assert_canonical(
		"policy: x\nfor: all\nmode: enforce\naddresses: 10.8.0.0/24\n"
		"publish:\n"
		"  - {from: world, to: {}, port: 8443/tcp, limit: {new: 50/second, per: source}}\n"
		"  - {from: [{interface: 'wg*'}, 10.0.0.1], to: [{}, {}], port: 1-9/tcp+udp,\n"
		"     limit: {connections: 2}, log: true}\n"
		"deny:\n  - {from: any, to: [world, host], ports: icmp, name: 'a b'}\n"
		"allow:\n  - {from: containers, to: {cidr: '::/0', except: ['fe80::/10']}, ports: [tcp, 53/udp]}\n",
		"policy: x\nfor: all\nisolate: [ingress, egress]\nmode: enforce\n"
		"addresses: [10.8.0.0/24]\n"
		"allow:\n  - {from: containers, to: {cidr: \"::/0\", except: [\"fe80::/10\"]}, "
		"ports: [tcp, 53/udp]}\n"
		"deny:\n  - {from: any, to: [world, host], ports: [icmp], name: \"a b\"}\n"
		"publish:\n"
		"  - {from: world, to: {}, port: [8443/tcp], "
		"limit: {new: 50/second, burst: 5, per: source}}\n"
		"  - {from: [{interface: \"wg*\"}, 10.0.0.1], to: [{}, {}], "
		"port: [1-9/tcp, 1-9/udp], log: true, limit: {connections: 2}}\n");
}

static void test_expects(void **state)
{
	(void)state;
	assert_canonical(
		"policy: x\nfor: {project: shop}\nexpect:\n"
		"  - {from: {service: a}, to: host, verdict: allow}\n"
		"  - {from: 192.0.2.1, interface: wg0, publish: 80, verdict: deny}\n"
		"  - {from: 10.0.0.0/8, to: {}, publish: 80-90/udp, verdict: deny}\n"
		"  - {from: host, to: [{name: a}], port: udp, verdict: deny}\n",
		"policy: x\nfor: {project: shop}\nisolate: [ingress, egress]\nexpect:\n"
		"  - {from: {project: shop, service: a}, to: host, verdict: allow}\n"
		"  - {from: {cidr: 192.0.2.1, interface: wg0}, publish: [80/tcp], verdict: deny}\n"
		"  - {from: 10.0.0.0/8, to: {project: shop}, publish: [80-90/udp], verdict: deny}\n"
		"  - {from: host, to: [{project: shop, name: a}], port: [udp], verdict: deny}\n");
}

static void test_template_keeps_its_groups(void **state)
{
	(void)state;
	assert_canonical(
		"policy: x\nfor: {project: '*'}\ngroups: {web: {service: web}, 'a b': web}\n"
		"allow: [{from: web, to: 'a b'}]\n",
		"policy: x\nfor: {project: \"*\"} # a template: holds once for each such "
		"project, as the scope of what follows\n"
		"isolate: [ingress, egress]\ngroups:\n  web: {service: web}\n"
		"  \"a b\": web\nallow:\n  - {from: web, to: \"a b\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_expects),
		cmocka_unit_test(test_template_keeps_its_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
