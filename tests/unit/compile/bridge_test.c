#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

static const char shop[] = "policy: shop\nfor: {project: shop}\n";

/* Each endpoint has the MAC that its address gives, as on old engines; the one with this address PORT. */
struct port {
	const char *addr, *port;
};

static void set_ports(struct model *m, const struct port *ports, size_t n)
{
	for (size_t i = 0; i < m->nendpoints; i++) {
		char text[ADDR_TEXT_SIZE];

		m->endpoints[i].has_mac = true;
		memcpy(m->endpoints[i].mac, (uint8_t[]) {2, 0x42}, 2);
		memcpy(m->endpoints[i].mac + 2, m->endpoints[i].addr4.bytes, 4);
		addr_format(&m->endpoints[i].addr4, text);
		for (size_t p = 0; p < n; p++)
			if (!strcmp(text, ports[p].addr))
				snprintf(m->endpoints[i].port, sizeof(m->endpoints[i].port), "%s",
					 ports[p].port);
	}
}

/* NULL: no table is wanted. */
static char *table_with(const char *settings, const char *yaml, const struct port *ports, size_t n)
{
	struct test_case t;
	struct ruleset *r CLEANUP_RULESET = NULL;
	struct buf out = BUF_INIT;

	case_load(&t, settings, yaml, case_shop);
	set_ports(t.model, ports, n);
	r = compile_bridge_ruleset(t.compiled);
	if (r)
		ruleset_print(r, &out);
	case_done(&t);
	return r ? buf_steal(&out) : NULL;
}

static char *table(const char *settings, const char *yaml)
{
	return table_with(settings, yaml, NULL, 0);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}

/* ---- ports ---- */

static void test_a_port_is_bound_to_the_addresses_of_its_container(void **state)
{
	static const struct port ports[] = {{"172.18.0.2", "vethA"}, {"172.19.0.2", "vethB"}};
	CLEANUP_FREE char *text = table_with("counters: false\n", shop, ports, 2);

	(void)state;
	assert_has(text, "\"vethA\" . 02:42:ac:12:00:02 . 172.18.0.2 ");
	assert_has(text, "\"vethA\" . 02:42:ac:12:00:02 . 0.0.0.0 ");
	/* Of the same container, on another network. */
	assert_has(text, "\"vethA\" . 02:42:ac:12:00:02 . 172.19.0.2 ");
	assert_lacks(text, "\"vethA\" . 02:42:ac:13:00:02");
	assert_has(text, "\"vethA\" . 02:42:ac:12:00:02 . fe80::42:acff:fe12:2 ");
	assert_lacks(text, "\"vethA\" . 02:42:ac:12:00:02 . fe80::42:acff:fe13:2 ");
	assert_has(text, "\"vethA\" . 0xfe800000000000000042acfffe120002 ");
	assert_has(text, "\"vethB\" comment \"shop/web (w1)\"");
	assert_lacks(text, "172.18.0.3");
}

static void test_a_mac_and_its_link_local_address_are_taken_without_a_port(void **state)
{
	CLEANUP_FREE char *text = table("counters: false\n", shop);

	(void)state;
	assert_has(text, "\tset bound {\n\t\ttype ifname . ether_addr\n\t}\n");
	assert_has(text, "02:42:ac:12:00:02 comment \"shop/web (w1)\"");
	assert_has(text, "fe80::42:acff:fe12:2 comment");
	assert_has(text, "0xfe800000000000000042acfffe120002 comment");
}

static void test_addresses_of_a_document_are_for_every_port_of_its_containers(void **state)
{
	static const struct port ports[] = {{"172.18.0.2", "vethA"}, {"172.19.0.4", "vethD"}};
	CLEANUP_FREE char *text = table_with(
		"counters: false\n",
		"policy: shop\nfor: {project: shop, service: db}\naddresses: [10.9.0.0/24, \"fd09::7\"]\n",
		ports, 2);

	(void)state;
	assert_has(text, "\"vethD\" . 02:42:ac:13:00:04 . 10.9.0.0/24 ");
	assert_has(text, "\"vethD\" . 0xfd090000000000000000000000000007 ");
	assert_lacks(text, "\"vethA\" . 02:42:ac:12:00:02 . 10.9");
	assert_has(text, "iifname . arp saddr ether . arp saddr ip @own_blocks4 "
			 "iifname . ether saddr @bound accept\n");
	assert_has(text, "iifname . @nh,384,128 @target_blocks accept\n");
}

/* ---- what stands when ---- */

static void test_without_counters(void **state)
{
	CLEANUP_FREE char *text = table("counters: false\nlog: {rate: 0}\n", shop);
	CLEANUP_FREE char *logging = table("counters: false\n", shop);

	(void)state;
	assert_lacks(text, "counter");
	/* What the rate leaves out is counted all the same. */
	assert_lacks(logging, "counter goto");
	assert_has(logging, "chain refuse_spoofed {\n\t\tcounter\n\t\tlimit name \"log_rate\" log");
}

static void test_it_stands_wherever_something_is_refused(void **state)
{
	CLEANUP_FREE char *strict = table(NULL, shop);

	(void)state;
	assert_has(strict,
		   "iifname @bound_ports counter goto refuse_spoofed comment \"another's MAC\"\n");
	assert_has(strict, "ip saddr @subnets4 counter goto refuse_spoofed");
	assert_has(strict, "log prefix \"quaywall spoofed\" group 86\n\t\tdrop\n");
	assert_lacks(strict, "goto audit_spoofed");
	assert_null(table("antispoof: false\n", shop));
	assert_null(table(NULL, "policy: shop\nfor: {project: shop}\nisolate: []\n"));
}

static void test_where_rule_8_is_lifted_only_tagged_frames_are_refused(void **state)
{
	CLEANUP_FREE char *lifted = table("defaults: {unknown: allow}\n", shop);

	(void)state;
	assert_lacks(lifted, "bound");
	assert_lacks(lifted, "subnets4");
	assert_has(lifted, "ether type != ip6 counter goto refuse_spoofed");
}

static void test_where_rule_8_is_audited_so_is_this(void **state)
{
	CLEANUP_FREE char *text = table("defaults: {unknown: audit}\n", shop);

	(void)state;
	assert_has(text, "iifname @bound_ports counter goto audit_spoofed");
	assert_has(text, "ip saddr @subnets4 counter goto audit_spoofed");
}

static void test_the_mode_of_defaults_is_its_mode(void **state)
{
	CLEANUP_FREE char *all = table("defaults: {mode: audit}\n", shop);
	CLEANUP_FREE char *one = table("defaults: {mode: audit}\n",
				       "policy: shop\nfor: {project: shop}\nmode: enforce\n");

	(void)state;
	assert_lacks(all, "goto refuse_spoofed");
	assert_has(all, "iifname @bound_ports counter goto audit_spoofed");
	assert_has(all, "log prefix \"quaywall audit spoofed\" group 86\n\t\taccept\n");
	/* Tagged frames would pass the document that enforces. */
	assert_has(one, "iifname @bound_ports counter goto audit_spoofed");
	assert_has(one, "ether type != ip6 counter goto refuse_spoofed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_is_bound_to_the_addresses_of_its_container),
		cmocka_unit_test(test_a_mac_and_its_link_local_address_are_taken_without_a_port),
		cmocka_unit_test(test_addresses_of_a_document_are_for_every_port_of_its_containers),
		cmocka_unit_test(test_without_counters),
		cmocka_unit_test(test_it_stands_wherever_something_is_refused),
		cmocka_unit_test(test_where_rule_8_is_lifted_only_tagged_frames_are_refused),
		cmocka_unit_test(test_where_rule_8_is_audited_so_is_this),
		cmocka_unit_test(test_the_mode_of_defaults_is_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
