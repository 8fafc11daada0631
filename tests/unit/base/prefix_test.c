#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/addr.h"
#include "quaywall/mem.h"

static struct prefix prefix(const char *text)
{
	struct prefix p = {0};

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void test_parse_keeps_host_bits_and_mask_clears(void **state)
{
	static const char *const rows[][3] = {
		{"10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"},
		{"10.1.2.3", "10.1.2.3/32", "10.1.2.3/32"},
		{"10.1.2.255/25", "10.1.2.255/25", "10.1.2.128/25"},
		{"1.2.3.4/0", "1.2.3.4/0", "0.0.0.0/0"},
		{"2001:db8::ff/121", "2001:db8::ff/121", "2001:db8::80/121"},
		{"::1", "::1/128", "::1/128"},
	};
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct prefix p = prefix(rows[i][0]);

		assert_string_equal(prefix_format(&p, buf), rows[i][1]);
		p = prefix_mask(&p);
		assert_string_equal(prefix_format(&p, buf), rows[i][2]);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8 ",
		"10.0.0.0/8/8",
		"::/129",
		"/8",
		"10/8",
		"::/4294967296",
		"10.0.0.0/99999999999999999999",
	};
	struct prefix p = {.len = 77};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(prefix_parse(texts[i], &p), -EINVAL);
	assert_int_equal(p.len, 77);
}

static void test_longest_text_fits(void **state)
{
	static const char text[] = "1111:2222:3333:4444:5555:6666:255.255.255.255/128";
	struct prefix p = prefix(text);
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	assert_string_equal(prefix_format(&p, buf), "1111:2222:3333:4444:5555:6666:ffff:ffff/128");
}

static bool contains(const char *p, const char *a)
{
	struct prefix outer = prefix(p), inner = prefix(a);

	return prefix_contains(&outer, &inner.addr);
}

static bool contains_prefix(const char *p, const char *q)
{
	struct prefix outer = prefix(p), inner = prefix(q);

	return prefix_contains_prefix(&outer, &inner);
}

static void test_contains(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/8", "10.255.255.255"));
	assert_false(contains("10.0.0.0/8", "11.0.0.0"));
	assert_true(contains("10.0.0.128/25", "10.0.0.128"));
	assert_false(contains("10.0.0.128/25", "10.0.0.127"));
	assert_true(contains("0.0.0.0/0", "1.2.3.4"));
	assert_false(contains("0.0.0.0/0", "::1"));
	assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(contains_prefix("10.0.0.0/8", "10.0.0.0/8"));
	assert_true(contains_prefix("10.0.0.0/8", "10.9.0.0/16"));
	assert_false(contains_prefix("10.9.0.0/16", "10.0.0.0/8"));
	assert_false(contains_prefix("10.9.0.0/16", "10.8.0.0/16"));
}

static void test_range(void **state)
{
	struct prefix p = prefix("10.1.2.200/25"), all = prefix("::1/0");
	struct addr_range r = prefix_range(&p);
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	assert_string_equal(addr_format(&r.first, buf), "10.1.2.128");
	assert_string_equal(addr_format(&r.last, buf), "10.1.2.255");
	/* What lies behind the 4 bytes stays zero, or no comparison would hold. */
	for (size_t i = 4; i < sizeof(r.last.bytes); i++)
		assert_int_equal(r.last.bytes[i], 0);
	r = prefix_range(&all);
	assert_string_equal(addr_format(&r.first, buf), "::");
	assert_string_equal(addr_format(&r.last, buf), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_keeps_host_bits_and_mask_clears),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_longest_text_fits),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
