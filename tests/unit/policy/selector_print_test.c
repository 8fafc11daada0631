#include "parse.h"

/* How SELECTOR as `from` is printed, as resolved, in a document for FOR with some groups. */
static void assert_resolved(const char *governs, const char *selector, const char *expected)
{
	CLEANUP_FREE char *text = mem_printf("policy: x\nfor: %s\n"
					     "groups: {web: {service: web}, mon: {project: mon},"
					     " both: [web, mon]}\n"
					     "allow:\n  - {from: %s, to: any}\n",
					     governs, selector);
	CLEANUP_FREE char *printed = canonical(text);
	CLEANUP_FREE char *line = mem_printf("  - {from: %s, to: any}\n", expected);

	if (!strstr(printed, line))
		assert_string_equal(printed, line);
}

static void test_scope_goes_to_who_names_none(void **state)
{
	(void)state;
	assert_resolved("{project: shop}", "{service: a}", "{project: shop, service: a}");
	assert_resolved("{project: shop}", "{}", "{project: shop}");
	assert_resolved("{project: shop}", "{project: b}", "{project: b}");
	assert_resolved("{project: shop}", "{project: '*'}", "{project: \"*\"}");
	assert_resolved("{project: shop}", "[{name: a}, {project: b}]",
			"[{project: shop, name: a}, {project: b}]");
}

static void test_scope_in_any(void **state)
{
	(void)state;
	assert_resolved("{project: shop}", "{any: [{name: a}, {project: b}], image: c}",
			"{any: [{project: shop, name: a}, {project: b}], image: c}");
	/* No alternative names one: once for all of them. */
	assert_resolved("{project: shop}", "{any: [{name: a}, {name: b}]}",
			"{project: shop, any: [{name: a}, {name: b}]}");
	/* All of them name one. */
	assert_resolved("{project: shop}", "{any: [{project: a}, {project: b}]}",
			"{any: [{project: a}, {project: b}]}");
	/* What stands in a selector that names one gets none. */
	assert_resolved("{project: shop}", "{any: [{name: a}, {name: b}], project: c}",
			"{any: [{name: a}, {name: b}], project: c}");
}

static void test_scope_and_all(void **state)
{
	(void)state;
	assert_resolved("{project: shop}", "{all: [{name: a}, {project: b}]}",
			"{all: [{name: a}, {project: b}]}");
	assert_resolved("{project: shop}", "{all: [{name: a}, {name: b}]}",
			"{project: shop, all: [{name: a}, {name: b}]}");
	assert_resolved("{project: shop}", "{all: [{any: [{name: a}, {project: b}]}, {name: c}]}",
			"{all: [{any: [{project: shop, name: a}, {project: b}]}, {name: c}]}");
}

static void test_no_scope_in_not(void **state)
{
	(void)state;
	assert_resolved("{project: shop}", "{not: {name: a}}", "{project: shop, not: {name: a}}");
	assert_resolved("{project: shop}", "{not: {project: b}}",
			"{project: shop, not: {project: b}}");
}

static void test_groups_are_spelled_out(void **state)
{
	(void)state;
	assert_resolved("{project: shop}", "web", "{project: shop, service: web}");
	assert_resolved("{project: shop}", "mon", "{project: mon}");
	assert_resolved("{project: shop}", "both",
			"[{project: shop, service: web}, {project: mon}]");
	/* A group got its project where it is defined: also in `not`, and beside another project. */
	assert_resolved("{project: shop}", "{not: web}",
			"{project: shop, not: {project: shop, service: web}}");
	assert_resolved("{project: shop}", "{all: [web], project: b}",
			"{all: [{project: shop, service: web}], project: b}");
}

static void test_without_scope(void **state)
{
	(void)state;
	assert_resolved("all", "{service: a}", "{service: a}");
	assert_resolved("[{project: shop}]", "[both, {}]",
			"[[{service: web}, {project: mon}], {}]");
	assert_resolved("{service: a}", "{not: web}", "{not: {service: web}}");
}

static void test_a_template_stays_as_written(void **state)
{
	(void)state;
	assert_resolved("{project: 'shop-*'}", "[{service: a}, both]", "[{service: a}, both]");
}

static void test_tangled_stays_as_written(void **state)
{
	static const char tangled[] =
		"{any: [{name: a}, {project: b}], all: [{any: [web, {name: c}]}]}";

	(void)state;
	assert_resolved("{project: shop}", tangled, tangled);
	/* With a project beside them nothing is tangled. */
	assert_resolved(
		"{project: shop}",
		"{project: z, any: [{name: a}, {project: b}], all: [{any: [mon, {name: c}]}]}",
		"{project: z, any: [{name: a}, {project: b}], "
		"all: [{any: [{project: mon}, {name: c}]}]}");
}

static void test_scope_with_special_characters(void **state)
{
	(void)state;
	assert_resolved("{project: 'a\\*b'}", "{name: c}", "{project: \"a\\\\*b\", name: c}");
}

static void test_labels(void **state)
{
	(void)state;
	assert_resolved("all", "{label: {a: true, b: 'true', 'c d': \"*\"}, name: x}",
			"{label: {a: true, b: \"true\", \"c d\": \"*\"}, name: x}");
}

static void test_for_messages_groups_keep_their_names(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: {project: shop}\ngroups: {web: {service: web}}\n"
		      "allow: [{from: {not: web}, to: any}]\n");
	const struct policy_document *doc = only_document(set);
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	policy_selector_print(doc, doc->rules[0].from[0].selector, &out);
	assert_string_equal(buf_text(&out), "{not: web}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scope_goes_to_who_names_none),
		cmocka_unit_test(test_scope_in_any),
		cmocka_unit_test(test_scope_and_all),
		cmocka_unit_test(test_no_scope_in_not),
		cmocka_unit_test(test_groups_are_spelled_out),
		cmocka_unit_test(test_without_scope),
		cmocka_unit_test(test_a_template_stays_as_written),
		cmocka_unit_test(test_tangled_stays_as_written),
		cmocka_unit_test(test_scope_with_special_characters),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_for_messages_groups_keep_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
