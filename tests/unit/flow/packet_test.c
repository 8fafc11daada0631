#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../../controller/flow/packet.h"

/* Packets are written in hex, by their headers. */

#define V4(protocol, total, fragment)                     \
	"4500" total "1234" fragment "40" protocol "0000" \
	"ac120002"                                        \
	"ac120003"
#define V6(next, payload)                  \
	"60000000" payload next "40"       \
	"fd000018000000000000000000000002" \
	"fd000018000000000000000000000003"
#define PORTS "c0de1538" /* 49374, 5432 */

struct packet {
	uint8_t bytes[512];
	size_t len;
};

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct packet unhex(const char *text)
{
	struct packet p = {0};

	for (; *text; text += 2)
		p.bytes[p.len++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
	return p;
}

/* Only the first LEN bytes, on the heap, so that a byte read beyond them is seen. */
static struct flow_packet decode_cut(uint16_t ethertype, const struct packet *p, size_t len)
{
	struct flow_packet out = {0};
	CLEANUP_FREE uint8_t *captured = mem_new(1, len);

	memcpy(captured, p->bytes, len);
	packet_decode(ethertype, captured, len, &out);
	return out;
}

static struct flow_packet decode(uint16_t ethertype, const char *text)
{
	struct packet p = unhex(text);

	return decode_cut(ethertype, &p, p.len);
}

static void expect_addr(const struct addr *got, const char *want)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_is_set(got) ? addr_format(got, text) : "none", want);
}

static void expect_ends(const struct flow_tuple *t, const char *src, const char *dst)
{
	expect_addr(&t->src, src);
	expect_addr(&t->dst, dst);
}

static void expect_ports(const struct flow_tuple *t, uint8_t protocol)
{
	assert_int_equal(t->protocol, protocol);
	assert_true(t->has_ports);
	assert_false(t->has_icmp);
	assert_int_equal(t->sport, 49374);
	assert_int_equal(t->dport, 5432);
}

static void expect_no_ports(const struct flow_tuple *t, uint8_t protocol)
{
	assert_int_equal(t->protocol, protocol);
	assert_false(t->has_ports);
	assert_false(t->has_icmp);
	assert_int_equal(t->sport, 0);
	assert_int_equal(t->dport, 0);
}

/* ---- IPv4 ---- */

static void test_protocols_with_ports(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP,
					    IPPROTO_UDPLITE};
	struct packet p = unhex(V4("06", "0018", "4000") PORTS);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct flow_packet out;

		p.bytes[9] = protocols[i];
		out = decode_cut(ETH_P_IP, &p, p.len);
		expect_ends(&out.tuple, "172.18.0.2", "172.18.0.3");
		expect_ports(&out.tuple, protocols[i]);
		assert_int_equal(out.length, 24);
		assert_int_equal(out.ethertype, ETH_P_IP);
		assert_false(out.fragment);
		assert_false(out.has_inner);
	}
}

static void test_protocol_without_ports(void **state)
{
	struct flow_packet gre = decode(ETH_P_IP, V4("2f", "0018", "0000") PORTS);
	struct flow_packet icmpv6 = decode(ETH_P_IP, V4("3a", "0018", "0000") "80000000");

	(void)state;
	expect_no_ports(&gre.tuple, IPPROTO_GRE);
	expect_ends(&gre.tuple, "172.18.0.2", "172.18.0.3");
	/* It is not IPv4's. */
	expect_no_ports(&icmpv6.tuple, IPPROTO_ICMPV6);
}

static void test_options_are_stepped_over(void **state)
{
	struct flow_packet out = decode(ETH_P_IP, "4700002012340000401100"
						  "00ac120002ac120003"
						  "9404000001010100" PORTS);

	(void)state;
	expect_ports(&out.tuple, IPPROTO_UDP);
}

static void test_fragments_of_v4(void **state)
{
	struct flow_packet first = decode(ETH_P_IP, V4("11", "0018", "2000") PORTS);
	struct flow_packet later = decode(ETH_P_IP, V4("11", "0018", "2001") PORTS);
	struct flow_packet last = decode(ETH_P_IP, V4("11", "0018", "1fff") PORTS);

	(void)state;
	assert_false(first.fragment);
	expect_ports(&first.tuple, IPPROTO_UDP);
	assert_true(later.fragment);
	expect_no_ports(&later.tuple, IPPROTO_UDP);
	expect_ends(&later.tuple, "172.18.0.2", "172.18.0.3");
	assert_int_equal(later.length, 24);
	assert_true(last.fragment);
	expect_no_ports(&last.tuple, IPPROTO_UDP);
}

/* Short frames are filled up to 60 bytes. */
static void test_filling_is_not_the_packet(void **state)
{
	struct flow_packet empty = decode(ETH_P_IP, V4("11", "0014", "0000") PORTS);
	struct flow_packet lies = decode(ETH_P_IP, V4("11", "0004", "0000") PORTS);
	struct flow_packet large = decode(ETH_P_IP, V4("06", "0000", "0000") PORTS);

	(void)state;
	expect_no_ports(&empty.tuple, IPPROTO_UDP);
	assert_int_equal(empty.length, 20);
	expect_no_ports(&lies.tuple, IPPROTO_UDP);
	expect_ends(&lies.tuple, "172.18.0.2", "172.18.0.3");
	/* What the machine itself has put together can be larger than the header can say. */
	expect_ports(&large.tuple, IPPROTO_TCP);
}

static void test_no_ip(void **state)
{
	struct flow_packet short_header = decode(ETH_P_IP, "44" PORTS V4("11", "0018", "0000"));
	struct flow_packet v6_in_v4 = decode(ETH_P_IP, V6("11", "0004") PORTS);
	struct flow_packet v4_in_v6 =
		decode(ETH_P_IPV6, V4("11", "0018", "0000") PORTS PORTS PORTS PORTS PORTS PORTS);
	struct flow_packet other = decode(ETH_P_LOOP, V4("11", "0018", "0000") PORTS);

	(void)state;
	expect_ends(&short_header.tuple, "none", "none");
	expect_ends(&v6_in_v4.tuple, "none", "none");
	expect_ends(&v4_in_v6.tuple, "none", "none");
	expect_ends(&other.tuple, "none", "none");
	assert_int_equal(other.ethertype, ETH_P_LOOP);
	assert_int_equal(other.length, 0);
}

/* ---- IPv6 ---- */

static void test_v6(void **state)
{
	struct flow_packet out = decode(ETH_P_IPV6, V6("06", "0004") PORTS);

	(void)state;
	expect_ends(&out.tuple, "fd00:18::2", "fd00:18::3");
	expect_ports(&out.tuple, IPPROTO_TCP);
	assert_int_equal(out.length, 44);
}

#define HOP_BY_HOP(next) next "00050200000100"
#define ROUTING(next)         \
	next "02000000000000" \
	     "fd000018000000000000000000000004"
#define DESTINATION(next) next "00010400000000"
#define AUTHENTICATION(next)  \
	next "01000000000000" \
	     "00000001"
#define FRAGMENT(next, offset) next "00" offset "12345678"

static void test_extension_headers(void **state)
{
	struct flow_packet out =
		decode(ETH_P_IPV6, V6("00", "0048") HOP_BY_HOP("3c") DESTINATION("2b") ROUTING("2c")
					   FRAGMENT("33", "0001") AUTHENTICATION("11") PORTS);

	(void)state;
	expect_ports(&out.tuple, IPPROTO_UDP);
	assert_false(out.fragment);
}

static void test_no_next_header(void **state)
{
	struct flow_packet out = decode(ETH_P_IPV6, V6("3c", "000c") DESTINATION("3b") PORTS);

	(void)state;
	expect_no_ports(&out.tuple, IPPROTO_NONE);
}

static void test_fragments_of_v6(void **state)
{
	struct flow_packet later =
		decode(ETH_P_IPV6, V6("00", "0014") HOP_BY_HOP("2c") FRAGMENT("06", "0009") PORTS);
	struct flow_packet atomic =
		decode(ETH_P_IPV6, V6("2c", "000c") FRAGMENT("06", "0006") PORTS);

	(void)state;
	assert_true(later.fragment);
	expect_no_ports(&later.tuple, IPPROTO_TCP);
	expect_ends(&later.tuple, "fd00:18::2", "fd00:18::3");
	/* The three lowest bits are no offset. */
	assert_false(atomic.fragment);
	expect_ports(&atomic.tuple, IPPROTO_TCP);
}

static void test_too_many_extension_headers(void **state)
{
	struct packet p = unhex(V6("3c", "00ff"));
	const struct packet more = unhex(DESTINATION("3c")), last = unhex(DESTINATION("06")),
			    ports = unhex(PORTS);
	struct flow_packet out;

	(void)state;
	for (int i = 0; i < 7; i++, p.len += more.len)
		memcpy(p.bytes + p.len, more.bytes, more.len);
	memcpy(p.bytes + p.len, last.bytes, last.len);
	memcpy(p.bytes + p.len + last.len, ports.bytes, ports.len);
	out = decode_cut(ETH_P_IPV6, &p, p.len + last.len + ports.len);
	expect_ports(&out.tuple, IPPROTO_TCP);

	memcpy(p.bytes + p.len, more.bytes, more.len);
	p.len += more.len;
	memcpy(p.bytes + p.len, last.bytes, last.len);
	memcpy(p.bytes + p.len + last.len, ports.bytes, ports.len);
	out = decode_cut(ETH_P_IPV6, &p, p.len + last.len + ports.len);
	expect_no_ports(&out.tuple, IPPROTO_DSTOPTS);
	expect_ends(&out.tuple, "fd00:18::2", "fd00:18::3");
}

/* ---- ICMP ---- */

static void expect_icmp(const struct flow_tuple *t, uint8_t type, uint8_t code)
{
	assert_true(t->has_icmp);
	assert_false(t->has_ports);
	assert_int_equal(t->icmp_type, type);
	assert_int_equal(t->icmp_code, code);
}

static void test_echo(void **state)
{
	struct flow_packet v4 = decode(ETH_P_IP, V4("01", "0038", "0000") "0800000012340001" V4(
							 "06", "0028", "0000") PORTS "00000000");
	struct flow_packet v6 = decode(ETH_P_IPV6, V6("3a", "0008") "8000000012340001");

	(void)state;
	expect_icmp(&v4.tuple, 8, 0);
	assert_false(v4.has_inner);
	expect_icmp(&v6.tuple, 128, 0);
	assert_false(v6.has_inner);
}

static void test_what_an_error_quotes(void **state)
{
	struct flow_packet v4 = decode(ETH_P_IP, V4("01", "0038", "0000") "0303000000000000" V4(
							 "11", "0428", "0000") PORTS "04140000");
	struct flow_packet v6 = decode(ETH_P_IPV6, V6("3a", "0040") "0200000000000500" V6(
							   "3c", "0500") DESTINATION("06") PORTS);

	(void)state;
	expect_icmp(&v4.tuple, 3, 3);
	assert_int_equal(v4.length, 56);
	assert_true(v4.has_inner);
	expect_ends(&v4.inner, "172.18.0.2", "172.18.0.3");
	expect_ports(&v4.inner, IPPROTO_UDP);
	expect_icmp(&v6.tuple, 2, 0);
	assert_true(v6.has_inner);
	expect_ports(&v6.inner, IPPROTO_TCP);
}

static void test_an_error_that_quotes_nothing(void **state)
{
	struct flow_packet bare = decode(ETH_P_IP, V4("01", "001c", "0000") "0303000000000000");
	struct flow_packet other =
		decode(ETH_P_IP, V4("01", "0044", "0000") "0303000000000000" V6("11", "0004"));
	struct flow_packet fragment =
		decode(ETH_P_IP,
		       V4("01", "0038", "0001") "0303000000000000" V4("11", "0428", "0000") PORTS);

	(void)state;
	expect_icmp(&bare.tuple, 3, 3);
	assert_false(bare.has_inner);
	assert_false(other.has_inner);
	assert_true(fragment.fragment);
	assert_false(fragment.has_inner);
}

/* It is told, but what it quotes in turn is not asked for. */
static void test_an_error_about_an_error(void **state)
{
	struct flow_packet out =
		decode(ETH_P_IP, V4("01", "0058", "0000") "0b00000000000000" V4(
					 "01", "0038", "0000") "0303000000000000" V4("11", "0018",
										     "0000") PORTS);

	(void)state;
	assert_true(out.has_inner);
	expect_icmp(&out.inner, 3, 3);
}

/* ---- others ---- */

#define ARP                    \
	"0001080006040002"     \
	"0242ac120002ac120002" \
	"0242ac120003ac120003"

static void test_arp(void **state)
{
	struct flow_packet out = decode(ETH_P_ARP, ARP);
	struct flow_packet of_v6 = decode(ETH_P_ARP, "000186dd06100001" ARP ARP);

	(void)state;
	expect_ends(&out.tuple, "172.18.0.2", "172.18.0.3");
	expect_no_ports(&out.tuple, 0);
	assert_int_equal(out.length, 28);
	expect_ends(&of_v6.tuple, "none", "none");
}

static void test_tags_before_the_packet(void **state)
{
	struct flow_packet one = decode(ETH_P_8021Q, "00070800" V4("11", "0018", "0000") PORTS);
	struct flow_packet two = decode(ETH_P_8021AD, "000781000008"
						      "86dd" V6("11", "0004") PORTS);
	struct flow_packet three = decode(ETH_P_8021AD, "0007810000088100"
							"00090800" V4("11", "0018", "0000") PORTS);

	(void)state;
	assert_int_equal(one.ethertype, ETH_P_IP);
	expect_ports(&one.tuple, IPPROTO_UDP);
	assert_int_equal(two.ethertype, ETH_P_IPV6);
	expect_ports(&two.tuple, IPPROTO_UDP);
	assert_int_equal(three.ethertype, ETH_P_8021Q);
	expect_ends(&three.tuple, "none", "none");
}

/* However short the capture, nothing beyond it is read, and what it tells is the whole packet's. */
static void expect_same_or_nothing(const struct flow_tuple *some, const struct flow_tuple *all)
{
	if (addr_is_set(&some->src)) {
		assert_memory_equal(&some->src, &all->src, sizeof(all->src));
		assert_memory_equal(&some->dst, &all->dst, sizeof(all->dst));
	}
	if (some->has_ports)
		expect_ports(some, all->protocol);
	else
		assert_int_equal(some->sport | some->dport, 0);
	if (some->has_icmp)
		expect_icmp(some, all->icmp_type, all->icmp_code);
}

static void test_cut_anywhere(void **state)
{
	static const struct {
		uint16_t ethertype;
		const char *text;
	} cases[] = {
		{ETH_P_IP, V4("06", "0018", "0000") PORTS},
		{ETH_P_IP,
		 V4("01", "0038", "0000") "0303000000000000" V4("11", "0428", "0000") PORTS},
		{ETH_P_IPV6, V6("00", "0048") HOP_BY_HOP("3c") DESTINATION("2b") ROUTING("2c")
				     FRAGMENT("33", "0001") AUTHENTICATION("11") PORTS},
		{ETH_P_IPV6,
		 V6("3a", "0040") "0200000000000500" V6("3c", "0500") DESTINATION("06") PORTS},
		{ETH_P_ARP, ARP},
		{ETH_P_8021AD, "0007810000080800" V4("11", "0018", "0000") PORTS},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet p = unhex(cases[i].text);
		struct flow_packet all = decode_cut(cases[i].ethertype, &p, p.len);

		for (size_t len = 0; len < p.len; len++) {
			struct flow_packet some = decode_cut(cases[i].ethertype, &p, len);

			expect_same_or_nothing(&some.tuple, &all.tuple);
			assert_false(some.has_inner && !all.has_inner);
			expect_same_or_nothing(&some.inner, &all.inner);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols_with_ports),
		cmocka_unit_test(test_protocol_without_ports),
		cmocka_unit_test(test_options_are_stepped_over),
		cmocka_unit_test(test_fragments_of_v4),
		cmocka_unit_test(test_filling_is_not_the_packet),
		cmocka_unit_test(test_no_ip),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_no_next_header),
		cmocka_unit_test(test_fragments_of_v6),
		cmocka_unit_test(test_too_many_extension_headers),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_what_an_error_quotes),
		cmocka_unit_test(test_an_error_that_quotes_nothing),
		cmocka_unit_test(test_an_error_about_an_error),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_tags_before_the_packet),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
