#include "parse.h"

/* The tree of `for: TEXT` as an expression. */
static void show(const struct selector *s, struct buf *out)
{
	static const char *const kinds[] = {"all",     "any",	"not",	   "name",  "project",
					    "service", "image", "network", "label", "group"};

	buf_str(out, kinds[s->kind]);
	if (s->key)
		buf_printf(out, " %s", s->key);
	if (s->pattern)
		buf_printf(out, "=%s", s->pattern);
	if (s->kind == SELECTOR_GROUP)
		buf_printf(out, "=%zu", s->group);
	if (s->kind > SELECTOR_NOT)
		return;
	buf_char(out, '(');
	for (size_t i = 0; i < s->nchildren; i++) {
		if (i)
			buf_str(out, ", ");
		show(s->children[i], out);
	}
	buf_char(out, ')');
}

static void assert_for(const char *selector, const char *expected)
{
	CLEANUP_FREE char *text = mem_printf("policy: x\nfor: %s\n", selector);
	CLEANUP_POLICY_SET struct policy_set *set = parse(text);
	CLEANUP_BUF struct buf out = BUF_INIT;

	show(only_document(set)->governs, &out);
	assert_string_equal(buf_text(&out), expected);
}

static void test_mappings(void **state)
{
	(void)state;
	assert_for("{}", "all()");
	assert_for("{name: a, project: b, service: c, image: d, network: e}",
		   "all(name=a, project=b, service=c, image=d, network=e)");
}

static void test_lists_and_keys(void **state)
{
	(void)state;
	assert_for("[{name: a}, {name: b}]", "any(all(name=a), all(name=b))");
	assert_for("{any: [{name: a}, {}], all: [{name: b}], not: {name: c}}",
		   "all(any(all(name=a), all()), all(all(name=b)), not(all(name=c)))");
	assert_for("[[{name: a}]]", "any(any(all(name=a)))");
	assert_for("{not: [{name: a}, {name: b}]}", "all(not(any(all(name=a), all(name=b))))");
}

static void test_labels(void **state)
{
	(void)state;
	assert_for("{label: {tier: web, backup: true, flag: 'true', n: 1.10, e: '', no: false}}",
		   "all(label tier=web, label backup, label flag=true, label n=1.10, label e=, "
		   "label no=false)");
}

static void test_scalars_are_text(void **state)
{
	(void)state;
	assert_for("{name: 010, service: null, image: ~, network: true, project: 1e3}",
		   "all(name=010, service=null, image=~, network=true, project=1e3)");
}

static void test_groups(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\n"
		      "groups: {a: {not: b}, b: {name: b}}\n"
		      "allow: [{from: {any: [b, a]}, to: [[a], b]}]\n");
	const struct policy_document *doc = only_document(set);
	const struct policy_rule *rule = &doc->rules[0];
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	show(doc->groups[0].selector, &out);
	buf_char(&out, ' ');
	show(rule->from[0].selector, &out);
	for (size_t i = 0; i < rule->nto; i++) {
		buf_char(&out, ' ');
		show(rule->to[i].selector, &out);
	}
	assert_string_equal(buf_text(&out),
			    "all(not(group=1)) all(any(group=1, group=0)) any(group=0) group=1");
}

static void test_places(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor:\n  service: web\n  label:\n    a: b\n");
	const struct selector *s = only_document(set)->governs;

	(void)state;
	assert_int_equal(s->where.line, 3);
	assert_int_equal(s->children[1]->where.line, 5);
	assert_int_equal(s->children[1]->where.column, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings), cmocka_unit_test(test_lists_and_keys),
		cmocka_unit_test(test_labels),	 cmocka_unit_test(test_scalars_are_text),
		cmocka_unit_test(test_groups),	 cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
