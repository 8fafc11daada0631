#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "build.h"

static void test_find_by_id(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();

	(void)state;
	assert_true(model_find_container(m, "c1") == MODEL_NONE);
	for (int i = 9; i > 0; i--) {
		CLEANUP_FREE char *id = mem_printf("x%d", i);

		build_endpoint(m, id, build_network(m, id, "br"), build_container(m, id, "c"));
	}
	model_sort(m);
	for (size_t i = 0; i < 9; i++) {
		CLEANUP_FREE char *id = mem_printf("x%zu", i + 1);

		assert_int_equal(model_find_container(m, id), i);
		assert_int_equal(model_find_network(m, id), i);
		assert_int_equal(model_find_endpoint(m, id), i);
	}
	assert_true(model_find_endpoint(m, "x") == MODEL_NONE);
	assert_true(model_find_endpoint(m, "x10") == MODEL_NONE);
}

static void set_mode(struct model *m, const char *id, const char *mode)
{
	struct model_container *c = &m->containers[model_find_container(m, id)];

	free(c->network_mode);
	c->network_mode = mem_strdup(mode);
}

static const char *owner(const struct model *m, const char *id)
{
	size_t c = model_netns_owner(m, model_find_container(m, id));

	return c == MODEL_NONE ? NULL : m->containers[c].id;
}

static void test_netns_owner(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();

	(void)state;
	build_container(m, "aa11", "vpn");
	build_container(m, "aa22", "client");
	build_container(m, "bb33", "aa11x");
	build_container(m, "bb44", "side");
	model_sort(m);

	assert_string_equal(owner(m, "aa11"), "aa11");
	set_mode(m, "bb44", "container:aa11");
	assert_string_equal(owner(m, "bb44"), "aa11");
	set_mode(m, "bb44", "container:vpn");
	assert_string_equal(owner(m, "bb44"), "aa11");
	set_mode(m, "bb44", "container:/vpn");
	assert_string_equal(owner(m, "bb44"), "aa11");
	set_mode(m, "bb44", "container:aa1");
	assert_string_equal(owner(m, "bb44"), "aa11");
	set_mode(m, "bb44", "container:aa11x");
	assert_string_equal(owner(m, "bb44"), "bb33");
	set_mode(m, "bb44", "container:aa");
	assert_null(owner(m, "bb44"));
	set_mode(m, "bb44", "container:gone");
	assert_null(owner(m, "bb44"));
	set_mode(m, "bb44", "container:");
	assert_null(owner(m, "bb44"));
	set_mode(m, "bb44", "containers");
	assert_string_equal(owner(m, "bb44"), "bb44");
}

static void test_netns_owner_of_a_chain_and_a_circle(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();

	(void)state;
	build_container(m, "a", "a");
	build_container(m, "b", "b");
	build_container(m, "c", "c");
	model_sort(m);
	set_mode(m, "a", "container:b");
	set_mode(m, "b", "container:c");
	assert_string_equal(owner(m, "a"), "c");
	set_mode(m, "c", "container:a");
	assert_null(owner(m, "a"));
}

/* Each uses the namespace of the one that came before it. */
static void test_netns_owner_of_a_long_chain(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();

	(void)state;
	for (int i = 0; i < 100; i++) {
		CLEANUP_FREE char *id = mem_printf("c%02d", i),
				  *before = mem_printf("container:c%02d", i - 1);
		size_t c = build_container(m, id, id);

		if (i == 0)
			continue;
		free(m->containers[c].network_mode);
		m->containers[c].network_mode = mem_strdup(before);
	}
	model_sort(m);
	assert_string_equal(owner(m, "c64"), "c00");
	assert_null(owner(m, "c65"));
}

static void test_managed(void **state)
{
	(void)state;
	assert_true(model_network_is_managed(&(struct model_network) {.driver = (char[]) {"bridge"},
								      .bridge = (char[]) {"br"}}));
	assert_false(
		model_network_is_managed(&(struct model_network) {.driver = (char[]) {"bridge"}}));
	assert_false(model_network_is_managed(
		&(struct model_network) {.driver = (char[]) {"bridge"}, .bridge = (char[]) {""}}));
	assert_false(model_network_is_managed(&(struct model_network) {
		.driver = (char[]) {"macvlan"}, .bridge = (char[]) {"br"}}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_by_id),
		cmocka_unit_test(test_netns_owner),
		cmocka_unit_test(test_netns_owner_of_a_chain_and_a_circle),
		cmocka_unit_test(test_netns_owner_of_a_long_chain),
		cmocka_unit_test(test_managed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
