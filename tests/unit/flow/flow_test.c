/*
 * In a network namespace of its own, whose conntrack entries the test makes over ctnetlink: no packet is
 * sent. Where neither root nor an unprivileged user may make a namespace the tests are skipped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "quaywall/flow.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

static struct mnl_socket *conntrack;
static bool midway; /* TCP's entries are made as the kernel makes those of what it met under way */
static bool unanswered; /* of what is made: conntrack saw it one way only */

/* ---- making entries ---- */

struct spec {
	const char *src, *dst;
	uint8_t protocol;
	uint16_t sport, dport; /* of ICMP: id, type << 8 | code */
	const char *nat;       /* the destination after DNAT, or NULL */
	uint16_t zone;
};

static struct addr addr(const char *text)
{
	struct addr a = {0};

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static void put_proto(struct nlmsghdr *m, const struct spec *s, bool reply)
{
	struct nlattr *nest = mnl_attr_nest_start(m, CTA_TUPLE_PROTO);
	bool v6 = s->protocol == IPPROTO_ICMPV6;
	uint8_t type = (uint8_t)(s->dport >> 8);

	mnl_attr_put_u8(m, CTA_PROTO_NUM, s->protocol);
	if (is_icmp(s->protocol)) {
		/* An echo's answer has the type 0, or 129. */
		if (reply)
			type = v6 ? 129 : 0;
		mnl_attr_put_u16(m, v6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, htons(s->sport));
		mnl_attr_put_u8(m, v6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, type);
		mnl_attr_put_u8(m, v6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE,
				(uint8_t)s->dport);
	} else {
		mnl_attr_put_u16(m, CTA_PROTO_SRC_PORT, htons(reply ? s->dport : s->sport));
		mnl_attr_put_u16(m, CTA_PROTO_DST_PORT, htons(reply ? s->sport : s->dport));
	}
	mnl_attr_nest_end(m, nest);
}

static void put_tuple(struct nlmsghdr *m, uint16_t type, const struct spec *s, bool reply)
{
	struct nlattr *nest = mnl_attr_nest_start(m, type);
	struct nlattr *ip = mnl_attr_nest_start(m, CTA_TUPLE_IP);
	struct addr src = addr(reply ? s->dst : s->src), dst = addr(reply ? s->src : s->dst);
	bool v6 = src.family == AF_INET6;

	mnl_attr_put(m, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, addr_size(src.family), src.bytes);
	mnl_attr_put(m, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, addr_size(src.family), dst.bytes);
	mnl_attr_nest_end(m, ip);
	put_proto(m, s, reply);
	mnl_attr_nest_end(m, nest);
}

/* The kernel makes the reply's tuple from the translation. */
static void put_nat(struct nlmsghdr *m, const struct spec *s)
{
	struct nlattr *nest = mnl_attr_nest_start(m, CTA_NAT_DST);
	struct addr to = addr(s->nat);

	mnl_attr_put(m, to.family == AF_INET6 ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP,
		     addr_size(to.family), to.bytes);
	mnl_attr_nest_end(m, nest);
}

static void put_tcp_state(struct nlmsghdr *m)
{
	struct nlattr *info = mnl_attr_nest_start(m, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(m, CTA_PROTOINFO_TCP);
	struct nf_ct_tcp_flags liberal = {IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL};

	mnl_attr_put_u8(m, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	if (midway) {
		mnl_attr_put(m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), &liberal);
		mnl_attr_put(m, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	}
	mnl_attr_nest_end(m, tcp);
	mnl_attr_nest_end(m, info);
}

static int make(const struct spec *s)
{
	_Alignas(struct nlmsghdr) char buf[1024] = {0};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(m, sizeof(*nf));

	m->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
	m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	nf->nfgen_family = addr(s->src).family;
	put_tuple(m, CTA_TUPLE_ORIG, s, false);
	put_tuple(m, CTA_TUPLE_REPLY, s, true);
	mnl_attr_put_u32(m, CTA_STATUS, htonl(IPS_CONFIRMED | (unanswered ? 0 : IPS_SEEN_REPLY)));
	mnl_attr_put_u32(m, CTA_TIMEOUT, htonl(600));
	if (s->zone)
		mnl_attr_put_u16(m, CTA_ZONE, htons(s->zone));
	if (s->protocol == IPPROTO_TCP)
		put_tcp_state(m);
	if (s->nat)
		put_nat(m, s);
	return netlink_request(conntrack, m);
}

static void must_make(const struct spec *s)
{
	assert_int_equal(make(s), 0);
}

/* ---- looking at them ---- */

struct seen {
	struct flow_entry *items;
	size_t len, cap;
	uint16_t refuse_port; /* cut those to this port; 0: none */
	bool refuse_all;
};

static bool look(const struct flow_entry *entry, void *data)
{
	struct seen *s = data;

	MEM_PUSH(s, *entry);
	return s->refuse_all || (s->refuse_port && entry->reply_sport == s->refuse_port);
}

static int find_and_delete(struct flow_table *t,
			   bool (*refused)(const struct flow_entry *entry, void *data), void *data,
			   size_t *ret, struct error *err)
{
	CLEANUP_FLOW_LIST struct flow_list doomed = {0};
	int r = flow_find(t, refused, data, &doomed, err);

	return r < 0 ? r : flow_delete(t, &doomed, ret, err);
}

static size_t cut(struct seen *s)
{
	struct flow_table *t = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	size_t n = SIZE_MAX;
	int r;

	s->len = 0;
	assert_int_equal(flow_open(-1, &t, &err), 0);
	r = find_and_delete(t, look, s, &n, &err);
	flow_close(t);
	if (r < 0)
		fail_msg("%s", error_text(&err));
	return n;
}

static size_t count(void)
{
	struct seen s = {0};
	size_t n = cut(&s);

	assert_int_equal(n, 0);
	n = s.len;
	free(s.items);
	return n;
}

static void assert_addr(const struct addr *a, const char *want)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(a, text), want);
}

/* ---- tests ---- */

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(count(), 0);
}

static void test_decodes_tcp(void **state)
{
	struct seen s = {0};

	(void)state;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 40000, 5432, NULL, 0});
	assert_int_equal(cut(&s), 0);
	assert_int_equal(s.len, 1);
	assert_addr(&s.items[0].orig_src, "10.0.0.1");
	assert_addr(&s.items[0].orig_dst, "10.0.0.2");
	assert_addr(&s.items[0].reply_src, "10.0.0.2");
	assert_addr(&s.items[0].reply_dst, "10.0.0.1");
	assert_int_equal(s.items[0].protocol, IPPROTO_TCP);
	assert_int_equal(s.items[0].orig_sport, 40000);
	assert_int_equal(s.items[0].orig_dport, 5432);
	assert_int_equal(s.items[0].reply_sport, 5432);
	assert_int_equal(s.items[0].reply_dport, 40000);
	assert_false(s.items[0].dnat);
	assert_true(s.items[0].answered);
	assert_int_equal(s.items[0].zone, 0);
	assert_int_not_equal(s.items[0].id, 0);
	free(s.items);
}

static void test_decodes_what_nobody_answered(void **state)
{
	struct seen s = {0};

	(void)state;
	unanswered = true;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 40000, 5432, NULL, 0});
	unanswered = false;
	assert_int_equal(cut(&s), 0);
	assert_int_equal(s.len, 1);
	assert_false(s.items[0].answered);
	free(s.items);
}

/* Whether conntrack has it so, which ends go to whom once it is turned, and whether its ports told. */
static void assert_turned(uint16_t sport, uint16_t dport, bool told, uint16_t server)
{
	struct spec spec = {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, sport, dport, NULL, 0};
	struct seen s = {.refuse_all = true};
	struct flow_entry *e;

	must_make(&spec);
	assert_int_equal(cut(&s), 1);
	e = s.items;
	assert_int_equal(e->midway, midway);
	assert_int_equal(flow_entry_turn(e), told);
	assert_int_equal(e->reply_sport, server);
	assert_int_equal(e->orig_dport, server);
	assert_int_equal(e->orig_sport, server == dport ? sport : dport);
	assert_int_equal(e->reply_dport, e->orig_sport);
	assert_addr(&e->orig_src, server == dport ? "10.0.0.1" : "10.0.0.2");
	assert_addr(&e->reply_dst, server == dport ? "10.0.0.1" : "10.0.0.2");
	assert_addr(&e->orig_dst, server == dport ? "10.0.0.2" : "10.0.0.1");
	assert_addr(&e->reply_src, server == dport ? "10.0.0.2" : "10.0.0.1");
	free(s.items);
}

static void test_turns_what_was_met_midway(void **state)
{
	struct flow_entry translated = {
		.protocol = IPPROTO_TCP,
		.orig_src = addr("172.18.0.2"),
		.orig_dst = addr("192.0.2.9"),
		.reply_src = addr("192.0.2.9"),
		.reply_dst = addr("192.0.2.1"),
		.orig_sport = 443,
		.orig_dport = 40000,
		.reply_sport = 40000,
		.reply_dport = 443,
		.midway = true,
	};

	(void)state;
	assert_turned(40000, 5432, true, 5432);
	assert_turned(5432, 40000, true, 40000);
	midway = true;
	assert_turned(40000, 5432, true, 5432);
	assert_turned(5432, 40000, true, 5432);
	assert_turned(1023, 2049, false, 2049);
	assert_turned(50051, 40000, false, 40000);
	midway = false;
	assert_false(flow_entry_turn(&translated));
	assert_addr(&translated.orig_src, "172.18.0.2");
}

static void test_decodes_dnat(void **state)
{
	struct seen s = {0};
	int r = make(
		&(struct spec) {"192.0.2.9", "192.0.2.1", IPPROTO_UDP, 999, 53, "172.18.0.2", 0});

	(void)state;
	/* No NAT in this kernel, or its module may not be loaded from here. */
	if (r == -EOPNOTSUPP || r == -EAGAIN)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(cut(&s), 0);
	assert_addr(&s.items[0].orig_dst, "192.0.2.1");
	assert_addr(&s.items[0].reply_src, "172.18.0.2");
	assert_true(s.items[0].dnat);
	free(s.items);
}

static void test_decodes_icmp_and_v6(void **state)
{
	struct seen s = {0};

	(void)state;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 77, 8 << 8, NULL, 0});
	assert_int_equal(cut(&s), 0);
	assert_int_equal(s.items[0].icmp_id, 77);
	assert_int_equal(s.items[0].icmp_type, 8);
	assert_int_equal(s.items[0].orig_dport, 0);
	s.refuse_all = true;
	assert_int_equal(cut(&s), 1);
	s.refuse_all = false;

	must_make(&(struct spec) {"2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 78, 128 << 8, NULL,
				  0});
	assert_int_equal(cut(&s), 0);
	assert_int_equal(s.len, 1);
	assert_addr(&s.items[0].reply_src, "2001:db8::2");
	assert_int_equal(s.items[0].icmp_id, 78);
	assert_int_equal(s.items[0].icmp_type, 128);
	s.refuse_all = true;
	assert_int_equal(cut(&s), 1);
	assert_int_equal(count(), 0);
	free(s.items);
}

static void test_cuts_what_is_refused_alone(void **state)
{
	struct seen s = {.refuse_port = 22};

	(void)state;
	for (uint16_t i = 1; i <= 300; i++) {
		must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, i, 22, NULL, 0});
		must_make(
			&(struct spec) {"2001:db8::1", "2001:db8::2", IPPROTO_UDP, i, 53, NULL, 0});
	}
	assert_int_equal(cut(&s), 300);
	assert_int_equal(s.len, 600);
	assert_int_equal(cut(&s), 0);
	assert_int_equal(s.len, 300);
	for (size_t i = 0; i < s.len; i++)
		assert_int_equal(s.items[i].reply_sport, 53);
	free(s.items);
}

/* QUAYWALL_FLOWS=50000 in the environment for the full size. */
static void test_a_large_table(void **state)
{
	const char *wanted = getenv("QUAYWALL_FLOWS");
	size_t n = wanted ? strtoul(wanted, NULL, 10) : 4000;
	struct seen s = {.refuse_port = 22};

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char src[ADDR_TEXT_SIZE];

		snprintf(src, sizeof(src), "10.%zu.%zu.1", 1 + i / 200 / 200, i / 200 % 200);
		must_make(&(struct spec) {src, "10.0.0.2", IPPROTO_TCP, (uint16_t)(1 + i % 200),
					  i % 2 ? 22 : 53, NULL, 0});
	}
	assert_int_equal(cut(&s), n / 2);
	assert_int_equal(s.len, n);
	assert_int_equal(count(), n - n / 2);
	free(s.items);
}

static void test_zones_are_different_flows(void **state)
{
	struct seen s = {.refuse_port = 80};

	(void)state;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 0});
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 7});
	assert_int_equal(cut(&s), 2);
	assert_int_equal(s.items[0].zone + s.items[1].zone, 7);
	assert_int_equal(count(), 0);
	free(s.items);
}

/* Deletes the entry under the hands of the cutting and makes it anew. The id is a hash of where the entry
 * lies in memory; the filler takes the place that was just freed on this CPU. */
static bool replace(const struct flow_entry *entry, void *data)
{
	struct seen s = {.refuse_all = true};
	bool *replaced = data;

	(void)entry;
	if (*replaced)
		return false;
	*replaced = true;
	assert_int_equal(cut(&s), 1);
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 2, 81, NULL, 0});
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 0});
	free(s.items);
	return true;
}

static void stay_on_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void test_a_successor_of_the_same_tuple_stays(void **state)
{
	CLEANUP_FLOW struct flow_table *t = NULL;
	bool replaced = false;
	size_t n = SIZE_MAX;

	(void)state;
	stay_on_this_cpu();
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 0});
	assert_int_equal(flow_open(-1, &t, NULL), 0);
	assert_int_equal(find_and_delete(t, replace, &replaced, &n, NULL), 0);
	assert_true(replaced);
	assert_int_equal(n, 0);
	assert_int_equal(count(), 2);
}

static void test_opens_in_another_namespace(void **state)
{
	CLEANUP_FD int other = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	CLEANUP_FLOW struct flow_table *t = NULL;
	struct seen s = {0};
	size_t n;

	(void)state;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 0});
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(count(), 0);
	assert_int_equal(flow_open(other, &t, NULL), 0);
	/* And this thread is back where it was. */
	assert_int_equal(count(), 0);
	assert_int_equal(find_and_delete(t, look, &s, &n, NULL), 0);
	assert_int_equal(s.len, 1);
	free(s.items);
}

/* ---- events ---- */

struct heard {
	struct flow_event *items;
	size_t len, cap;
};

static void hear(const struct flow_event *event, void *data)
{
	struct heard *h = data;

	MEM_PUSH(h, *event);
}

/* All that has come; whether something was lost. The kernel tells of a change before it acknowledges it. */
static bool hear_all(struct flow_events *e, struct heard *h)
{
	bool any = false, lost;
	int r;

	h->len = 0;
	do {
		r = flow_events_read(e, hear, h, &lost, NULL);
		any |= lost;
	} while (r == 1);
	assert_int_equal(r, 0);
	return any;
}

static void test_events(void **state)
{
	CLEANUP_FLOW_EVENTS struct flow_events *e = NULL;
	struct heard h = {0};
	struct seen s = {.refuse_port = 53};

	(void)state;
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 1, 80, NULL, 0});
	assert_int_equal(flow_events_open(-1, &e, NULL), 0);
	assert_false(hear_all(e, &h));
	assert_int_equal(h.len, 0);
	must_make(&(struct spec) {"2001:db8::1", "2001:db8::2", IPPROTO_UDP, 2, 53, NULL, 0});
	assert_false(hear_all(e, &h));
	assert_int_equal(h.len, 1);
	assert_int_equal(h.items[0].kind, FLOW_BEGINS);
	assert_addr(&h.items[0].entry.reply_src, "2001:db8::2");
	assert_int_equal(h.items[0].entry.orig_dport, 53);
	assert_false(h.items[0].counted);
	assert_int_equal(cut(&s), 1);
	assert_false(hear_all(e, &h));
	assert_int_equal(h.len, 1);
	assert_int_equal(h.items[0].kind, FLOW_ENDS);
	assert_int_equal(h.items[0].entry.orig_sport, 2);
	free(h.items);
	free(s.items);
}

/* More than fits: that it was lost is said, and what comes then is heard again. */
static void test_events_that_are_lost(void **state)
{
	CLEANUP_FLOW_EVENTS struct flow_events *e = NULL;
	struct heard h = {0};
	int small = 1;

	(void)state;
	assert_int_equal(flow_events_open(-1, &e, NULL), 0);
	assert_int_equal(
		setsockopt(flow_events_fd(e), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (uint16_t i = 1; i <= 200; i++)
		must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_UDP, i, 53, NULL, 0});
	assert_true(hear_all(e, &h));
	assert_in_range(h.len, 1, 199);
	must_make(&(struct spec) {"10.0.0.1", "10.0.0.2", IPPROTO_UDP, 999, 53, NULL, 0});
	assert_false(hear_all(e, &h));
	assert_int_equal(h.len, 1);
	free(h.items);
}

/* ---- one namespace for each test ---- */

static int enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return netlink_open(NETLINK_NETFILTER, -1, 0, &conntrack, NULL);
}

static int leave(void **state)
{
	(void)state;
	netlink_cleanup(&conntrack);
	conntrack = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, enter, leave),
		cmocka_unit_test_setup_teardown(test_decodes_tcp, enter, leave),
		cmocka_unit_test_setup_teardown(test_turns_what_was_met_midway, enter, leave),
		cmocka_unit_test_setup_teardown(test_decodes_what_nobody_answered, enter, leave),
		cmocka_unit_test_setup_teardown(test_decodes_dnat, enter, leave),
		cmocka_unit_test_setup_teardown(test_decodes_icmp_and_v6, enter, leave),
		cmocka_unit_test_setup_teardown(test_cuts_what_is_refused_alone, enter, leave),
		cmocka_unit_test_setup_teardown(test_a_large_table, enter, leave),
		cmocka_unit_test_setup_teardown(test_zones_are_different_flows, enter, leave),
		cmocka_unit_test_setup_teardown(test_a_successor_of_the_same_tuple_stays, enter,
						leave),
		cmocka_unit_test_setup_teardown(test_events, enter, leave),
		cmocka_unit_test_setup_teardown(test_events_that_are_lost, enter, leave),
		cmocka_unit_test_setup_teardown(test_opens_in_another_namespace, enter, leave),
	};

	/* 77 is a skipped test to meson. */
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
