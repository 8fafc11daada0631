#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/addr.h"
#include "quaywall/mem.h"

static struct addr addr(const char *text)
{
	struct addr a = {0};

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void test_parse_and_format(void **state)
{
	static const char *const texts[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"::", "::"},
		{"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
	};
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct addr a = addr(texts[i][0]);

		assert_string_equal(addr_format(&a, buf), texts[i][1]);
	}
	assert_string_equal(addr_format(&(struct addr) {0}, buf), "none");
}

static void test_parse_refuses(void **state)
{
	static const char *const texts[] = {
		"",	    "1.2.3",	"1.2.3.4.5",	"256.0.0.1",
		"01.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "2001:db8",
		":",	    "1::2::3",	"::g",		"1.2.3.4/8",
	};
	struct addr a = {.family = 77};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(addr_parse(texts[i], &a), -EINVAL);
	assert_int_equal(a.family, 77);
}

static void test_compare_is_by_family_then_number(void **state)
{
	struct addr a = addr("9.255.255.255"), b = addr("10.0.0.0"), c = addr("::1");

	(void)state;
	assert_true(addr_compare(&a, &b) < 0);
	assert_true(addr_compare(&c, &b) > 0);
	assert_true(addr_equal(&b, &b));
	assert_false(addr_equal(&a, &b));
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool link_local, multicast, unspecified;
	} rows[] = {
		{"169.254.0.1", true, false, false},
		{"169.253.255.255", false, false, false},
		{"fe80::1", true, false, false},
		{"febf::1", true, false, false},
		{"fec0::1", false, false, false},
		{"224.0.0.1", false, true, false},
		{"239.255.255.255", false, true, false},
		{"240.0.0.1", false, false, false},
		{"255.255.255.255", false, true, false},
		{"ff02::1", false, true, false},
		{"0.0.0.0", false, false, true},
		{"::", false, false, true},
		{"::1", false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = addr(rows[i].text);

		assert_int_equal(addr_is_link_local(&a), rows[i].link_local);
		assert_int_equal(addr_is_multicast(&a), rows[i].multicast);
		assert_int_equal(addr_is_unspecified(&a), rows[i].unspecified);
	}
	assert_false(addr_is_unspecified(&(struct addr) {0}));
}

static void test_link_local_of_mac(void **state)
{
	struct addr a;
	uint8_t mac[6];
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	assert_int_equal(mac_parse("02:42:AC:12:00:02", mac), 0);
	a = addr_link_local(mac);
	assert_string_equal(addr_format(&a, buf), "fe80::42:acff:fe12:2");
	assert_string_equal(mac_format(mac, buf), "02:42:ac:12:00:02");
}

static void test_mac_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"02:42:ac:12:00",
		"02:42:ac:12:00:0g",
		"02-42-ac-12-00-02",
		"02:42:ac:12:00:02:",
		"2:42:ac:12:00:02:1",
	};
	uint8_t mac[6] = {9};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(mac_parse(texts[i], mac), -EINVAL);
	assert_int_equal(mac[0], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_compare_is_by_family_then_number),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_link_local_of_mac),
		cmocka_unit_test(test_mac_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
