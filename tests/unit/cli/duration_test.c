#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "quaywall/mem.h"
#include "../../../controller/cli/duration.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		unsigned seconds;
	} cases[] = {{"120s", 120},	    {"2m", 120},   {"1h30m", 5400}, {"1h", 3600},
		     {"1h30m10s", 5410},    {"90m", 5400}, {"1s", 1},	    {"0h1s", 1},
		     {"168h", 168u * 3600}, {"007s", 7}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned seconds = 0;

		assert_int_equal(duration_parse(cases[i].text, 168 * 3600, &seconds), 0);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const cases[] = {
		"",	  "120",   "s",	       "0s",  "-1s",	"1d",
		"1.5h",	  "30m1h", "1s1s",     "1 s", "1s ",	"2m30",
		"169h",	  "1h1h",  "1S",       "+1s", "10081m", "99999999999999999999s",
		"168h1s", "1mh",   "\xc3\xa9s"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned seconds = 7;

		assert_int_equal(duration_parse(cases[i], 168 * 3600, &seconds), -EINVAL);
		assert_int_equal(seconds, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
