/* The table of family bridge against the kernel and nft(8), and that it and the other one of that name do not meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include <linux/netfilter.h>

#include "case.h"
#include "quaywall/nft.h"
#include "sandbox.h"

struct bed {
	struct nft *n;
	struct ruleset *inet, *bridge;
};

static int enter(void **state)
{
	static struct bed bed;
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct test_case t;

	sandbox_enter();
	case_load(&t, "counters: false\n",
		  "policy: shop\nfor: {service: db}\naddresses: [10.9.0.0/24, \"fd09::7\"]\n",
		  case_shop);
	for (size_t i = 0; i < t.model->nendpoints; i++) {
		struct model_endpoint *e = &t.model->endpoints[i];

		memcpy(e->port, (char[]) {'v', 'e', 't', 'h', (char)('A' + i)}, 5);
		e->has_mac = true;
		memcpy(e->mac + 2, e->addr4.bytes, 4);
	}
	bed.inet = compile_ruleset(t.compiled);
	bed.bridge = compile_bridge_ruleset(t.compiled);
	case_done(&t);
	*state = &bed;
	return nft_open(-1, &bed.n, &err);
}

static int leave(void **state)
{
	struct bed *bed = *state;

	nft_close(bed->n);
	ruleset_free(bed->inet);
	ruleset_free(bed->bridge);
	return 0;
}

static struct ruleset *dump(struct nft *n, uint8_t family)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct ruleset *r = NULL;

	if (nft_dump(n, QUAYWALL_TABLE, family, &r, &err) < 0)
		fail_msg("%s", error_text(&err));
	return r;
}

static void change_one(struct nft *n, const struct ruleset *wanted, const struct ruleset_diff *d)
{
	const struct nft_change c = {wanted->table, wanted->family, wanted, d};
	struct error err CLEANUP_ERROR = ERROR_INIT;

	if (nft_apply(n, &c, 1, &err) < 0)
		fail_msg("%s", error_text(&err));
}

/* Makes the kernel's table WANTED; returns in how many steps. */
static size_t apply(struct nft *n, const struct ruleset *wanted)
{
	struct ruleset *now CLEANUP_RULESET = dump(n, wanted->family);
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};

	ruleset_compare(now, wanted, &d);
	change_one(n, wanted, &d);
	return d.len;
}

static void test_nft_lists_what_we_print_and_loads_it_again(void **state)
{
	struct bed *bed = *state;
	struct buf listed CLEANUP_BUF = BUF_INIT, printed CLEANUP_BUF = BUF_INIT;

	assert_true(apply(bed->n, bed->bridge) > 0);
	assert_int_equal(apply(bed->n, bed->bridge), 0);
	assert_int_equal(sandbox_nft(&listed, "list", "table", "bridge", "quaywall", NULL), 0);
	ruleset_print(bed->bridge, &printed);
	assert_int_equal(sandbox_nft(NULL, "flush", "ruleset", NULL), 0);
	assert_int_equal(sandbox_nft_load(buf_text(&listed)), 0);
	/* nft writes what ICMPv6 depends on in another way: that is a change by others. */
	apply(bed->n, bed->bridge);
	assert_int_equal(apply(bed->n, bed->bridge), 0);
	assert_int_equal(sandbox_nft(NULL, "flush", "ruleset", NULL), 0);
	assert_int_equal(sandbox_nft_load(buf_text(&printed)), 0);
}

static void test_a_change_by_others_shows(void **state)
{
	struct bed *bed = *state;

	apply(bed->n, bed->bridge);
	assert_int_equal(sandbox_nft(NULL, "insert", "rule", "bridge", "quaywall", "prerouting",
				     "accept", NULL),
			 0);
	assert_true(apply(bed->n, bed->bridge) > 0);
	assert_int_equal(apply(bed->n, bed->bridge), 0);
}

/* Which table is switched off is not forgotten over the other one. */
static void test_a_dormant_table_beside_one_that_is_not(void **state)
{
	struct bed *bed = *state;
	struct ruleset *inet CLEANUP_RULESET = NULL, *bridge CLEANUP_RULESET = NULL;
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};

	apply(bed->n, bed->inet);
	apply(bed->n, bed->bridge);
	assert_int_equal(sandbox_nft_load("table inet quaywall { flags dormant; }\n"), 0);
	inet = dump(bed->n, NFPROTO_INET);
	bridge = dump(bed->n, NFPROTO_BRIDGE);
	ruleset_compare(inet, bed->inet, &d);
	assert_true(d.len > 0);
	change_one(bed->n, bed->inet, &d);
	assert_int_equal(apply(bed->n, bed->inet), 0);
}

/* A killed daemon leaves both or none. */
static void test_both_change_in_one_transaction(void **state)
{
	struct bed *bed = *state;
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct ruleset_diff inet CLEANUP_RULESET_DIFF = {0}, bridge CLEANUP_RULESET_DIFF = {0};
	struct ruleset *none CLEANUP_RULESET = NULL;
	const struct nft_change both[] = {{"quaywall", NFPROTO_INET, bed->inet, &inet},
					  {"quaywall", NFPROTO_BRIDGE, bed->bridge, &bridge}};
	uint32_t before = 0, after = 0;

	ruleset_compare(NULL, bed->inet, &inet);
	ruleset_compare(NULL, bed->bridge, &bridge);
	assert_int_equal(nft_generation(bed->n, &before, &err), 0);
	assert_int_equal(nft_apply(bed->n, both, 2, &err), 0);
	assert_int_equal(nft_generation(bed->n, &after, &err), 0);
	assert_int_equal(after - before, 1);
	assert_int_equal(apply(bed->n, bed->inet), 0);
	assert_int_equal(apply(bed->n, bed->bridge), 0);

	assert_int_equal(nft_delete_tables(bed->n, "quaywall", &err), 0);
	assert_int_equal(nft_generation(bed->n, &before, &err), 0);
	assert_int_equal(before - after, 1);
	assert_int_equal(nft_delete_tables(bed->n, "quaywall", &err), 0);

	assert_int_equal(sandbox_nft_load("table bridge quaywall { }\n"), 0);
	assert_int_equal(nft_apply(bed->n, both, 2, &err), -EEXIST);
	assert_string_equal(error_text(&err),
			    "the kernel refuses table quaywall of family bridge: File exists");
	none = dump(bed->n, NFPROTO_INET);
	assert_null(none);
}

static void test_both_are_owned_and_one_can_go(void **state)
{
	struct bed *bed = *state;
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct ruleset *bridge CLEANUP_RULESET = NULL;
	bool owner = false;

	assert_int_equal(nft_set_owner(bed->n, &owner, &err), 0);
	if (!owner)
		skip();
	apply(bed->n, bed->inet);
	apply(bed->n, bed->bridge);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "bridge", "quaywall", NULL), 0);
	assert_int_equal(
		nft_apply(bed->n, &(struct nft_change) {QUAYWALL_TABLE, NFPROTO_BRIDGE, NULL, NULL},
			  1, &err),
		0);
	bridge = dump(bed->n, NFPROTO_BRIDGE);
	assert_null(bridge);
	assert_int_equal(apply(bed->n, bed->inet), 0);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
}

#define IN_SANDBOX(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDBOX(test_nft_lists_what_we_print_and_loads_it_again),
		IN_SANDBOX(test_a_change_by_others_shows),
		IN_SANDBOX(test_a_dormant_table_beside_one_that_is_not),
		IN_SANDBOX(test_both_change_in_one_transaction),
		IN_SANDBOX(test_both_are_owned_and_one_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
