#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "little.h"
#include "quaywall/mem.h"

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

	json_array_foreach(list, i, entry) {
		const char *is = json_string_value(json_object_get(entry, "kind"));
		const char *of = json_string_value(json_object_get(entry, "what"));

		if (!strcmp(is, kind) && !strcmp(of, what))
			return json_string_value(json_object_get(entry, "why"));
	}
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

static void test_names_endpoints_that_nobody_holds(void **state)
{
	CLEANUP_MODEL struct model *m = model_copy(w.model);
	CLEANUP_JSON json_t *list = NULL;
	size_t managed = MODEL_NONE;
	char name[] = "whose";

	(void)state;
	for (size_t i = 0; i < m->nendpoints; i++) {
		if (model_network_is_managed(&m->networks[m->endpoints[i].network]))
			managed = i;
	}
	assert_int_not_equal(managed, MODEL_NONE);
	m->endpoints[managed].name = name;
	m->endpoints[managed].container = MODEL_NONE;
	list = reconcile_not_governed(m, NULL);
	assert_int_equal(json_array_size(list), 6);
}

/* Without its identifier an encrypted network's clear text cannot be told. */
static void test_overlay_without_an_identifier(void **state)
{
	CLEANUP_MODEL struct model *m = model_copy(w.model);
	CLEANUP_JSON json_t *list = NULL, *denied = NULL, *known = NULL;
	char driver[] = "overlay";
	uint32_t vni = 4097;

	(void)state;
	m->networks[0].driver = driver;
	CLEANUP_FREE char *what = mem_printf("overlay, for network %s", m->networks[0].name);
	list = reconcile_not_governed(m, w.settings);
	assert_null(why(list, "setting", what));
	w.settings->plaintext = PLAINTEXT_DENY_ENCRYPTED;
	denied = reconcile_not_governed(m, w.settings);
	assert_non_null(why(denied, "setting", what));
	m->networks[0].vnis = &vni;
	m->networks[0].nvnis = 1;
	known = reconcile_not_governed(m, w.settings);
	assert_null(why(known, "setting", what));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_what_the_rules_cannot_reach),
		TEST(test_names_endpoints_that_nobody_holds),
		TEST(test_overlay_without_an_identifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
