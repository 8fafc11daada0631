#include "parse.h"

static void parse_into(struct policy_set *set, const char *file, const char *text,
		       struct policy_problems *p)
{
	policy_parse(set, file, text, strlen(text), p);
}

static void test_documents_and_files(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();

	(void)state;
	parse_into(set, "a.yaml", "policy: a\nfor: all\n---\n# nothing\n---\npolicy: b\nfor: all\n",
		   &p);
	parse_into(set, "b.yaml", "# nothing\n", &p);
	parse_into(set, "c.yaml", "policy: c\nfor: all\n", &p);
	policy_set_check(set, &p);
	assert_int_equal(p.len, 0);
	assert_int_equal(set->ndocuments, 3);
	assert_int_equal(set->nfiles, 3);
	assert_string_equal(set->documents[1].where.file, "a.yaml");
	assert_int_equal(set->documents[1].where.line, 6);
	assert_ptr_equal(set->documents[2].where.file, set->files[2]);
}

static void test_duplicate_names_stand_in_the_order_of_files(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();
	CLEANUP_BUF struct buf out = BUF_INIT;

	(void)state;
	parse_into(set, "b.yaml", "policy: x\nfor: all\n---\npolicy: y\nfor: all\nmode: z\n", &p);
	parse_into(set, "a.yaml", "policy: y\nfor: all\n---\npolicy: x\nfor: all\n", &p);
	parse_into(set, "c.yaml", "policy: x\nfor: all\nfro: z\n", &p);
	policy_set_check(set, &p);
	policy_problems_print(&p, &out);
	assert_string_equal(
		buf_text(&out),
		"b.yaml:6:7: error: \"mode\" is \"z\" (expected enforce or audit)\n"
		"a.yaml:1:1: error: duplicate policy \"y\" (it stands in b.yaml:4 already)\n"
		"a.yaml:4:1: error: duplicate policy \"x\" (it stands in b.yaml:1 already)\n"
		"c.yaml:1:1: error: duplicate policy \"x\" (it stands in b.yaml:1 already)\n"
		"c.yaml:3:1: error: unknown key \"fro\" (did you mean \"for\"?)\n");
}

static void test_nothing(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();

	(void)state;
	policy_set_check(set, &p);
	assert_int_equal(p.len, 0);
	policy_set_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents_and_files),
		cmocka_unit_test(test_duplicate_names_stand_in_the_order_of_files),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
