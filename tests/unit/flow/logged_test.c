/* Messages of NFLOG, built as the kernel does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../../controller/flow/decode.h"

/* UDP from 172.18.0.2:49374 to 172.18.0.3:5432, without data. */
static const uint8_t datagram[] = {0x45, 0,    0,    28,   0x12, 0x34, 0,   0,	64, 17,
				   0,	 0,    172,  18,   0,	 2,    172, 18, 0,  3,
				   0xc0, 0xde, 0x15, 0x38, 0,	 8,    0,   0};

static _Alignas(struct nlmsghdr) char space[1024];

static struct nlmsghdr *begin(uint8_t family, uint16_t ethertype, uint8_t hook)
{
	const struct nfulnl_msg_packet_hdr header = {.hw_protocol = htons(ethertype), .hook = hook};
	struct nlmsghdr *m = mnl_nlmsg_put_header(memset(space, 0, sizeof(space)));
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(m, sizeof(*nf));

	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	nf->nfgen_family = family;
	nf->res_id = htons(86);
	mnl_attr_put(m, NFULA_PACKET_HDR, sizeof(header), &header);
	return m;
}

static struct log_place place;

static struct flow_packet decode(const struct nlmsghdr *m)
{
	struct flow_packet p;

	memset(&p, 0xff, sizeof(p));
	assert_true(decode_logged(m, &p, &place));
	return p;
}

static void expect_datagram(const struct flow_tuple *t)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(&t->src, text), "172.18.0.2");
	assert_string_equal(addr_format(&t->dst, text), "172.18.0.3");
	assert_true(t->has_ports);
	assert_int_equal(t->sport, 49374);
	assert_int_equal(t->dport, 5432);
}

static void put_mac(struct nlmsghdr *m, uint16_t len, const char mac[8])
{
	struct nfulnl_msg_packet_hw hw = {.hw_addrlen = htons(len)};

	memcpy(hw.hw_addr, mac, sizeof(hw.hw_addr));
	mnl_attr_put(m, NFULA_HWADDR, sizeof(hw), &hw);
}

static void test_everything_that_comes_with_it(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_FORWARD);
	struct flow_packet p;

	(void)state;
	mnl_attr_put_strz(m, NFULA_PREFIX, "quaywall refused ");
	mnl_attr_put_u32(m, NFULA_IFINDEX_INDEV, htonl(7));
	mnl_attr_put_u32(m, NFULA_IFINDEX_PHYSINDEV, htonl(8));
	mnl_attr_put_u32(m, NFULA_IFINDEX_OUTDEV, htonl(9));
	mnl_attr_put_u32(m, NFULA_IFINDEX_PHYSOUTDEV, htonl(10));
	put_mac(m, 6, "\x02\x42\xac\x12\x00\x02\x00");
	mnl_attr_put_u32(m, NFULA_SEQ, htonl(0x01020304));
	mnl_attr_put(m, NFULA_PAYLOAD, sizeof(datagram), datagram);
	p = decode(m);
	assert_string_equal(p.prefix, "quaywall refused ");
	assert_int_equal(p.family, NFPROTO_IPV4);
	assert_int_equal(p.hook, NF_INET_FORWARD);
	assert_int_equal(p.in, 7);
	assert_int_equal(p.phys_in, 8);
	assert_int_equal(p.out, 9);
	assert_int_equal(p.phys_out, 10);
	assert_int_equal(p.ethertype, ETH_P_IP);
	assert_true(p.has_mac);
	assert_memory_equal(p.mac, "\x02\x42\xac\x12\x00\x02", 6);
	assert_int_equal(p.length, 28);
	expect_datagram(&p.tuple);
	assert_false(p.has_entry);
	assert_true(place.known);
	assert_int_equal(place.number, 0x01020304);
}

static void test_next_to_nothing(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_BRIDGE, 0, 0);
	struct flow_packet p = decode(m);

	(void)state;
	assert_int_equal(p.family, NFPROTO_BRIDGE);
	assert_string_equal(p.prefix, "");
	assert_int_equal(p.in | p.out | p.phys_in | p.phys_out, 0);
	assert_int_equal(p.ethertype | p.length, 0);
	assert_false(p.has_mac || p.fragment || p.has_inner || p.has_entry);
	assert_false(addr_is_set(&p.tuple.src) || addr_is_set(&p.entry.orig_src));
	assert_false(place.known);
}

/* Only a bridge's frame is what its header says. */
static void test_what_says_what_the_packet_is(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_8021Q, NF_INET_LOCAL_IN);
	struct flow_packet p;

	(void)state;
	mnl_attr_put(m, NFULA_PAYLOAD, sizeof(datagram), datagram);
	p = decode(m);
	assert_int_equal(p.ethertype, ETH_P_IP);
	expect_datagram(&p.tuple);
	m = begin(NFPROTO_BRIDGE, ETH_P_IP, 0);
	mnl_attr_put(m, NFULA_PAYLOAD, sizeof(datagram), datagram);
	p = decode(m);
	expect_datagram(&p.tuple);
	m = begin(NFPROTO_BRIDGE, ETH_P_LOOP, 0);
	mnl_attr_put(m, NFULA_PAYLOAD, sizeof(datagram), datagram);
	p = decode(m);
	assert_false(addr_is_set(&p.tuple.src));
}

static void test_macs_that_are_none(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_LOCAL_IN);

	(void)state;
	put_mac(m, 6, "\0\0\0\0\0\0\0");
	assert_false(decode(m).has_mac);
	put_mac(m, 4, "\x0a\0\0\1\0\0\0");
	assert_false(decode(m).has_mac);
	mnl_attr_put(m, NFULA_HWADDR, 5, "\0\6\0\0\2");
	assert_false(decode(m).has_mac);
}

static void test_long_and_unended_prefixes(void **state)
{
	char longest[300];
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_LOCAL_IN);

	(void)state;
	memset(longest, 'x', sizeof(longest));
	mnl_attr_put(m, NFULA_PREFIX, sizeof(longest), longest);
	assert_int_equal(strlen(decode(m).prefix), FLOW_LOG_PREFIX_SIZE - 1);
	m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_LOCAL_IN);
	mnl_attr_put(m, NFULA_PREFIX, 3, "abc");
	mnl_attr_put(m, NFULA_PREFIX + 100, 3, "xyz");
	assert_string_equal(decode(m).prefix, "abc");
}

static void put_tuple(struct nlmsghdr *m, uint16_t type, const char *src, const char *dst,
		      uint16_t sport, uint16_t dport)
{
	struct nlattr *nest = mnl_attr_nest_start(m, type);
	struct nlattr *part = mnl_attr_nest_start(m, CTA_TUPLE_IP);

	mnl_attr_put_u32(m, CTA_IP_V4_SRC, inet_addr(src));
	mnl_attr_put_u32(m, CTA_IP_V4_DST, inet_addr(dst));
	mnl_attr_nest_end(m, part);
	part = mnl_attr_nest_start(m, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(m, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(m, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(m, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(m, part);
	mnl_attr_nest_end(m, nest);
}

/* A packet to a published port: what conntrack knows of it is where it was sent at first. */
static void test_conntrack_s_entry(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_FORWARD);
	struct nlattr *nest = mnl_attr_nest_start(m, NFULA_CT);
	struct flow_packet p;
	char text[ADDR_TEXT_SIZE];

	(void)state;
	put_tuple(m, CTA_TUPLE_ORIG, "172.18.0.2", "192.0.2.1", 49374, 15432);
	put_tuple(m, CTA_TUPLE_REPLY, "172.18.0.3", "172.18.0.2", 5432, 49374);
	mnl_attr_put_u32(m, CTA_STATUS, htonl(IPS_DST_NAT));
	mnl_attr_put_u32(m, CTA_ID, htonl(77));
	mnl_attr_nest_end(m, nest);
	mnl_attr_put_u32(m, NFULA_CT_INFO, htonl(IP_CT_NEW));
	mnl_attr_put(m, NFULA_PAYLOAD, sizeof(datagram), datagram);
	p = decode(m);
	assert_true(p.has_entry);
	assert_true(p.entry.dnat);
	assert_int_equal(p.entry.id, 77);
	assert_int_equal(p.entry.orig_dport, 15432);
	assert_int_equal(p.entry.reply_sport, 5432);
	assert_string_equal(addr_format(&p.entry.orig_dst, text), "192.0.2.1");
	assert_string_equal(addr_format(&p.entry.reply_src, text), "172.18.0.3");
	expect_datagram(&p.tuple);
}

static void test_half_an_entry_is_none(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_FORWARD);
	struct nlattr *nest = mnl_attr_nest_start(m, NFULA_CT);
	struct flow_packet p;

	(void)state;
	put_tuple(m, CTA_TUPLE_ORIG, "172.18.0.2", "192.0.2.1", 49374, 15432);
	mnl_attr_nest_end(m, nest);
	p = decode(m);
	assert_false(p.has_entry);
	assert_int_equal(p.entry.orig_dport, 0);
}

static void test_messages_of_others(void **state)
{
	struct nlmsghdr *m = begin(NFPROTO_IPV4, ETH_P_IP, NF_INET_FORWARD);
	struct flow_packet p;

	(void)state;
	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	assert_false(decode_logged(m, &p, &place));
	m->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | NFULNL_MSG_PACKET;
	assert_false(decode_logged(m, &p, &place));
	m->nlmsg_type = NLMSG_DONE;
	assert_false(decode_logged(m, &p, &place));
	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	m->nlmsg_len = NLMSG_LENGTH(2);
	assert_false(decode_logged(m, &p, &place));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_that_comes_with_it),
		cmocka_unit_test(test_next_to_nothing),
		cmocka_unit_test(test_what_says_what_the_packet_is),
		cmocka_unit_test(test_macs_that_are_none),
		cmocka_unit_test(test_long_and_unended_prefixes),
		cmocka_unit_test(test_conntrack_s_entry),
		cmocka_unit_test(test_half_an_entry_is_none),
		cmocka_unit_test(test_messages_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
