#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../../controller/docker/version.h"

/* What is refused, and how, stands in tests/errors/engine.txt. */

static void chosen(const char *max, const char *min, const char *want)
{
	CLEANUP_FREE char *text = mem_printf(
		"{\"Version\": \"x\", \"ApiVersion\": \"%s\", \"MinAPIVersion\": \"%s\"}", max,
		min);
	struct version v = {0};

	assert_int_equal(version_read(text, strlen(text), false, &v, NULL), 0);
	assert_string_equal(v.api_version, want);
	assert_string_equal(v.engine_name, "Docker Engine");
	version_done(&v);
}

/* As the engines of these years have them. */
static void test_chosen(void **state)
{
	(void)state;
	chosen("1.41", "1.12", "1.41"); /* 20.10 */
	chosen("1.43", "1.12", "1.43"); /* 24.0 */
	chosen("1.47", "1.24", "1.47"); /* 27.5 */
	chosen("1.51", "1.24", "1.47"); /* 28.5 */
	chosen("1.52", "1.44", "1.47"); /* 29.0: no 1.41 */
	chosen("1.56", "1.40", "1.47");
	chosen("1.100", "1.47", "1.47"); /* a number, not a decimal fraction */
	chosen("2.0", "1.30", "1.47");
}

static void test_no_minimum(void **state)
{
	static const char text[] = "{\"Version\": \"x\", \"ApiVersion\": \"1.41\"}";
	struct version v = {0};

	(void)state;
	assert_int_equal(version_read(text, sizeof(text) - 1, false, &v, NULL), 0);
	version_done(&v);
	version_done(&v);
}

static void test_info(void **state)
{
	static const char text[] = "{\"ID\": \"A:B\", \"SecurityOptions\": null}";
	char *id = NULL;

	(void)state;
	assert_int_equal(version_read_info(text, sizeof(text) - 1, &id, NULL), 0);
	assert_string_equal(id, "A:B");
	free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chosen),
		cmocka_unit_test(test_no_minimum),
		cmocka_unit_test(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
