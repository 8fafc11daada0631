#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "little.h"
#include "../../../controller/reconcile/handover.h"
#include "../../../controller/reconcile/tightens.h"

static const char shop[] = "policy: db\n"
			   "for: {name: db}\n"
			   "allow:\n"
			   "  - {from: {name: web}, to: {name: db}, ports: [5432]}\n"
			   "  - {from: {name: db}, to: {name: lone}}\n"
			   "deny: [{from: {name: db}, to: {name: web}, ports: [81]}]\n"
			   "---\n"
			   "policy: web\n"
			   "for: {name: web}\n"
			   "allow:\n"
			   "  - {from: {name: web}, to: {name: db}, ports: [5432]}\n"
			   "  - {from: {name: lone}, to: {name: web}, ports: [80]}\n";

static struct world w;
static struct ranges left;

static int setup(void **state)
{
	(void)state;
	little_world(&w, shop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ranges_done(&left);
	left = (struct ranges) {0};
	world_drop(&w, NULL);
	return 0;
}

/* The world with an endpoint less, which leaves its addresses. */
static struct world without(const char *endpoint)
{
	struct world next = {.settings = w.settings, .policies = w.policies};
	size_t at = model_find_endpoint(w.model, endpoint);

	next.model = model_copy(w.model);
	next.model->endpoints[at].container = MODEL_NONE;
	next.model->endpoints[at].addr4 = next.model->endpoints[at].addr6 = (struct addr) {0};
	next.model->endpoints[at].has_mac = false;
	handover_find(w.model, next.model, &left);
	assert_int_equal(world_compile(&next, NULL), 0);
	return next;
}

static enum tightens between(const struct world *was, const struct world *is,
			     const struct ranges *addresses)
{
	CLEANUP_RULESET struct ruleset *old = compile_ruleset(was->compiled);
	CLEANUP_RULESET struct ruleset *wanted = compile_ruleset(is->compiled);
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {0};

	ruleset_compare(old, wanted, &d);
	assert_int_not_equal(d.len, 0);
	return tightens_of(&d, addresses);
}

static void test_who_goes_takes_its_own(void **state)
{
	struct world next = without("e1");

	(void)state;
	assert_int_equal(between(&w, &next, &left), TIGHTENS_LEFT);
	world_drop(&next, &w);
}

static void test_nobody_is_known_to_have_gone(void **state)
{
	CLEANUP_RANGES struct ranges other = {0};
	struct world next = without("e1");
	struct addr a;

	(void)state;
	assert_int_equal(between(&w, &next, NULL), TIGHTENS_ANY);
	addr_parse("172.18.0.3", &a);
	ranges_add_addr(&other, &a);
	assert_int_equal(between(&w, &next, &other), TIGHTENS_ANY);
	world_drop(&next, &w);
}

/* A port of the host's that is nobody's now is asked by whom the rules let ask the host. */
static void test_a_published_port_goes_too(void **state)
{
	struct world next = without("e2");

	(void)state;
	assert_int_equal(between(&w, &next, &left), TIGHTENS_ANY);
	world_drop(&next, &w);
}

static enum tightens of_steps(struct ruleset_change *steps, size_t n)
{
	const struct ruleset_diff d = {.items = steps, .len = n};

	return tightens_of(&d, &left);
}

static enum tightens adds_to(const char *set)
{
	struct ruleset_set into = {.name = (char *)set};
	struct ruleset_change change = {.kind = CHANGE_ADD_ELEMENTS, .set = &into};

	return of_steps(&change, 1);
}

static void test_who_comes_opens(void **state)
{
	(void)state;
	assert_int_equal(adds_to("endpoints_in4"), TIGHTENS_NONE);
	assert_int_equal(adds_to("from_a.b.allow_port4"), TIGHTENS_NONE);
	assert_int_equal(adds_to("from_a.b.deny_port4"), TIGHTENS_ANY);
	assert_int_equal(adds_to("published4"), TIGHTENS_ANY);
}

static void test_a_chain_that_goes_is_led_to_by_nobody_else(void **state)
{
	struct ruleset_chain own = {.name = (char *)"to_db"}, base = {.hook = HOOK_INPUT};
	struct ruleset_change goes[] = {{.kind = CHANGE_FLUSH_RULES, .chain = &own},
					{.kind = CHANGE_DELETE_CHAIN, .chain = &own}};
	struct ruleset_change anew[] = {{.kind = CHANGE_FLUSH_RULES, .chain = &own},
					{.kind = CHANGE_SET_RULES, .chain = &own}};
	struct ruleset_change unhooked[] = {{.kind = CHANGE_FLUSH_RULES, .chain = &base},
					    {.kind = CHANGE_DELETE_CHAIN, .chain = &base}};

	(void)state;
	assert_int_equal(of_steps(goes, 2), TIGHTENS_LEFT);
	assert_int_equal(of_steps(anew, 1), TIGHTENS_ANY);
	assert_int_equal(of_steps(anew, 2), TIGHTENS_ANY);
	assert_int_equal(of_steps(unhooked, 1), TIGHTENS_ANY);
	assert_int_equal(of_steps(unhooked + 1, 1), TIGHTENS_ANY);
}

static void test_a_chain_that_begins_judges_who_comes(void **state)
{
	struct ruleset_chain own = {.name = (char *)"to_db"}, base = {.hook = HOOK_INPUT};
	struct ruleset_set set = {.name = (char *)"to_db.deny_port4"};
	struct ruleset_change begins[] = {{.kind = CHANGE_ADD_SET, .set = &set},
					  {.kind = CHANGE_ADD_CHAIN, .chain = &own},
					  {.kind = CHANGE_SET_RULES, .chain = &own},
					  {.kind = CHANGE_ADD_ELEMENTS, .set = &set}};
	struct ruleset_change hooked[] = {{.kind = CHANGE_ADD_CHAIN, .chain = &base},
					  {.kind = CHANGE_SET_RULES, .chain = &base}};

	(void)state;
	assert_int_equal(of_steps(begins, 4), TIGHTENS_NONE);
	assert_int_equal(of_steps(begins + 2, 1), TIGHTENS_ANY);
	assert_int_equal(of_steps(begins + 3, 1), TIGHTENS_ANY);
	assert_int_equal(of_steps(hooked, 1), TIGHTENS_ANY);
	assert_int_equal(of_steps(hooked, 2), TIGHTENS_ANY);
}

static void test_an_interval_may_hold_others(void **state)
{
	uint8_t key[4] = {172, 18, 0, 2};
	struct ruleset_element element = {.key = key, .key_end = key};
	const struct ruleset_element *elements[] = {&element};
	struct ruleset_set set = {.name = (char *)"s", .fields = {FIELD_IPV4}, .nfields = 1};
	struct ruleset_change change = {
		.kind = CHANGE_DELETE_ELEMENTS, .set = &set, .elements = elements, .len = 1};
	struct addr a;

	(void)state;
	addr_parse("172.18.0.2", &a);
	ranges_add_addr(&left, &a);
	assert_int_equal(of_steps(&change, 1), TIGHTENS_LEFT);
	set.flags = SET_INTERVAL;
	assert_int_equal(of_steps(&change, 1), TIGHTENS_ANY);
	set.flags = 0;
	key[3] = 3;
	assert_int_equal(of_steps(&change, 1), TIGHTENS_ANY);
	key[3] = 2;
	set.fields[0] = FIELD_PORT;
	assert_int_equal(of_steps(&change, 1), TIGHTENS_ANY);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_who_goes_takes_its_own),
		T(test_nobody_is_known_to_have_gone),
		T(test_a_published_port_goes_too),
		T(test_who_comes_opens),
		T(test_a_chain_that_goes_is_led_to_by_nobody_else),
		T(test_a_chain_that_begins_judges_who_comes),
		T(test_an_interval_may_hold_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
