#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

/*
 * What of the ruleset follows from which input. Whole rulesets are the golden tests' matter; whether the
 * kernel does with them what the verdict says is shown by packets, in tests/differential.
 */

static char *text_of(const struct test_case *t)
{
	struct ruleset *r = compile_ruleset(t->compiled);
	struct buf out = BUF_INIT;

	ruleset_print(r, &out);
	ruleset_free(r);
	return buf_steal(&out);
}

static char *compiled_text(const char *settings, const char *yaml, const char *snapshot)
{
	struct test_case t;
	char *text;

	case_load(&t, settings, yaml, snapshot);
	text = text_of(&t);
	case_done(&t);
	return text;
}

#define assert_has(text, part)	 assert_non_null(strstr(text, part))
#define assert_lacks(text, part) assert_null(strstr(text, part))

static const char shop_web[] = "policy: shop\nfor: {project: shop}\nallow:\n"
			       "  - {from: {service: web}, to: {service: db}, ports: [5432]}\n";

static void test_a_container_is_an_element_not_a_rule(void **state)
{
	static const char second[] = "{\"id\":\"e6\"";
	CLEANUP_FREE char *snapshot = mem_strdup(case_shop);
	struct ruleset_diff diff = {NULL, 0, 0};
	struct test_case before, after;
	struct ruleset *old, *new;

	(void)state;
	/* The worker's endpoint gets another address: the same skeleton, other elements. */
	memcpy(strstr(strstr(snapshot, second), "172.19.0.5"), "172.19.0.9", 10);
	case_load(&before, NULL, shop_web, case_shop);
	case_load(&after, NULL, shop_web, snapshot);
	old = compile_ruleset(before.compiled);
	new = compile_ruleset(after.compiled);
	ruleset_compare(old, new, &diff);
	assert_true(diff.len > 0);
	for (size_t i = 0; i < diff.len; i++)
		assert_true(diff.items[i].kind == CHANGE_DELETE_ELEMENTS ||
			    diff.items[i].kind == CHANGE_ADD_ELEMENTS);
	ruleset_diff_done(&diff);
	ruleset_free(old);
	ruleset_free(new);
	case_done(&before);
	case_done(&after);
}

static void test_compiling_twice_gives_the_same(void **state)
{
	CLEANUP_FREE char *first = compiled_text(NULL, shop_web, case_shop);
	CLEANUP_FREE char *second = compiled_text(NULL, shop_web, case_shop);

	(void)state;
	assert_string_equal(first, second);
}

static void test_consent_needs_both_ends(void **state)
{
	CLEANUP_FREE char *text = compiled_text(NULL, shop_web, case_shop);

	(void)state;
	assert_has(text, "set from_shop/web.allow_port4 {\n");
	assert_has(text, "172.19.0.4 . tcp . 5432 counter comment \"p.yaml:4\"");
	assert_has(text, "set to_shop/db.allow_port4 {\n");
	assert_has(text, "172.18.0.2 . tcp . 5432 counter comment \"p.yaml:4\"");
	assert_lacks(text, "set to_shop/web.allow_port4");
}

/* The worker's endpoint shows ADDR, whoever's that is. */
static char *text_with_worker_at(const char addr[static 10])
{
	CLEANUP_FREE char *snapshot = mem_strdup(case_shop);

	memcpy(strstr(snapshot, "172.19.0.5"), addr, 10);
	return compiled_text(NULL, shop_web, snapshot);
}

static void test_an_address_with_two_owners_is_nobodys(void **state)
{
	CLEANUP_FREE char *text = text_with_worker_at("172.19.0.4"); /* db's */

	(void)state;
	assert_lacks(text, "\"br-2\" . 172.19.0.4 ");
	assert_has(text, "\"br-2\" . 172.19.0.3 ");
}

/* It reaches no port as the container that publishes it. */
static void test_who_has_the_address_of_a_publisher_is_not_it(void **state)
{
	CLEANUP_FREE char *text = text_with_worker_at("172.19.0.2");

	(void)state;
	assert_lacks(text, "\"br-2\" . 172.19.0.2 ");
	assert_has(text, "\"br-1\" . 172.18.0.2 . 172.19.0.2");
	assert_has(text, "\"br-1\" . 172.18.0.2 . tcp . 443 : return");
}

static void test_an_endpoint_without_a_container_is_unknown(void **state)
{
	CLEANUP_FREE char *snapshot = mem_strdup(case_shop);
	CLEANUP_FREE char *text = NULL;
	char *at = strstr(strstr(snapshot, "{\"id\":\"e6\""), "\"c4\"");

	(void)state;
	memcpy(at, "null", 4);
	text = compiled_text(NULL, shop_web, snapshot);
	assert_lacks(text, "172.19.0.5");
}

/* A container that starts is unknown for a moment: an answer would end what its kernel tries again. */
static void test_the_unknown_get_no_answer(void **state)
{
	CLEANUP_FREE char *text =
		compiled_text("refuse: {containers: reject, world: reject}\n", shop_web, case_shop);

	(void)state;
	assert_has(text, "prefix \"quaywall unknown\" group 86\n\t\tdrop\n");
	assert_has(text, "prefix \"quaywall refused\" group 86\n\t\tgoto refuse_quietly\n");
}

static void test_nothing_is_refused_while_only_audit_could(void **state)
{
	CLEANUP_FREE char *audit = compiled_text("defaults: {mode: audit}\n", shop_web, case_shop);
	CLEANUP_FREE char *enforce = compiled_text(NULL, shop_web, case_shop);

	(void)state;
	assert_has(enforce, "goto refuse_unknown");
	assert_has(enforce, "goto refuse comment");
	assert_has(enforce, "chain raw");
	assert_lacks(audit, "goto refuse_unknown");
	assert_lacks(audit, "goto refuse comment");
	assert_lacks(audit, "chain raw");
	assert_has(audit, "jump audit_unknown");
	assert_has(audit, "jump audit comment \"p.yaml:1 shop isolates ingress\"");
}

static void test_long_ranges_keep_containers_out_of_interval_sets(void **state)
{
	CLEANUP_FREE char *text = compiled_text(
		NULL,
		"policy: shop\nfor: {project: shop}\nallow:\n"
		"  - {from: {service: web}, to: {service: db}, ports: [80-82, 1000-9000, icmp]}\n",
		case_shop);

	(void)state;
	assert_has(text, "172.19.0.4 . tcp . 82 counter");
	assert_lacks(text, "172.19.0.4 . tcp . 1000");
	assert_has(text,
		   "ip daddr @from_shop/web.allow0_addr4 meta l4proto tcp th dport 1000-9000");
	assert_has(text, "ip daddr @from_shop/web.allow0_addr4 meta l4proto icmp counter return");
	assert_lacks(text, "from_shop/web.allow0_addr4 meta l4proto tcp th dport 80-82");
}

static void test_the_world_leaves_containers_out(void **state)
{
	CLEANUP_FREE char *text = compiled_text(
		NULL, "policy: p\nfor: {project: blog}\nallow: [{from: {}, to: world}]\n",
		case_shop);

	(void)state;
	assert_has(text, "elements = { 0.0.0.0-172.16.255.255 counter comment \"p.yaml:3\",\n"
			 "\t\t\t     172.21.0.0-255.255.255.255 counter comment \"p.yaml:3\" }");
}

static void test_own_ports_through_the_host(void **state)
{
	CLEANUP_FREE char *text = compiled_text(NULL, shop_web, case_shop);

	(void)state;
	/* web is isolated and may not reach itself, but a container always reaches itself */
	assert_has(text, "172.18.0.2 . tcp . 443 : return");
	assert_has(text, "172.19.0.2 . tcp . 443 : return");
	assert_lacks(text, "172.18.0.3 . tcp . 443 : return");
	assert_has(text,
		   "map host_other.published4 {\n\t\ttype inet_proto . inet_service : verdict\n"
		   "\t\telements = { tcp . 443 : goto refuse }");
}

static void test_identities_of_one_name_stay_apart(void **state)
{
	static const char by_name[] = "policy: one\nfor: {name: w1}\n";
	struct test_case t;
	const char *first, *second;

	(void)state;
	case_load(&t, NULL, by_name, case_shop);
	first = compile_identity(t.compiled, compile_identity_of(t.compiled, 0))->name;
	second = compile_identity(t.compiled, compile_identity_of(t.compiled, 2))->name;
	assert_memory_equal(first, "shop/web.", 9);
	assert_memory_equal(second, "shop/web.", 9);
	assert_string_not_equal(first, second);
	case_done(&t);
}

static void test_hostile_project_names_stay_apart(void **state)
{
	CLEANUP_FREE char *snapshot = mem_strdup(case_shop);
	struct test_case t;
	const char *one, *other;
	char *at;

	(void)state;
	/* Both become "sh_p" if what nft does not take is merely replaced. */
	for (at = snapshot; (at = strstr(at, "\"shop\"")); at++)
		memcpy(at, "\"sh{p\"", 6);
	memcpy(strstr(snapshot, "\"blog\",\"com"), "\"sh}p\"", 6);
	case_load(&t, NULL, "policy: p\nfor: all\n", snapshot);
	one = compile_identity(t.compiled, compile_identity_of(t.compiled, 0))->name;
	other = compile_identity(t.compiled, compile_identity_of(t.compiled, 6))->name;
	assert_string_not_equal(one, other);
	assert_null(strpbrk(one, "{}"));
	case_done(&t);
}

/* Whatever a container or a policy is called, its chains are its own. */
static void test_no_name_takes_a_chain_of_the_skeleton(void **state)
{
	static const char *const names[] = {
		"containers", "forward",	 "send",    "to_host",		 "quietly", "local",
		"unknown",    "containers_send", "bridges", "sent_from_outside", "outside", "new",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *yaml = mem_printf("policy: %s\nfor: all\n", names[i]);
		CLEANUP_FREE char *text = compiled_text(NULL, yaml, case_shop);

		for (const char *at = text; (at = strstr(at, "\n\tchain ")); at++) {
			CLEANUP_FREE char *line = mem_strndup(at, strcspn(at + 1, "\n") + 2);

			assert_null(strstr(at + 1, line));
		}
	}
}

/* web has an address on br-1 alone, and whoever has its MAC on br-2 has its link-local address there. */
static void test_link_local_peers_count_on_their_link(void **state)
{
	static const char global[] = "\"addr6\":\"fd00:18::2\"";
	const char *at = strstr(case_shop, global);
	CLEANUP_FREE char *snapshot =
		mem_printf("%.*s\"mac\":\"02:00:00:00:05:06\"%s", (int)(at - case_shop), case_shop,
			   at + strlen(global));
	CLEANUP_FREE char *text = compiled_text(NULL, shop_web, snapshot);

	(void)state;
	assert_has(text, "\"br-1\" . fe80::ff:fe00:506 . tcp . 5432 counter comment");
	assert_lacks(text, "= { fe80::ff:fe00:506 .");
	assert_has(text,
		   "iifname . ip6 saddr . meta l4proto . th dport @to_shop/db.allow_port6_link");
}

static void test_extra_addresses_belong_to_one_identity(void **state)
{
	CLEANUP_FREE char *text = compiled_text(NULL,
						"policy: vip\nfor: {project: shop, service: db}\n"
						"addresses: [10.9.0.0/24]\n",
						case_shop);

	(void)state;
	assert_has(text, "map endpoints_out_blocks4");
	assert_has(text, "\"br-2\" . 10.9.0.0/24 : goto from_shop/db");
	assert_has(text, "iifname . ip saddr vmap @endpoints_out_blocks4");
}

static void refused(const char *addresses, const char *want)
{
	CLEANUP_FREE char *yaml =
		mem_printf("policy: vip\nfor: {project: shop}\naddresses: [%s]\n", addresses);
	struct test_case t;

	case_load(&t, NULL, "policy: x\nfor: all\n", case_shop);
	compile_free(t.compiled);
	policy_set_free(t.policies);
	t.policies = policy_set_new();
	policy_parse(t.policies, "p.yaml", yaml, strlen(yaml), &t.problems);
	t.compiled = compile_new(t.settings, t.policies, t.model, &t.problems);
	assert_null(t.compiled);
	assert_string_equal(case_problems(&t), want);
	case_done(&t);
}

static void test_extra_addresses_of_many_are_an_error(void **state)
{
	(void)state;
	refused("10.9.0.1", "p.yaml:3:13: error: `addresses` of a document that governs 3 "
			    "identities (expected one)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_container_is_an_element_not_a_rule),
		cmocka_unit_test(test_compiling_twice_gives_the_same),
		cmocka_unit_test(test_consent_needs_both_ends),
		cmocka_unit_test(test_an_address_with_two_owners_is_nobodys),
		cmocka_unit_test(test_who_has_the_address_of_a_publisher_is_not_it),
		cmocka_unit_test(test_an_endpoint_without_a_container_is_unknown),
		cmocka_unit_test(test_the_unknown_get_no_answer),
		cmocka_unit_test(test_nothing_is_refused_while_only_audit_could),
		cmocka_unit_test(test_long_ranges_keep_containers_out_of_interval_sets),
		cmocka_unit_test(test_the_world_leaves_containers_out),
		cmocka_unit_test(test_own_ports_through_the_host),
		cmocka_unit_test(test_identities_of_one_name_stay_apart),
		cmocka_unit_test(test_hostile_project_names_stay_apart),
		cmocka_unit_test(test_no_name_takes_a_chain_of_the_skeleton),
		cmocka_unit_test(test_link_local_peers_count_on_their_link),
		cmocka_unit_test(test_extra_addresses_belong_to_one_identity),
		cmocka_unit_test(test_extra_addresses_of_many_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
