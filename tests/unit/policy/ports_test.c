#include "parse.h"

#include <errno.h>

/* Parses TEXT and prints what came of it, or the error. */
static char *parse_and_print(const char *text)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct policy_ports *ports = NULL;
	struct buf out = BUF_INIT;
	size_t len = 0;
	int r = policy_ports_parse(text, &ports, &len, &err);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(len, 0);
		buf_str(&out, error_text(&err));
	}
	for (size_t i = 0; i < len; i++) {
		buf_str(&out, i ? " " : "");
		policy_ports_print(&ports[i], &out);
	}
	free(ports);
	return buf_steal(&out);
}

static void test_table(void **state)
{
	static const char *const table[][2] = {
		{"5432", "5432/tcp"},
		{"5432/tcp", "5432/tcp"},
		{"53/udp", "53/udp"},
		{"36412/sctp", "36412/sctp"},
		{"53/tcp+udp", "53/tcp 53/udp"},
		{"9/sctp+udp+tcp", "9/sctp 9/udp 9/tcp"},
		{"8000-8100", "8000-8100/tcp"},
		{"8000-8100/udp", "8000-8100/udp"},
		{"80-80", "80/tcp"},
		{"1-65535/udp", "1-65535/udp"},
		{"tcp", "tcp"},
		{"udp", "udp"},
		{"sctp", "sctp"},
		{"tcp+udp", "tcp udp"},
		{"icmp", "icmp"},
		{"0", "port 0 (expected a number from 1 to 65535)"},
		{"0-5/udp", "port 0 (expected a number from 1 to 65535)"},
		{"5-0", "port 0 (expected a number from 1 to 65535)"},
		{"90-80", "90-80 runs backwards (expected 80-90)"},
		{"65536", "\"65536\" is no port (expected numbers from 1 to 65535)"},
		{"99999999999", "\"99999999999\" is no port (expected numbers from 1 to 65535)"},
		{"80-", "\"80-\" is no port (expected numbers from 1 to 65535)"},
		{"1-2-3", "\"1-2-3\" is no port (expected numbers from 1 to 65535)"},
		{"080", "\"080\" is no port (expected numbers from 1 to 65535)"},
		{"0x50", "\"0x50\" is no port (expected numbers from 1 to 65535)"},
		{"8/icmp", "icmp has no ports (expected icmp alone)"},
		{"80/", "unknown protocol \"\" (expected tcp, udp or sctp)"},
		{"80/TCP", "unknown protocol \"TCP\" (expected tcp, udp or sctp)"},
		{"80/tcp+icmp", "unknown protocol \"icmp\" (expected tcp, udp or sctp)"},
		{"80/tcp+tcp", "tcp stands twice (expected it once)"},
		{"any", "\"any\" is no port (expected 5432, 53/udp, 53/tcp+udp, 8000-8100, tcp, "
			"udp, sctp or icmp)"},
		{"", "\"\" is no port (expected 5432, 53/udp, 53/tcp+udp, 8000-8100, tcp, udp, "
		     "sctp or icmp)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		CLEANUP_FREE char *printed = parse_and_print(table[i][0]);
		assert_string_equal(printed, table[i][1]);
	}
}

static void test_appends(void **state)
{
	struct policy_ports *ports = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(policy_ports_parse("53/tcp+udp", &ports, &len, NULL), 0);
	assert_int_equal(policy_ports_parse("icmp", &ports, &len, NULL), 0);
	assert_int_equal(policy_ports_parse("bad", &ports, &len, NULL), -EINVAL);
	assert_int_equal(len, 3);
	assert_int_equal(ports[2].protocol, 1);
	assert_int_equal(ports[2].first, 0);
	assert_int_equal(ports[2].last, 65535);
	free(ports);
}

static void test_one_or_a_list(void **state)
{
	CLEANUP_POLICY_SET struct policy_set *set =
		parse("policy: x\nfor: all\nallow:\n"
		      "  - {from: any, to: any, ports: 80}\n"
		      "  - {from: any, to: any, ports: [80, 53/tcp+udp]}\n"
		      "  - {from: any, to: any}\n"
		      "publish:\n"
		      "  - {to: {}, port: [80, 443], from: any}\n"
		      "  - {to: {}, port: 8000-8100/tcp+udp, from: any}\n");
	static const size_t lens[] = {1, 3, 0, 2, 2};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		assert_int_equal(only_document(set)->rules[i].nports, lens[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_one_or_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
