#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/reconcile.h"
#include "../../../controller/reconcile/overlay.h"

#define SNAPSHOT                                                                               \
	"{\"quaywall_snapshot\": 1, \"networks\": ["                                           \
	"{\"id\": \"n1\", \"name\": \"mesh\", \"driver\": \"overlay\", \"scope\": \"swarm\", " \
	" \"vnis\": [4097, 4098]}]}"

static struct model *m;

static int begin(void **state)
{
	(void)state;
	return docker_snapshot_read(SNAPSHOT, strlen(SNAPSHOT), &m, NULL);
}

static int end(void **state)
{
	(void)state;
	model_free(m);
	return 0;
}

static void add(json_t *traffic, const char *kind, int vni, int peer, int packets)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "10.0.%d.%d", peer / 256, peer % 256);
	json_array_append_new(traffic, json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:i}", "way", "in",
						 "kind", kind, "vni", vni, "peer", addr, "packets",
						 packets, "bytes", 100 * packets, "last", peer));
}

static void expect(const json_t *series, const char *network, const char *peer, const char *kind,
		   int packets, int last)
{
	assert_string_equal(json_string_value(json_object_get(series, "network")), network);
	assert_string_equal(json_string_value(json_object_get(series, "peer")), peer);
	assert_string_equal(json_string_value(json_object_get(series, "kind")), kind);
	assert_int_equal(json_integer_value(json_object_get(series, "packets")), packets);
	assert_int_equal(json_integer_value(json_object_get(series, "bytes")), 100 * packets);
	assert_int_equal(json_integer_value(json_object_get(series, "last")), last);
}

/* Of a network with several identifiers it is one, and so are strangers; what counts nothing is none. */
static void test_by_names(void **state)
{
	CLEANUP_JSON json_t *traffic = json_array();
	CLEANUP_JSON json_t *list = NULL;

	(void)state;
	add(traffic, "clear", 4097, 2, 3);
	add(traffic, "clear", 4098, 2, 4);
	add(traffic, "ipsec", 4097, 2, 5);
	add(traffic, "clear", 4097, 3, 0);
	add(traffic, "others", 4097, 9, 1);
	add(traffic, "others", 4097, 8, 1);
	add(traffic, "others", 77, 7, 1);
	list = overlay_series(m, traffic);
	assert_int_equal(json_array_size(list), 4);
	expect(json_array_get(list, 0), "mesh", "10.0.0.2", "clear", 7, 2);
	expect(json_array_get(list, 1), "mesh", "10.0.0.2", "ipsec", 5, 2);
	expect(json_array_get(list, 2), "mesh", "", "stranger", 2, 9);
	expect(json_array_get(list, 3), "", "", "stranger", 1, 7);
}

static void test_there_is_a_bound(void **state)
{
	CLEANUP_JSON json_t *traffic = json_array();
	CLEANUP_JSON json_t *list = NULL;

	(void)state;
	for (int peer = 0; peer < OVERLAY_SERIES + 100; peer++)
		add(traffic, "clear", 4097, peer, 1);
	list = overlay_series(m, traffic);
	assert_int_equal(json_array_size(list), OVERLAY_SERIES + 1);
	expect(json_array_get(list, OVERLAY_SERIES), "", "", "clear", 100, OVERLAY_SERIES + 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_names),
		cmocka_unit_test(test_there_is_a_bound),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
