#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "little.h"
#include "quaywall/mem.h"
#include "../../../controller/reconcile/handover.h"

/* The engine's word before and after; what is tested happens to db (c1, e1: 172.18.0.2). */
static struct world w;
static struct model *after;
static struct ranges gone;

static int setup(void **state)
{
	(void)state;
	little_world(&w, "policy: p\nfor: {name: db}\n");
	after = model_copy(w.model);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ranges_done(&gone);
	gone = (struct ranges) {0};
	model_free(after);
	world_drop(&w, NULL);
	return 0;
}

static struct model_endpoint *endpoint(const char *id)
{
	return &after->endpoints[model_find_endpoint(after, id)];
}

static bool is_gone(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return ranges_contain(&gone, &a);
}

/* The endpoint of db is another one now: sorted first, as before. */
static void replace_db(const char *owner)
{
	static char id[] = "e0";
	struct model_endpoint *e = endpoint("e1");

	e->id = id;
	e->container = model_find_container(after, owner);
}

static void test_nothing_went(void **state)
{
	(void)state;
	handover_find(w.model, after, &gone);
	assert_int_equal(gone.len, 0);
}

static void test_a_new_owner_waits(void **state)
{
	CLEANUP_MODEL struct model *between = NULL;

	(void)state;
	replace_db("c3");
	handover_find(w.model, after, &gone);
	assert_true(is_gone("172.18.0.2"));
	assert_false(is_gone("172.18.0.3"));
	between = handover_between(after, &gone);
	assert_non_null(between);
	assert_int_equal(between->endpoints[model_find_endpoint(between, "e0")].container,
			 MODEL_NONE);
	assert_int_not_equal(between->endpoints[model_find_endpoint(between, "e2")].container,
			     MODEL_NONE);
	assert_int_not_equal(endpoint("e0")->container, MODEL_NONE);
}

static void test_the_same_container_is_a_new_owner_too(void **state)
{
	(void)state;
	replace_db("c1");
	handover_find(w.model, after, &gone);
	assert_true(is_gone("172.18.0.2"));
}

static void test_nobody_waits_where_nobody_holds_it(void **state)
{
	(void)state;
	replace_db("c3");
	addr_parse("172.18.0.77", &endpoint("e0")->addr4);
	handover_find(w.model, after, &gone);
	assert_true(is_gone("172.18.0.2"));
	assert_null(handover_between(after, &gone));
}

/* As `network connect --ip` after `network disconnect`, should an engine keep the endpoint's id. */
static void test_an_endpoint_with_another_address(void **state)
{
	(void)state;
	addr_parse("fd00:18::77", &endpoint("e2")->addr6);
	handover_find(w.model, after, &gone);
	assert_true(is_gone("fd00:18::3"));
	assert_false(is_gone("172.18.0.3"));
}

static void test_networks_that_are_not_governed(void **state)
{
	static char id[] = "e9";

	(void)state;
	endpoint("e4")->id = id;
	handover_find(w.model, after, &gone);
	assert_int_equal(gone.len, 0);
}

static bool touches(const char *orig_src, const char *orig_dst, const char *reply_src,
		    const char *reply_dst)
{
	struct flow_entry e = {.protocol = 17};

	addr_parse(orig_src, &e.orig_src);
	addr_parse(orig_dst, &e.orig_dst);
	addr_parse(reply_src, &e.reply_src);
	addr_parse(reply_dst, &e.reply_dst);
	return handover_touches(&e, &gone);
}

static void test_flows_in_every_direction(void **state)
{
	(void)state;
	replace_db("c3");
	handover_find(w.model, after, &gone);
	assert_true(touches("172.18.0.2", "172.18.0.3", "172.18.0.3", "172.18.0.2"));
	assert_true(touches("172.18.0.3", "172.18.0.2", "172.18.0.2", "172.18.0.3"));
	/* published, and masqueraded */
	assert_true(touches("203.0.113.9", "192.0.2.1", "172.18.0.2", "203.0.113.9"));
	assert_true(touches("172.18.0.2", "203.0.113.9", "203.0.113.9", "192.0.2.1"));
	assert_false(touches("172.18.0.3", "203.0.113.9", "203.0.113.9", "192.0.2.1"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_went),
		T(test_a_new_owner_waits),
		T(test_the_same_container_is_a_new_owner_too),
		T(test_nobody_waits_where_nobody_holds_it),
		T(test_an_endpoint_with_another_address),
		T(test_networks_that_are_not_governed),
		T(test_flows_in_every_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
