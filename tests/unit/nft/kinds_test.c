#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "../../../controller/nft/kinds.h"

static void test_fields_are_found_by_their_type(void **state)
{
	enum ruleset_field got;

	(void)state;
	for (int f = FIELD_IFNAME; f <= FIELD_ICMPV6_TYPE; f++) {
		assert_true(kind_field(kind_type((enum ruleset_field)f), &got));
		assert_int_equal(got, f);
	}
	assert_false(kind_field(0, &got));
	assert_int_equal(kind_type(FIELD_IFNAME), 41);
}

static void test_loads_are_found_by_what_they_read(void **state)
{
	enum ruleset_load got;

	(void)state;
	for (int l = LOAD_IIFNAME; l <= LOAD_CT_REPLY_IP6; l++) {
		assert_true(kind_load_of(kind_load((enum ruleset_load)l), &got));
		assert_int_equal(got, l);
	}
}

static void test_addresses_in_headers(void **state)
{
	(void)state;
	assert_int_equal(kind_address_offset(AF_INET, true), 12);
	assert_int_equal(kind_address_offset(AF_INET, false), 16);
	assert_int_equal(kind_address_offset(AF_INET6, true), 8);
	assert_int_equal(kind_address_offset(AF_INET6, false), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_found_by_their_type),
		cmocka_unit_test(test_loads_are_found_by_what_they_read),
		cmocka_unit_test(test_addresses_in_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
