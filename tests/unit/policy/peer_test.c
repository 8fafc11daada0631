#include "parse.h"

static void test_words(void **state)
{
	(void)state;
	assert_true(peer_is_word("any"));
	assert_true(peer_is_word("containers"));
	assert_true(peer_is_word("world"));
	assert_true(peer_is_word("host"));
	assert_false(peer_is_word("all"));
	assert_false(peer_is_word("Any"));
}

static void test_addresses(void **state)
{
	static const char *const yes[] = {"10.0.0.1", "10.0.0.0/8",	   "::1", "fe80::1",  "10",
					  "1.2",      "10.0.0.1-10.0.0.9", "a/b", "1.2.3.4.5"};
	static const char *const no[] = {"web",		"cafe",	  "db1", "1a",
					 "web-1.2.3.4", "10.0.a", "1-2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(peer_looks_like_address(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(peer_looks_like_address(no[i]));
}

static const struct policy_rule *first_rule(const struct policy_set *set)
{
	return &only_document(set)->rules[0];
}

static void test_kinds(void **state)
{
	static const enum policy_peer_kind kinds[] = {
		PEER_ANY,  PEER_CONTAINERS, PEER_WORLD,	   PEER_HOST,	  PEER_CIDR,	PEER_CIDR,
		PEER_CIDR, PEER_INTERFACE,  PEER_SELECTOR, PEER_SELECTOR, PEER_SELECTOR};
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\ngroups: {web: {service: web}}\nallow:\n"
		      "  - from: [any, containers, world, host, 192.0.2.1, 2001:db8::/32,\n"
		      "           {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]},\n"
		      "           {interface: 'wg*'}, web, {name: a}, [web, {name: b}]]\n"
		      "    to: web\n");
	const struct policy_rule *rule = first_rule(set);

	(void)state;
	assert_int_equal(rule->nfrom, ARRAY_SIZE(kinds));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(rule->from[i].kind, kinds[i]);
	assert_int_equal(rule->from[4].cidr.len, 32);
	assert_int_equal(rule->from[5].cidr.addr.family, AF_INET6);
	assert_int_equal(rule->from[6].nexcept, 2);
	assert_string_equal(rule->from[7].interface, "wg*");
	assert_int_equal(rule->nto, 1);
	assert_int_equal(rule->from[6].where.line, 6);
	assert_int_equal(rule->from[6].where.column, 12);
}

static void test_interfaces_with_wildcards_may_be_longer(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set = parse(
		"policy: x\nfor: all\nallow: [{from: {interface: 'en[ps]3s0f0np[01]v*'}, to: any}]\n");

	(void)state;
	assert_int_equal(first_rule(set)->from[0].kind, PEER_INTERFACE);
}

static void test_publish(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set = parse(
		"policy: x\nfor: all\ngroups: {web: {service: web}}\npublish:\n"
		"  - {to: [web, {service: b}], port: 80,\n"
		"     from: [any, world, 10.0.0.1, {cidr: 10.0.0.0/8}, {interface: eth0}]}\n");
	const struct policy_rule *rule = first_rule(set);

	(void)state;
	assert_int_equal(rule->nfrom, 5);
	assert_int_equal(rule->nto, 2);
}

static void assert_printed(const struct policy_document *doc, const struct policy_peer *peer,
			   const char *expected)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	policy_peer_print(doc, peer, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void test_print(void **state)
{
	static const char *const printed[] = {"any",
					      "host",
					      "10.0.0.0/8 except 10.1.0.0/16, 10.2.0.0/16",
					      "::1",
					      "{interface: eth0}",
					      "{service: web}",
					      "web"};
	CLEANUP_POLICY_SET struct policy_set *set = parse(
		"policy: x\nfor: {project: shop}\ngroups: {web: {service: web}}\nallow:\n"
		"  - from: [any, host, {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]},\n"
		"           '::1', {interface: eth0}, {service: web}, web]\n"
		"    to: any\n");
	const struct policy_rule *rule = first_rule(set);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(printed); i++)
		assert_printed(only_document(set), &rule->from[i], printed[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_interfaces_with_wildcards_may_be_longer),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
