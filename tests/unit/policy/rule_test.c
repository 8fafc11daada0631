#include "parse.h"

static void test_fields(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\nallow:\n"
		      "  - {from: any, to: host, ports: [9100], name: scrape, log: true,\n"
		      "     limit: {connections: 3}}\n"
		      "  - {from: any, to: host, log: false}\n");
	const struct policy_rule *rules = only_document(set)->rules;

	(void)state;
	assert_int_equal(rules[0].action, POLICY_ALLOW);
	assert_string_equal(rules[0].name, "scrape");
	assert_true(rules[0].log);
	assert_true(rules[0].limit.set);
	assert_int_equal(rules[0].where.line, 4);
	assert_int_equal(rules[0].where.column, 5);
	assert_null(rules[1].name);
	assert_false(rules[1].log);
	assert_false(rules[1].limit.set);
}

static void test_order_of_lines(void **state)
{
	static const enum policy_action actions[] = {POLICY_PUBLISH, POLICY_DENY, POLICY_DENY,
						     POLICY_ALLOW};
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\n"
		      "publish: [{to: {}, port: 80, from: any}]\n"
		      "deny: [{from: any, to: host}, {from: host, to: any}]\n"
		      "allow:\n  - {from: any, to: any}\n");
	const struct policy_document *doc = only_document(set);

	(void)state;
	assert_int_equal(doc->nrules, ARRAY_SIZE(actions));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		assert_int_equal(doc->rules[i].action, actions[i]);
	assert_int_equal(doc->rules[1].to[0].kind, PEER_HOST);
	assert_int_equal(doc->rules[2].to[0].kind, PEER_ANY);
}

static void test_a_mistake_hides_no_other(void **state)
{
	(void)state;
	assert_problems(
		"policy: x\nfor: all\nallow:\n"
		"  - {from: nobody, to: 10.0.0.1/8, ports: [0], log: 1, name: \"\"}\n"
		"  - x\n"
		"  - {from: any}\n",
		"p.yaml:4:12: error: unknown group \"nobody\" (expected a name under \"groups\")\n"
		"p.yaml:4:24: error: 10.0.0.1/8 has host bits set (expected 10.0.0.0/8)\n"
		"p.yaml:4:44: error: port 0 (expected a number from 1 to 65535)\n"
		"p.yaml:4:53: error: \"log\" is \"1\" (expected true or false)\n"
		"p.yaml:4:62: error: \"name\" has no value (expected a text)\n"
		"p.yaml:5:5: error: \"allow\" is a text (expected {from: …, to: …})\n"
		"p.yaml:6:5: error: no \"to\" (expected whom it reaches)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_order_of_lines),
		cmocka_unit_test(test_a_mistake_hides_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
