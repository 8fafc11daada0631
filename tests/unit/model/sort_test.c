#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "build.h"

static void test_indices_follow(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();
	size_t net_b = build_network(m, "nb", "br-b"), net_c = build_network(m, "nc", "br-c");
	size_t net_a = build_network(m, "na", "br-a");
	size_t z = build_container(m, "cz", "z"), x = build_container(m, "cx", "x");
	size_t y = build_container(m, "cy", "y");
	static const struct {
		const char *id, *network, *container;
	} want[] = {{"e0", "nc", NULL}, {"e1", "na", "cz"}, {"e2", "nb", "cx"}, {"e3", "nc", "cy"}};

	(void)state;
	build_endpoint(m, "e3", net_c, y);
	build_endpoint(m, "e1", net_a, z);
	build_endpoint(m, "e0", net_c, MODEL_NONE);
	build_endpoint(m, "e2", net_b, x);
	model_sort(m);

	assert_string_equal(m->networks[0].id, "na");
	assert_string_equal(m->containers[2].id, "cz");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		assert_string_equal(e->id, want[i].id);
		assert_string_equal(m->networks[e->network].id, want[i].network);
		if (!want[i].container)
			assert_true(e->container == MODEL_NONE);
		else
			assert_string_equal(m->containers[e->container].id, want[i].container);
	}
}

/* What networks list, one behind the other: each of them sorted, or not. */
static void test_endpoints_in_runs(void **state)
{
	static const char *const lists[] = {
		"adgj",
		"behk",
		"cfil",
		"",			      /* three runs, of one length */
		"zyxwvutsrqponmlkjihgfedcba", /* each a run of its own */
		"klmnopqrstuvwxyz",
		"aj",
		"bcdefghi", /* of any length */
	};
	CLEANUP_MODEL struct model *m = model_new();
	size_t network = build_network(m, "n", "br"), n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const char *c = lists[i]; *c; c++) {
			/* Half of them differ behind the eighth character alone. */
			CLEANUP_FREE char *id =
				mem_printf("%s%c", *c % 2 ? "" : "alike-alike-", *c);

			build_endpoint(m, id, network, MODEL_NONE);
			m->endpoints[n].mac[0] = (uint8_t)n;
			n++;
		}
	}
	model_sort(m);
	assert_int_equal(m->nendpoints, n);
	for (size_t i = 1; i < n; i++) {
		const struct model_endpoint *a = &m->endpoints[i - 1], *b = &m->endpoints[i];
		int order = strcmp(a->id, b->id);

		/* What is alike stays in the order that it had. */
		assert_true(order < 0 || (order == 0 && a->mac[0] < b->mac[0]));
	}
}

static void test_what_hangs_from_objects(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();
	struct model_container *c;

	(void)state;
	build_container(m, "c", "c");
	c = &m->containers[0];
	build_label(c, "b.c", "3", false);
	build_label(c, "b", "2", false);
	build_label(c, "B", "1", false);
	build_port(c, IPPROTO_UDP, 1, "0.0.0.0");
	build_port(c, IPPROTO_TCP, 300, "127.0.0.1");
	build_port(c, IPPROTO_TCP, 300, "0.0.0.0");
	build_port(c, IPPROTO_TCP, 2, "::");
	build_interface(m, "lo", "127.0.0.1/8");
	build_interface(m, "eth0", "192.0.2.1/24");
	model_sort(m);

	assert_string_equal(c->labels[0].value, "1");
	assert_string_equal(c->labels[1].value, "2");
	assert_string_equal(c->labels[2].value, "3");
	assert_int_equal(c->ports[0].host_port, 2);
	assert_int_equal(c->ports[1].host_addr.bytes[0], 0);
	assert_int_equal(c->ports[2].host_addr.bytes[0], 127);
	assert_int_equal(c->ports[3].protocol, IPPROTO_UDP);
	assert_string_equal(m->interfaces[0].name, "eth0");
}

static void test_empty(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();

	(void)state;
	model_sort(m);
	assert_int_equal(m->nendpoints, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_indices_follow),
		cmocka_unit_test(test_endpoints_in_runs),
		cmocka_unit_test(test_what_hangs_from_objects),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
