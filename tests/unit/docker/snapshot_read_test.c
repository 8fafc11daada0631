#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

static struct model *read_text(const char *text)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	if (docker_snapshot_read(text, strlen(text), &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	return m;
}

static void test_defaults(void **state)
{
	CLEANUP_MODEL struct model *m = read_text(
		"{\"quaywall_snapshot\": 1, \"networks\": [{\"id\": \"n\", \"name\": \"a\", "
		"\"driver\": \"bridge\"}], \"containers\": [{\"id\": \"c\"}], \"endpoints\": "
		"[{\"id\": \"e\", \"network\": \"n\"}], \"later\": {\"unknown\": 1}}");

	(void)state;
	assert_string_equal(m->engine_name, "");
	assert_string_equal(m->networks[0].scope, "local");
	assert_true(m->networks[0].icc);
	assert_null(m->networks[0].bridge);
	assert_true(m->containers[0].running);
	assert_string_equal(m->containers[0].name, "");
	assert_true(m->endpoints[0].container == MODEL_NONE);
	assert_int_equal(m->endpoints[0].network, 0);
	assert_false(addr_is_set(&m->endpoints[0].addr4));
	assert_false(m->endpoints[0].has_mac);
	assert_int_equal(m->ninterfaces, 0);
}

/* In any order: everything is sorted, and references hold. */
static void test_sorted(void **state)
{
	CLEANUP_MODEL struct model *m = read_text(
		"{\"quaywall_snapshot\": 1, \"networks\": ["
		"{\"id\": \"n2\", \"name\": \"two\", \"driver\": \"bridge\"},"
		"{\"id\": \"n1\", \"name\": \"one\", \"driver\": \"bridge\"}],"
		"\"containers\": [{\"id\": \"c2\"}, {\"id\": \"c1\", \"labels\": {\"b\": \"\", \"a\": "
		"\"1\"}, \"image_labels\": [\"b\"]}],"
		"\"endpoints\": [{\"id\": \"e2\", \"network\": \"n2\", \"container\": \"c2\"},"
		"{\"id\": \"e1\", \"network\": \"n2\", \"container\": \"c1\"}]}");

	(void)state;
	assert_string_equal(m->networks[0].name, "one");
	assert_string_equal(m->endpoints[0].id, "e1");
	assert_string_equal(m->networks[m->endpoints[0].network].id, "n2");
	assert_string_equal(m->containers[m->endpoints[1].container].id, "c2");
	assert_string_equal(m->containers[0].labels[0].key, "a");
	assert_false(m->containers[0].labels[0].from_image);
	assert_true(m->containers[0].labels[1].from_image);
}

/* An image's author may write what the engine hands on. */
static void test_nul_in_label(void **state)
{
	CLEANUP_MODEL struct model *m = read_text(
		"{\"quaywall_snapshot\": 1, \"containers\": [{\"id\": \"c\", \"labels\": "
		"{\"com.docker.compose.project\\u0000x\": \"shop\", \"v\": \"a\\u0000b\\\\u0000\"}}]}");

	(void)state;
	assert_null(model_container_project(&m->containers[0]));
	assert_string_equal(model_container_label(&m->containers[0], "v", false), "a\xEF\xBF\xBD"
										  "b\\u0000");
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_load(void **state)
{
	char path[] = "/tmp/quaywall-snapshot-XXXXXX";
	int fd = mkstemp(path);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *want = mem_printf("%s: \"quaywall_snapshot\" is missing", path);
	CLEANUP_MODEL struct model *m = NULL;

	(void)state;
	close(fd);
	write_file(path, "{}");
	assert_int_equal(docker_snapshot_load(path, &m, &err), -EINVAL);
	assert_string_equal(error_text(&err), want);
	write_file(path, "{\"quaywall_snapshot\": 1}");
	assert_int_equal(docker_snapshot_load(path, &m, NULL), 0);
	unlink(path);
	error_done(&err);
	assert_int_equal(docker_snapshot_load("/nonexistent", &m, &err), -ENOENT);
	assert_string_equal(error_text(&err), "/nonexistent: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_nul_in_label),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
