#include "parse.h"

static struct policy_limit read_limit(const char *text)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_YAML struct yaml_documents d = {0};
	struct policy_limit limit = {0};

	limit_read(&p, root_of(text, &p, &d), &limit);
	assert_int_equal(p.len, 0);
	assert_true(limit.set);
	return limit;
}

static void test_whole(void **state)
{
	struct policy_limit limit =
		read_limit("{new: 50/minute, burst: 100, per: source, connections: 20}");

	(void)state;
	assert_int_equal(limit.new_rate, 50);
	assert_int_equal(limit.new_unit, POLICY_MINUTE);
	assert_int_equal(limit.burst, 100);
	assert_true(limit.per_source);
	assert_int_equal(limit.connections, 20);
	assert_int_equal(limit.where.line, 1);
}

static void test_defaults(void **state)
{
	struct policy_limit rate = read_limit("{new: 2/day}"),
			    count = read_limit("{connections: 1}");

	(void)state;
	assert_int_equal(rate.burst, 5);
	assert_false(rate.per_source);
	assert_int_equal(rate.connections, 0);
	assert_int_equal(count.new_rate, 0);
	assert_int_equal(count.connections, 1);
}

static void test_limit_of_connections_per_source(void **state)
{
	struct policy_limit limit = read_limit("{connections: 3, per: source}");

	(void)state;
	assert_true(limit.per_source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_limit_of_connections_per_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
