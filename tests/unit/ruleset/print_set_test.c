#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/mem.h"
#include "sample.h"
#include "../../../controller/ruleset/text.h"

static const struct {
	enum ruleset_field field;
	const char *element, *text;
} cases[] = {
	{FIELD_IFNAME, "br-a", "\"br-a\""},
	{FIELD_IFNAME, "br\"a*", "\"br?a?\""},
	{FIELD_IPV4, "10.0.0.0-10.255.255.255", "10.0.0.0/8"},
	{FIELD_IPV4, "0.0.0.0-255.255.255.255", "0.0.0.0/0"},
	{FIELD_IPV4, "10.0.0.0-10.0.0.1", "10.0.0.0/31"},
	{FIELD_IPV4, "10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"},
	{FIELD_IPV4, "10.0.0.0-10.0.0.2", "10.0.0.0-10.0.0.2"},
	{FIELD_IPV4, "10.0.0.1", "10.0.0.1"},
	{FIELD_IPV6, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
	{FIELD_IPV6, "fd00::1-fd00::ff", "fd00::1-fd00::ff"},
	{FIELD_PROTOCOL, "6", "tcp"},
	{FIELD_PROTOCOL, "58", "icmpv6"},
	{FIELD_PROTOCOL, "0-255", "0-255"},
	{FIELD_PORT, "0-65535", "0-65535"},
	{FIELD_PORT, "443", "443"},
	{FIELD_ICMPV6_TYPE, "133", "133"},
};

static void test_each_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
		bool name = cases[i].field == FIELD_IFNAME;
		struct ruleset_set *s =
			ruleset_add_set(r, "q_set", name ? 0 : SET_INTERVAL, &cases[i].field, 1);
		struct buf out CLEANUP_BUF = BUF_INIT;

		sample_element(s, cases[i].element, VERDICT_NONE, NULL, NULL);
		text_element(s, &s->elements[0], &out);
		assert_string_equal(buf_text(&out), cases[i].text);
	}
}

static void test_concatenation_with_all_around(void **state)
{
	static const enum ruleset_field fields[] = {FIELD_IPV4, FIELD_PROTOCOL, FIELD_PORT};
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(
		r, "q_map", SET_INTERVAL | SET_COUNTER | SET_VERDICTS, fields, ARRAY_SIZE(fields));
	struct buf out CLEANUP_BUF = BUF_INIT;

	(void)state;
	sample_element(s, "10.0.0.0-10.255.255.255|17|1-2", VERDICT_JUMP, "q_to", "shop.yaml:1");
	text_element(s, &s->elements[0], &out);
	assert_string_equal(buf_text(&out),
			    "10.0.0.0/8 . udp . 1-2 counter comment \"shop.yaml:1\" : jump q_to");
}

static void test_declaration_of_a_dynamic_set(void **state)
{
	static const enum ruleset_field field = FIELD_IPV6;
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct ruleset_set *s = ruleset_add_set(r, "q_set", SET_DYNAMIC, &field, 1);
	struct buf out CLEANUP_BUF = BUF_INIT;

	(void)state;
	s->size = 100;
	s->timeout = 90061;
	text_set_lines(s, "\t", &out);
	assert_string_equal(buf_text(&out), "\ttype ipv6_addr\n\tsize 100\n"
					    "\tflags dynamic,timeout\n\ttimeout 1d1h1m1s\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_field),
		cmocka_unit_test(test_concatenation_with_all_around),
		cmocka_unit_test(test_declaration_of_a_dynamic_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
