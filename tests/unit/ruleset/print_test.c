#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/ruleset.h"
#include "sample.h"

static char *printed(const struct ruleset *r)
{
	struct buf out = BUF_INIT;

	ruleset_print(r, &out);
	return buf_steal(&out);
}

static void test_empty_table(void **state)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	char *text CLEANUP_FREE = printed(r);

	(void)state;
	assert_string_equal(text, "table inet quaywall {\n}\n");
}

static void test_whole_table(void **state)
{
	static const enum ruleset_field fields[] = {FIELD_IFNAME, FIELD_IPV4};
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 7);
	struct ruleset_set *s = ruleset_add_set(r, "q_map", SET_VERDICTS | SET_COUNTER, fields, 2);
	struct ruleset_chain *c = ruleset_add_chain(r, "q_chain", HOOK_FORWARD, -210);
	char *text CLEANUP_FREE = NULL;

	(void)state;
	ruleset_add_limit(r, "q_limit", 20, 1, 100);
	sample_element(s, "br-b|172.18.0.2", VERDICT_GOTO, "q_to", "shop.yaml:1");
	sample_element(s, "br-a|172.18.0.2", VERDICT_DROP, NULL, NULL);
	ruleset_add_chain(r, "q_to", HOOK_NONE, 0);
	sample_rule(c, "shop.yaml:2", NULL, 0, VERDICT_JUMP, "q_to");
	sample_rule(c, NULL, NULL, 0, VERDICT_DROP, NULL);
	ruleset_sort(r);
	text = printed(r);
	assert_string_equal(
		text,
		"table bridge quaywall {\n"
		"\tlimit q_limit {\n"
		"\t\trate 20/second burst 100 packets\n"
		"\t}\n"
		"\n"
		"\tmap q_map {\n"
		"\t\ttype ifname . ipv4_addr : verdict\n"
		"\t\tcounter\n"
		"\t\telements = { \"br-a\" . 172.18.0.2 counter : drop,\n"
		"\t\t\t     \"br-b\" . 172.18.0.2 counter comment \"shop.yaml:1\" : goto q_to }\n"
		"\t}\n"
		"\n"
		"\tchain q_chain {\n"
		"\t\ttype filter hook forward priority filter - 10; policy accept;\n"
		"\t\tjump q_to comment \"shop.yaml:2\"\n"
		"\t\tdrop\n"
		"\t}\n"
		"\n"
		"\tchain q_to {\n"
		"\t}\n"
		"}\n");
}

/* Two prints of one ruleset, built twice, are the same bytes. */
static void test_deterministic(void **state)
{
	struct ruleset *a CLEANUP_RULESET = sample_full(), *b CLEANUP_RULESET = sample_full();
	char *one CLEANUP_FREE = printed(a), *two CLEANUP_FREE = printed(b);

	(void)state;
	assert_string_equal(one, two);
}

static void test_priorities(void **state)
{
	static const struct {
		enum ruleset_hook hook;
		int32_t priority;
		const char *text;
	} cases[] = {
		{HOOK_FORWARD, -10, "hook forward priority filter - 10;"},
		{HOOK_INPUT, 0, "hook input priority filter;"},
		{HOOK_PREROUTING, -310, "hook prerouting priority raw - 10;"},
		{HOOK_PREROUTING, -311, "hook prerouting priority -311;"},
		{HOOK_PREROUTING, -105, "hook prerouting priority dstnat - 5;"},
		{HOOK_OUTPUT, -110, "hook output priority -110;"},
		{HOOK_POSTROUTING, 105, "hook postrouting priority srcnat + 5;"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
		char *text CLEANUP_FREE = NULL;

		ruleset_add_chain(r, "q_chain", cases[i].hook, cases[i].priority);
		text = printed(r);
		assert_non_null(strstr(text, cases[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_whole_table),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
