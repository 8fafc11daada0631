#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "build.h"

/* One network, as the engine tells of it, on a host with one bridge. */
static struct model *host(const char *engines_name, const char *name, unsigned index)
{
	struct model *m = model_new();

	build_network(m, "n1", engines_name);
	m->interfaces = mem_new(1, sizeof(*m->interfaces));
	m->interfaces[0] =
		(struct model_interface) {.name = mem_strdup(name), .index = index, .bridge = true};
	m->ninterfaces = 1;
	return m;
}

static void test_a_bridge_is_known_by_its_index(void **state)
{
	CLEANUP_MODEL struct model *before = host("br-1", "br-1", 7);
	CLEANUP_MODEL struct model *now = host("br-1", "mine", 7);

	(void)state;
	assert_string_equal(model_bridge_renamed(now, 0, before), "mine");
	assert_null(model_bridge_renamed(before, 0, before));
}

static void test_the_engine_goes_on_telling_the_old_name(void **state)
{
	CLEANUP_MODEL struct model *before = host("mine", "mine", 7);
	CLEANUP_MODEL struct model *now = host("br-1", "mine", 7);

	(void)state;
	assert_string_equal(model_bridge_renamed(now, 0, before), "mine");
}

static void test_another_device_is_not_it(void **state)
{
	CLEANUP_MODEL struct model *before = host("br-1", "br-1", 7);
	CLEANUP_MODEL struct model *now = host("br-1", "mine", 8);

	(void)state;
	assert_null(model_bridge_renamed(now, 0, before));
	now->interfaces[0].index = 7;
	now->interfaces[0].bridge = false;
	assert_null(model_bridge_renamed(now, 0, before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bridge_is_known_by_its_index),
		cmocka_unit_test(test_the_engine_goes_on_telling_the_old_name),
		cmocka_unit_test(test_another_device_is_not_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
