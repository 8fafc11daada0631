#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "case.h"
#include "quaywall/mem.h"

static const char shop[] = "policy: shop\nfor: {project: shop}\n";

/* NULL: no table is wanted. */
static char *table(const char *settings, const char *yaml)
{
	struct test_case t;
	struct ruleset *r CLEANUP_RULESET = NULL;
	struct buf out = BUF_INIT;

	case_load(&t, settings, yaml, case_shop);
	r = compile_bridge_ruleset(t.compiled);
	if (r)
		ruleset_print(r, &out);
	case_done(&t);
	return r ? buf_steal(&out) : NULL;
}

static void test_what_the_policies_cannot_see_is_dropped(void **state)
{
	CLEANUP_FREE char *text = table(NULL, shop);

	(void)state;
	assert_string_equal(text,
			    "table bridge quaywall {\n"
			    "\tchain prerouting {\n"
			    "\t\ttype filter hook prerouting priority filter - 10; policy accept;\n"
			    "\t\tiifname \"veth*\" ether type != ip ether type != arp "
			    "ether type != ip6 counter drop comment \"neither IP nor ARP\"\n"
			    "\t}\n"
			    "}\n");
}

static void test_without_counters(void **state)
{
	CLEANUP_FREE char *text = table("counters: false\n", shop);

	(void)state;
	assert_null(strstr(text, "counter"));
}

static void test_it_stands_wherever_something_is_refused(void **state)
{
	CLEANUP_FREE char *lifted = table("defaults: {unknown: allow}\n", shop);
	CLEANUP_FREE char *one = table("defaults: {mode: audit}\n",
				       "policy: shop\nfor: {project: shop}\nmode: enforce\n");

	(void)state;
	assert_non_null(lifted);
	assert_non_null(one);
}

static void test_nothing_is_dropped_where_nothing_is_refused(void **state)
{
	(void)state;
	assert_null(table("antispoof: false\n", shop));
	assert_null(table("defaults: {mode: audit}\n", shop));
	assert_null(table(NULL, "policy: shop\nfor: {project: shop}\nisolate: []\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_policies_cannot_see_is_dropped),
		cmocka_unit_test(test_without_counters),
		cmocka_unit_test(test_it_stands_wherever_something_is_refused),
		cmocka_unit_test(test_nothing_is_dropped_where_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
