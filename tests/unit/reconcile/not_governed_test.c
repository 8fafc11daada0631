#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "little.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	little_world(&w, "policy: p\nfor: all\nisolate: []\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_drop(&w, NULL);
	return 0;
}

/* The reason why WHAT stands in the list for KIND; NULL: it does not. */
static const char *why(const json_t *list, const char *kind, const char *what)
{
	size_t i;
	json_t *entry;

	json_array_foreach(
		list, i,
		entry) if (!strcmp(json_string_value(json_object_get(entry, "kind")), kind) &&
			   !strcmp(json_string_value(json_object_get(entry, "what")),
				   what)) return json_string_value(json_object_get(entry, "why"));
	return NULL;
}

static void test_names_what_the_rules_cannot_reach(void **state)
{
	CLEANUP_JSON json_t *list = reconcile_not_governed(w.model, NULL);

	(void)state;
	assert_non_null(why(list, "host-network", "agent"));
	assert_string_equal(why(list, "shared-network", "sharer"),
			    "it uses the network of db and is governed as that (network_mode "
			    "container:c1)");
	assert_string_equal(why(list, "shared-network", "orphan"),
			    "it uses the network of a container that is not there any more");
	assert_string_equal(
		why(list, "network", "network cable"),
		"its driver is macvlan: the packets of its 1 endpoint do not pass the host's hooks");
	assert_string_equal(why(list, "image-label", "lone"),
			    "its label com.docker.compose.service comes from its image, not from "
			    "who started it, and does not count");
	assert_int_equal(json_array_size(list), 5);
}

static void test_settings_that_do_nothing_yet(void **state)
{
	CLEANUP_JSON json_t *list = NULL;

	(void)state;
	w.settings->antispoof = false;
	list = reconcile_not_governed(NULL, w.settings);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	w.settings->antispoof = true;
	list = reconcile_not_governed(NULL, w.settings);
	assert_non_null(why(list, "setting", "antispoof"));
	json_decref(list);
	w.settings->deny_strangers = true;
	list = reconcile_not_governed(NULL, w.settings);
	assert_non_null(why(list, "setting", "overlay"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_what_the_rules_cannot_reach),
		TEST(test_settings_that_do_nothing_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
