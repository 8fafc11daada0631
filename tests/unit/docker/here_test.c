#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "quaywall/docker.h"

#define NETWORK(id, name, bridge)                \
	"{\"id\": \"" id "\", \"name\": \"" name \
	"\", \"driver\": \"bridge\", \"bridge\": \"" bridge "\"}"
#define SNAPSHOT(networks, endpoints, interfaces)                                             \
	"{\"quaywall_snapshot\": 1, \"networks\": [" networks "], \"endpoints\": [" endpoints \
	"], \"interfaces\": [" interfaces "]}"
#define DOCKER0 "{\"name\": \"docker0\", \"bridge\": true}"

static void check(const char *snapshot, const char *want)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;
	int r;

	assert_int_equal(docker_snapshot_read(snapshot, strlen(snapshot), &m, NULL), 0);
	r = docker_check_here(m, &err);
	assert_int_equal(r, want ? -ENOTSUP : 0);
	if (want)
		assert_string_equal(error_text(&err), want);
}

static void test_here(void **state)
{
	(void)state;
	check(SNAPSHOT("", "", ""), NULL); /* an engine without bridges */
	check(SNAPSHOT(NETWORK("n1", "bridge", "docker0"), "", DOCKER0), NULL);
	/* One that nobody uses, and that someone deleted. */
	check(SNAPSHOT(NETWORK("n1", "bridge", "docker0") "," NETWORK("n2", "front", "br-x"), "",
		       DOCKER0),
	      NULL);
}

static void test_elsewhere(void **state)
{
	(void)state;
	check(SNAPSHOT(NETWORK("n1", "bridge", "docker0"), "", "{\"name\": \"eth0\"}"),
	      "the engine's networks are not in this network namespace: the device docker0 of "
	      "network \"bridge\" is not here (is it another engine's socket, or a rootless one?)");
	check(SNAPSHOT(NETWORK("n1", "bridge", "docker0") "," NETWORK("n2", "front", "br-x"),
		       "{\"id\": \"e1\", \"network\": \"n2\"}", DOCKER0),
	      "the engine's networks are not in this network namespace: the device br-x of network "
	      "\"front\" is not here (is it another engine's socket, or a rootless one?)");
	check(SNAPSHOT(NETWORK("n1", "bridge", "docker0"), "", "{\"name\": \"docker0\"}"),
	      "the engine's networks are not in this network namespace: the device docker0 of "
	      "network \"bridge\" is no bridge (is it another engine's socket, or a rootless one?)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
