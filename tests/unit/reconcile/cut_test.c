#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "little.h"
#include "../../../controller/reconcile/cut.h"

static const char shop[] = "policy: shop\n"
			   "for: [{name: web}, {name: db}]\n"
			   "allow:\n"
			   "  - {from: {name: web}, to: {name: db}, ports: [5432]}\n"
			   "  - {from: {name: lone}, to: {name: web}, ports: [80]}\n"
			   "  - {from: {name: web}, to: {interface: wg*}, ports: [443]}\n"
			   "deny: [{from: {name: web}, to: {interface: eth*}, ports: [444]}]\n"
			   "publish:\n"
			   "  - {to: {name: web}, port: 8080, from: 203.0.113.0/24}\n";

static struct world w;

static int setup(void **state)
{
	(void)state;
	little_world(&w, shop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_drop(&w, NULL);
	return 0;
}

/* A flow as conntrack has it: from FROM to ASKED, which was turned into TO (port TO_PORT). */
static bool refused(const char *from, const char *asked, uint16_t asked_port, const char *to,
		    uint16_t to_port)
{
	struct flow_entry e = {
		.protocol = IPPROTO_TCP,
		.orig_sport = 40000,
		.orig_dport = asked_port,
		.reply_sport = to_port,
		.reply_dport = 40000,
		.dnat = strcmp(asked, to) != 0,
	};
	struct cut_view view;

	addr_parse(from, &e.orig_src);
	addr_parse(asked, &e.orig_dst);
	addr_parse(to, &e.reply_src);
	addr_parse(from, &e.reply_dst);
	view = cut_view_of(w.compiled, NULL);
	return cut_is_refused(&view, &e);
}

static bool plain(const char *from, const char *to, uint16_t port)
{
	return refused(from, to, port, to, port);
}

static void test_between_containers(void **state)
{
	(void)state;
	assert_false(plain("172.18.0.3", "172.18.0.2", 5432));
	assert_true(plain("172.18.0.3", "172.18.0.2", 22));
	assert_true(plain("172.18.0.2", "172.18.0.3", 5432));
}

static void test_what_touches_no_container_is_left_alone(void **state)
{
	(void)state;
	assert_false(plain("192.0.2.1", "198.51.100.1", 443));
	assert_false(plain("198.51.100.1", "192.0.2.1", 22));
	assert_false(plain("198.51.100.1", "203.0.113.1", 22));
}

static void test_an_unknown_end_is_refused(void **state)
{
	(void)state;
	assert_true(plain("172.18.0.99", "198.51.100.1", 443));
	assert_true(plain("172.18.0.3", "172.18.0.99", 443));
	assert_false(plain("192.0.2.1", "172.18.0.99", 443)); /* the host's own packets */
}

static void test_published_ports(void **state)
{
	(void)state;
	assert_false(refused("203.0.113.9", "192.0.2.1", 8080, "172.18.0.3", 80));
	assert_true(refused("198.51.100.9", "192.0.2.1", 8080, "172.18.0.3", 80));
	/* Straight to the container's address it is no published port. */
	assert_true(plain("203.0.113.9", "172.18.0.3", 80));
}

static void test_docker_proxys_two_halves(void **state)
{
	(void)state;
	/* A container that asks the host's port asks the container behind it. */
	assert_false(plain("172.19.0.2", "192.0.2.1", 8080));
	assert_true(plain("172.18.0.2", "192.0.2.1", 8080));
	/* The same by DNAT, as engines from 29 on do between bridges. */
	assert_false(refused("172.19.0.2", "192.0.2.1", 8080, "172.18.0.3", 80));
	/* So does a client outside, where the engine makes no DNAT. */
	assert_false(plain("203.0.113.9", "192.0.2.1", 8080));
	assert_true(plain("198.51.100.9", "192.0.2.1", 8080));
	assert_false(plain("198.51.100.9", "192.0.2.1", 8081));
	/* docker-proxy's own connection is the host's. */
	assert_false(plain("172.18.0.1", "172.18.0.3", 80));
}

static void test_interfaces_are_not_in_an_entry(void **state)
{
	(void)state;
	/* In the network of an interface: that one. */
	assert_false(plain("172.18.0.3", "10.9.0.7", 443));
	assert_true(plain("172.18.0.3", "192.0.2.7", 443));
	/* Elsewhere it may be the one that a rule names. */
	assert_false(plain("172.18.0.3", "198.51.100.7", 443));
	assert_true(plain("172.18.0.3", "198.51.100.7", 80));
	/* A deny counts as well. */
	assert_true(plain("172.18.0.3", "192.0.2.7", 444));
}

static bool comes_back(uint8_t protocol, const char *from, uint16_t from_port, const char *to,
		       uint16_t to_port)
{
	struct flow_entry e = {
		.protocol = protocol, .reply_sport = to_port, .reply_dport = from_port};

	addr_parse(to, &e.reply_src);
	addr_parse(from, &e.reply_dst);
	return cut_can_come_back(w.compiled, &e);
}

static void test_answers_that_would_begin_a_flow(void **state)
{
	(void)state;
	assert_true(comes_back(IPPROTO_TCP, "172.18.0.3", 40000, "172.18.0.2", 22));
	/* Also where a rule allows the flow the other way round: it begins with a SYN. */
	assert_true(comes_back(IPPROTO_TCP, "172.18.0.2", 5432, "172.18.0.3", 22));
	/* What is refused by itself needs no help. */
	assert_false(comes_back(IPPROTO_UDP, "172.18.0.3", 40000, "172.18.0.2", 53));
	/* Between others nothing is refused. */
	assert_true(comes_back(IPPROTO_UDP, "198.51.100.9", 40000, "192.0.2.1", 53));
	assert_false(comes_back(IPPROTO_GRE, "198.51.100.9", 0, "192.0.2.1", 0));
}

/* 172.18.0.2 is db, and 172.18.0.3 is web, which may reach its port 5432. */
static void test_answers_that_conntrack_took_for_a_beginning(void **state)
{
	struct flow_entry e = {.protocol = IPPROTO_TCP, .reply_sport = 40000, .midway = true};

	(void)state;
	addr_parse("172.18.0.3", &e.reply_src);
	addr_parse("172.18.0.2", &e.reply_dst);
	/* By the rule it goes on, once web sends. */
	e.reply_dport = 5432;
	assert_false(cut_can_come_back(w.compiled, &e));
	e.reply_dport = 5433;
	assert_true(cut_can_come_back(w.compiled, &e));
	e.reply_dport = 5432;
	e.midway = false;
	assert_true(cut_can_come_back(w.compiled, &e));
}

static void test_link_local_strangers(void **state)
{
	(void)state;
	assert_true(plain("fe80::99", "fd00:18::3", 80));
	/* The metadata service of a cloud is somewhere outside. */
	assert_false(plain("172.19.0.2", "169.254.169.254", 80));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_between_containers),
		TEST(test_what_touches_no_container_is_left_alone),
		TEST(test_an_unknown_end_is_refused),
		TEST(test_published_ports),
		TEST(test_docker_proxys_two_halves),
		TEST(test_answers_that_would_begin_a_flow),
		TEST(test_answers_that_conntrack_took_for_a_beginning),
		TEST(test_link_local_strangers),
		TEST(test_interfaces_are_not_in_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
