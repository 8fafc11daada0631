#include "parse.h"

static struct policy_set *parse_with(const char *governs, const char *rest)
{
	CLEANUP_FREE char *text = mem_printf("policy: x\nfor: %s\n%s", governs, rest);
	return parse(text);
}

static void test_defaults(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set = parse("# comment\n\npolicy: x\nfor: all\n");
	const struct policy_document *doc = only_document(set);

	(void)state;
	assert_string_equal(doc->name, "x");
	assert_null(doc->governs);
	assert_null(doc->scope);
	assert_int_equal(doc->isolate, POLICY_INGRESS | POLICY_EGRESS);
	assert_int_equal(doc->mode, POLICY_MODE_DEFAULT);
	assert_int_equal(doc->nrules, 0);
	assert_string_equal(doc->where.file, "p.yaml");
	assert_int_equal(doc->where.line, 3);
}

static void assert_scope(const char *governs, const char *scope, bool is_template)
{
	CLEANUP_POLICY_SET struct policy_set *set = parse_with(governs, "");
	const struct policy_document *doc = only_document(set);

	if (scope)
		assert_string_equal(doc->scope, scope);
	else
		assert_null(doc->scope);
	assert_int_equal(doc->is_template, is_template);
}

static void test_scope(void **state)
{
	(void)state;
	assert_scope("{project: shop}", "shop", false);
	assert_scope("{service: web, project: shop}", "shop", false);
	assert_scope("{project: 'shop-*'}", "shop-*", true);
	assert_scope("{project: 'shop-[12]'}", "shop-[12]", true);
	assert_scope("{project: 'a\\*b'}", "a*b", false);
	assert_scope("{}", NULL, false);
	assert_scope("[{project: shop}]", NULL, false);
	assert_scope("{any: [{project: shop}]}", NULL, false);
	assert_scope("{not: {project: shop}}", NULL, false);
}

static void assert_isolate(const char *isolate, unsigned expected)
{
	CLEANUP_FREE char *line = mem_printf("isolate: %s\n", isolate);
	CLEANUP_POLICY_SET struct policy_set *set = parse_with("all", line);

	assert_int_equal(only_document(set)->isolate, expected);
}

static void test_isolate(void **state)
{
	(void)state;
	assert_isolate("[]", 0);
	assert_isolate("[ingress]", POLICY_INGRESS);
	assert_isolate("egress", POLICY_EGRESS);
	assert_isolate("[egress, ingress]", POLICY_INGRESS | POLICY_EGRESS);
}

static void test_mode(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *audit = parse_with("all", "mode: audit\n");
	CLEANUP_POLICY_SET struct policy_set *enforce = parse_with("all", "mode: enforce\n");

	(void)state;
	assert_int_equal(only_document(audit)->mode, POLICY_AUDIT);
	assert_int_equal(only_document(enforce)->mode, POLICY_ENFORCE);
}

static void test_addresses(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse_with("{name: vpn}", "addresses: [10.8.0.0/24,\n  192.0.2.7, fd00::/64]\n");
	const struct policy_document *doc = only_document(set);

	(void)state;
	assert_int_equal(doc->naddresses, 3);
	assert_int_equal(doc->addresses[0].len, 24);
	assert_int_equal(doc->addresses_where[1].line, 4);
	assert_int_equal(doc->addresses[2].addr.family, AF_INET6);
}

static void test_names(void **state)
{
	CLEANUP_FREE char *longest = mem_printf("policy: %063d\nfor: all\n", 1);
	CLEANUP_POLICY_SET struct policy_set *set = parse(longest);

	(void)state;
	assert_int_equal(strlen(only_document(set)->name), 63);
	CLEANUP_POLICY_SET struct policy_set *other = parse("policy: 9a._-z\nfor: all\n");
	assert_string_equal(only_document(other)->name, "9a._-z");
}

static void test_extensions_are_left_alone(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("x-web: &web {service: web}\npolicy: x\nfor: *web\nx-note: [1, {2: 3}]\n");

	(void)state;
	assert_string_equal(only_document(set)->governs->children[0]->pattern, "web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_isolate),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_extensions_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
