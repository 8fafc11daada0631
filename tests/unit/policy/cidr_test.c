#include "parse.h"

static bool read_cidr(const char *text, struct prefix *ret, char **ret_said)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct node n = {.kind = NODE_SCALAR, .where = {"c", 1, 1}, .text = (char *)text};
	bool good = cidr_read(&p, &n, "cidr", ret);

	*ret_said = mem_strdup(p.len ? p.items[0].text : "");
	return good;
}

static void assert_good(const char *text, uint8_t family, uint8_t len)
{
	CLEANUP_FREE char *said = NULL;
	struct prefix prefix = {0};

	assert_true(read_cidr(text, &prefix, &said));
	assert_string_equal(said, "");
	assert_int_equal(prefix.addr.family, family);
	assert_int_equal(prefix.len, len);
}

static void assert_bad(const char *text, const char *expected)
{
	CLEANUP_FREE char *said = NULL;
	struct prefix prefix = {.len = 77};

	assert_false(read_cidr(text, &prefix, &said));
	assert_string_equal(said, expected);
	assert_int_equal(prefix.len, 77);
}

static void test_good(void **state)
{
	(void)state;
	assert_good("192.0.2.1", AF_INET, 32);
	assert_good("10.0.0.0/8", AF_INET, 8);
	assert_good("0.0.0.0/0", AF_INET, 0);
	assert_good("2001:DB8::1", AF_INET6, 128);
	assert_good("::/0", AF_INET6, 0);
	assert_good("::/95", AF_INET6, 95);
	assert_good("::ffff:0:0:0/96", AF_INET6, 96); /* SIIT's, not the mapped block */
}

static void test_host_bits_name_the_right_form(void **state)
{
	(void)state;
	assert_bad("10.20.0.5/16", "10.20.0.5/16 has host bits set (expected 10.20.0.0/16)");
	assert_bad("10.0.0.1/31", "10.0.0.1/31 has host bits set (expected 10.0.0.0/31)");
	assert_bad("1.2.3.4/0", "1.2.3.4/0 has host bits set (expected 0.0.0.0/0)");
	assert_bad("2001:db8::1/64", "2001:db8::1/64 has host bits set (expected 2001:db8::/64)");
}

static void test_mapped_names_the_right_form(void **state)
{
	(void)state;
	assert_bad("::ffff:0.0.0.0/96",
		   "::ffff:0.0.0.0/96 is an IPv4-mapped block (expected 0.0.0.0/0)");
	assert_bad("::ffff:10.1.2.3/104",
		   "::ffff:10.1.2.3/104 is an IPv4-mapped block (expected 10.0.0.0/8)");
	assert_bad("::ffff:192.0.2.1",
		   "::ffff:192.0.2.1 is an IPv4-mapped block (expected 192.0.2.1)");
}

static void test_except(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	const struct node *root =
		root_of("{one: 10.1.0.0/16, list: [10.1.0.0/16, 10.2.0.0/16], bad: [11.0.0.0/8, "
			"0.0.0.0/0, '::/0', 10.3.0.0/16]}",
			&p, &d);
	struct prefix cidr, *except = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.0/8", &cidr), 0);
	cidr_read_except(&p, keys_get(root, "one"), &cidr, &except, &len);
	assert_int_equal(len, 1);
	cidr_read_except(&p, keys_get(root, "list"), &cidr, &except, &len);
	assert_int_equal(len, 3);
	assert_int_equal(p.len, 0);
	cidr_read_except(&p, keys_get(root, "bad"), &cidr, &except, &len);
	assert_int_equal(len, 4);
	assert_int_equal(p.len, 3);
	free(except);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_host_bits_name_the_right_form),
		cmocka_unit_test(test_mapped_names_the_right_form),
		cmocka_unit_test(test_except),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
