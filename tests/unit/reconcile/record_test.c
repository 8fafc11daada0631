#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>

#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "little.h"
#include "../../../controller/reconcile/cut.h"
#include "../../../controller/reconcile/record.h"

static const char shop[] =
	"policy: shop\n"
	"for: [{name: web}, {name: db}]\n"
	"allow:\n"
	"  - {from: {name: web}, to: {name: db}, ports: [5432]}\n"
	"deny: [{from: {name: web}, to: {interface: eth*}, ports: [444]}]\n"
	"publish:\n"
	"  - {to: {name: web}, port: 8080, from: 203.0.113.0/24, limit: {new: 1/second}}\n";

static const struct record_interfaces between = {"br-front", "br-front", "veth1"};
static const struct timespec at = {.tv_sec = 1700000000, .tv_nsec = 5000000};
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

static struct flow_packet packet(const char *prefix, const char *from, const char *to,
				 uint16_t port)
{
	struct flow_packet p = {
		.family = AF_INET,
		.ethertype = ETH_P_IP,
		.length = 60,
		.tuple = {.protocol = IPPROTO_TCP,
			  .has_ports = true,
			  .sport = 40000,
			  .dport = port},
	};

	snprintf(p.prefix, sizeof(p.prefix), "%s", prefix);
	addr_parse(from, &p.tuple.src);
	addr_parse(to, &p.tuple.dst);
	return p;
}

/* As conntrack has it: the client asked for the host's port, which is the container's PORT. */
static void translate(struct flow_packet *p, const char *asked, uint16_t asked_port)
{
	p->has_entry = true;
	p->entry = (struct flow_entry) {
		.orig_src = p->tuple.src,
		.reply_src = p->tuple.dst,
		.reply_dst = p->tuple.src,
		.protocol = IPPROTO_TCP,
		.orig_sport = p->tuple.sport,
		.orig_dport = asked_port,
		.reply_sport = p->tuple.dport,
		.reply_dport = p->tuple.sport,
		.dnat = true,
	};
	addr_parse(asked, &p->entry.orig_dst);
}

static void expect(const json_t *record, const char *outer, const char *inner, const char *want)
{
	const json_t *value = json_object_get(record, outer);
	CLEANUP_FREE char *text = NULL;

	if (inner)
		value = json_object_get(value, inner);
	text = json_dumps(value, JSON_ENCODE_ANY);
	assert_string_equal(text ? text : "absent", want);
}

static void test_the_rules_of_others_are_none_of_ours(void **state)
{
	struct flow_packet p = packet("DROP: ", "172.18.0.3", "172.18.0.2", 22);

	(void)state;
	assert_null(record_of_packet(w.compiled, &p, &between, &at));
	snprintf(p.prefix, sizeof(p.prefix), "%s", "quaywall refusedness");
	assert_null(record_of_packet(w.compiled, &p, &between, &at));
	snprintf(p.prefix, sizeof(p.prefix), "%s", "quaywall ");
	assert_null(record_of_packet(w.compiled, &p, &between, &at));
}

static void test_overlay_networks(void **state)
{
	static const struct {
		const char *prefix, *decided_by;
		bool stranger;
	} cases[] = {
		{"quaywall cleartext", "overlay.plaintext", false},
		{"quaywall stranger", "overlay.strangers", true},
	};
	const struct record_interfaces names = {.in = "eth0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_packet p = packet(cases[i].prefix, "192.0.2.9", "192.0.2.1", 4789);
		CLEANUP_JSON json_t *record = record_of_packet(w.compiled, &p, &names, &at);
		enum flow_verdict verdict;
		struct flow f;

		assert_non_null(record);
		assert_string_equal(json_string_value(json_object_get(record, "verdict")),
				    "refused");
		assert_string_equal(json_string_value(json_object_get(record, "decided_by")),
				    cases[i].decided_by);
		assert_true(json_is_null(json_object_get(record, "egress")));
		assert_false(json_is_true(json_object_get(record, "passed")));
		assert_int_equal(record_is_stranger(&p), cases[i].stranger);
		assert_false(record_flow(w.compiled, &p, &names, &f, &verdict));
	}
}

/* What a chain logged counts where that chain counts; what a rule of a policy logged does not come there. */
static void test_what_chains_count(void **state)
{
	static const struct {
		const char *prefix;
		bool counted;
	} cases[] = {
		{"quaywall refused", true},	      {"quaywall audit spoofed", true},
		{"quaywall audit unknown", true},     {"quaywall accepted shop.yaml:4 sql", false},
		{"quaywall refused a.yaml:6", false}, {"DROP: ", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_packet p = packet(cases[i].prefix, "172.18.0.3", "172.18.0.2", 22);

		assert_int_equal(record_was_counted(&p), cases[i].counted);
	}
	for (size_t i = 0; i < COMPILE_COUNTED; i++) {
		CLEANUP_FREE char *prefix =
			mem_printf("quaywall %s", compile_counted_chain(i)->word);
		struct flow_packet p = packet(prefix, "172.18.0.3", "172.18.0.2", 22);

		assert_true(record_was_counted(&p));
	}
	assert_null(compile_counted_chain(COMPILE_COUNTED));
}

static void test_between_containers(void **state)
{
	struct flow_packet p = packet("quaywall refused", "172.18.0.3", "172.18.0.2", 22);
	CLEANUP_JSON json_t *r = record_of_packet(w.compiled, &p, &between, &at);

	(void)state;
	expect(r, "time", NULL, "\"2023-11-14T22:13:20.005Z\"");
	expect(r, "verdict", NULL, "\"refused\"");
	expect(r, "passed", NULL, "false");
	expect(r, "from", "container", "\"web\"");
	expect(r, "from", "port", "40000");
	expect(r, "to", "container", "\"db\"");
	expect(r, "ports", NULL, "\"22/tcp\"");
	expect(r, "published", NULL, "null");
	expect(r, "decided_by", NULL, "\"egress\"");
	expect(r, "egress", "policy", "\"shop\"");
	expect(r, "logged_by", NULL, "null");
	expect(r, "port", NULL, "\"veth1\"");
}

static void test_a_published_port(void **state)
{
	static const struct record_interfaces outside = {"eth0", "br-front", NULL};
	struct flow_packet p = packet("quaywall refused", "198.51.100.7", "172.18.0.3", 80);
	CLEANUP_JSON json_t *refused = NULL, *limited = NULL;

	(void)state;
	translate(&p, "192.0.2.1", 8080);
	refused = record_of_packet(w.compiled, &p, &outside, &at);
	expect(refused, "from", "kind", "\"outside\"");
	expect(refused, "published", NULL, "8080");
	expect(refused, "to", "port", "80");
	expect(refused, "ingress", "reason", "\"not-published\"");
	p = packet("quaywall refused", "203.0.113.7", "172.18.0.3", 80);
	translate(&p, "192.0.2.1", 8080);
	limited = record_of_packet(w.compiled, &p, &outside, &at);
	expect(limited, "why", NULL, "\"more than a rule's limit lets pass\"");
}

/* From a kernel that does not send conntrack's entry along. */
static void test_a_published_port_without_conntrack(void **state)
{
	static const struct record_interfaces outside = {"eth0", "br-front", NULL};
	struct flow_packet p = packet("quaywall refused", "198.51.100.7", "172.18.0.3", 80);
	struct flow_packet other = packet("quaywall refused", "198.51.100.7", "172.18.0.3", 81);
	CLEANUP_JSON json_t *published = record_of_packet(w.compiled, &p, &outside, &at);
	CLEANUP_JSON json_t *straight = record_of_packet(w.compiled, &other, &outside, &at);

	(void)state;
	expect(published, "published", NULL, "8080");
	expect(published, "ingress", "reason", "\"not-published\"");
	expect(straight, "published", NULL, "null");
	expect(straight, "ingress", "reason", "\"isolated\"");
}

/* A policy that asks for the interface gets the packet's own. */
static void test_by_interface(void **state)
{
	static const struct record_interfaces out = {"br-front", "eth0", NULL};
	struct flow_packet p =
		packet("quaywall refused shop.yaml:5", "172.18.0.3", "198.51.100.7", 444);
	CLEANUP_JSON json_t *r = record_of_packet(w.compiled, &p, &out, &at);

	(void)state;
	expect(r, "egress", "reason", "\"deny-rule\"");
	expect(r, "logged_by", NULL, "\"shop.yaml:5\"");
}

static void test_audit_and_unknown(void **state)
{
	struct flow_packet p = packet("quaywall audit unknown", "172.18.0.77", "172.18.0.2", 22);
	CLEANUP_JSON json_t *unknown = record_of_packet(w.compiled, &p, &between, &at);
	CLEANUP_JSON json_t *audit = NULL;

	(void)state;
	expect(unknown, "verdict", NULL, "\"unknown\"");
	expect(unknown, "passed", NULL, "true");
	expect(unknown, "from", "kind", "\"unknown\"");
	snprintf(p.prefix, sizeof(p.prefix), "%s", "quaywall audit");
	audit = record_of_packet(w.compiled, &p, &between, &at);
	expect(audit, "verdict", NULL, "\"audit\"");
}

/* What the rules of now let pass was logged by those before, or is no beginning. */
static void test_allowed_by_now(void **state)
{
	struct flow_packet p = packet("quaywall refused", "172.18.0.3", "172.18.0.2", 5432);
	CLEANUP_JSON json_t *r = record_of_packet(w.compiled, &p, &between, &at);

	(void)state;
	expect(r, "why", NULL,
	       "\"not by the rules of now: no beginning of a flow, or judged by those before\"");
}

static void test_a_spoofed_frame(void **state)
{
	struct flow_packet p = packet("quaywall spoofed", "172.18.0.2", "172.18.0.1", 0);
	CLEANUP_JSON json_t *known = NULL, *other = NULL;

	(void)state;
	snprintf(w.model->endpoints[1].port, MODEL_IFNAME_SIZE, "%s", "veth1"); /* web's */
	p.tuple.protocol = 0;
	p.tuple.has_ports = false;
	p.ethertype = ETH_P_ARP;
	p.has_mac = true;
	known = record_of_packet(w.compiled, &p, &between, &at);
	expect(known, "from", "container", "\"web\"");
	expect(known, "from", "address", "\"172.18.0.2\"");
	expect(known, "ports", NULL, "\"arp\"");
	expect(known, "decided_by", NULL, "\"antispoof\"");
	expect(known, "mac", NULL, "\"00:00:00:00:00:00\"");
	snprintf(w.model->endpoints[1].port, MODEL_IFNAME_SIZE, "%s", "");
	p.tuple.src.family = p.tuple.dst.family = 0;
	p.ethertype = 0x88cc;
	other = record_of_packet(w.compiled, &p, &between, &at);
	expect(other, "from", "kind", "\"unknown\"");
	expect(other, "ports", NULL, "\"ethertype 0x88cc\"");
}

static void test_other_protocols(void **state)
{
	struct flow_packet p = packet("quaywall refused", "172.18.0.3", "172.18.0.2", 0);
	CLEANUP_JSON json_t *gre = NULL, *icmp = NULL;

	(void)state;
	p.tuple = (struct flow_tuple) {.src = p.tuple.src, .dst = p.tuple.dst, .protocol = 47};
	gre = record_of_packet(w.compiled, &p, &between, &at);
	expect(gre, "ports", NULL, "\"protocol 47\"");
	expect(gre, "to", "port", "null");
	p.tuple.protocol = IPPROTO_ICMP;
	p.tuple.has_icmp = true;
	p.tuple.icmp_type = 3;
	p.has_inner = true;
	p.inner = (struct flow_tuple) {.protocol = IPPROTO_UDP, .has_ports = true, .dport = 53};
	addr_parse("172.18.0.2", &p.inner.src);
	addr_parse("172.18.0.3", &p.inner.dst);
	icmp = record_of_packet(w.compiled, &p, &between, &at);
	expect(icmp, "ports", NULL, "\"icmp\"");
	expect(icmp, "icmp", "type", "3");
	expect(icmp, "quoted", "to_port", "53");
}

static json_t *of_event(const char *from, const char *to, uint16_t port, enum record_state state)
{
	struct cut_view view = cut_view_of(w.compiled, NULL);
	struct flow_packet p = packet("", from, to, port);
	struct flow_event event = {
		.counted = state == RECORD_ENDS, .packets = {3, 2}, .bytes = {180, 1400}};
	struct verdict v;
	struct flow f;

	translate(&p, to, port);
	p.entry.dnat = false;
	p.entry.id = 77;
	event.entry = p.entry;
	assert_true(cut_verdict(&view, &event.entry, &f, &v));
	return record_of_event(w.compiled, &f, &v, &event, state, &at);
}

static void test_flows_that_pass(void **state)
{
	CLEANUP_JSON json_t *begins = of_event("172.18.0.3", "172.18.0.2", 5432, RECORD_BEGINS);
	CLEANUP_JSON json_t *ends = of_event("172.18.0.3", "172.18.0.2", 5432, RECORD_ENDS);
	/* Not by the rules of now: it is told, with that. */
	CLEANUP_JSON json_t *before = of_event("172.18.0.3", "172.18.0.2", 22, RECORD_FOUND);

	(void)state;
	expect(begins, "verdict", NULL, "\"accepted\"");
	expect(begins, "state", NULL, "\"begins\"");
	expect(begins, "ingress", "where", "\"p.yaml:4\"");
	expect(begins, "to", "port", "5432");
	expect(begins, "why", NULL, "null");
	expect(begins, "sent", NULL, "null");
	expect(begins, "id", NULL, "77");
	expect(ends, "state", NULL, "\"ends\"");
	expect(ends, "sent", "packets", "3");
	expect(ends, "answered", "bytes", "1400");
	expect(before, "state", NULL, "\"found\"");
	expect(before, "verdict", NULL, "\"accepted\"");
	expect(before, "why", NULL, "\"refused by the rules of now: judged by those before\"");
}

/* What is learned of a packet. */
static void test_the_flow_that_it_began(void **state)
{
	struct flow_packet p = packet("quaywall audit", "172.18.0.3", "172.18.0.2", 22);
	enum flow_verdict verdict;
	struct flow f;

	(void)state;
	assert_true(record_flow(w.compiled, &p, &between, &f, &verdict));
	assert_int_equal(verdict, FLOW_AUDIT);
	assert_int_equal(f.to.kind, END_ENDPOINT);
	assert_int_equal(f.port, 22);
	snprintf(p.prefix, sizeof(p.prefix), "%s", "quaywall refused p.yaml:3");
	assert_true(record_flow(w.compiled, &p, &between, &f, &verdict));
	assert_int_equal(verdict, FLOW_DENY);
	snprintf(p.prefix, sizeof(p.prefix), "%s", "quaywall accepted p.yaml:3");
	assert_true(record_flow(w.compiled, &p, &between, &f, &verdict));
	assert_int_equal(verdict, FLOW_ALLOW);
}

static void test_what_begins_no_flow(void **state)
{
	static const char *const prefixes[] = {"quaywall unknown", "quaywall spoofed", "other"};
	struct flow_packet p = packet("", "172.18.0.3", "172.18.0.2", 22);
	enum flow_verdict verdict;
	struct flow f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		snprintf(p.prefix, sizeof(p.prefix), "%s", prefixes[i]);
		assert_false(record_flow(w.compiled, &p, &between, &f, &verdict));
	}
	p = packet("quaywall refused", "172.18.0.3", "172.18.0.2", 22);
	p.tuple.has_ports = false;
	assert_false(record_flow(w.compiled, &p, &between, &f, &verdict));
	/* An answer: conntrack has it the other way round. */
	p = packet("quaywall refused", "172.18.0.2", "172.18.0.3", 40000);
	p.has_entry = true;
	p.entry.orig_src = p.tuple.dst;
	p.entry.reply_src = p.tuple.src;
	assert_false(record_flow(w.compiled, &p, &between, &f, &verdict));
	/* From outside to outside: nobody's here. */
	p = packet("quaywall refused", "203.0.113.7", "203.0.113.8", 22);
	assert_false(record_flow(w.compiled, &p, &between, &f, &verdict));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_flow_that_it_began),
		cmocka_unit_test(test_what_begins_no_flow),
		cmocka_unit_test(test_the_rules_of_others_are_none_of_ours),
		cmocka_unit_test(test_overlay_networks),
		cmocka_unit_test(test_what_chains_count),
		cmocka_unit_test(test_between_containers),
		cmocka_unit_test(test_a_published_port),
		cmocka_unit_test(test_a_published_port_without_conntrack),
		cmocka_unit_test(test_by_interface),
		cmocka_unit_test(test_audit_and_unknown),
		cmocka_unit_test(test_allowed_by_now),
		cmocka_unit_test(test_a_spoofed_frame),
		cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_flows_that_pass),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
