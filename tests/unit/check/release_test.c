#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../../../controller/check/advisories.h"
#include "quaywall/mem.h"

static struct release release(const char *text)
{
	struct release r;

	if (release_parse(text, &r) < 0)
		fail_msg("'%s' is not read", text);
	return r;
}

static void test_what_is_read(void **state)
{
	static const struct {
		const char *text;
		unsigned long numbers[3];
		int stage;
		unsigned long step;
		bool vendor;
	} cases[] = {
		{"28.5.2", {28, 5, 2}, 3, 0, false},
		{"18.09.1", {18, 9, 1}, 3, 0, false},
		{"20.10.24+dfsg1", {20, 10, 24}, 3, 0, true},
		{"20.10.21-0ubuntu1~22.04.3", {20, 10, 21}, 3, 0, true},
		{"24.0.7-ce", {24, 0, 7}, 3, 0, true},
		{"20.10.25+azure-2", {20, 10, 25}, 3, 0, true},
		{"28.0.0-rc.1", {28, 0, 0}, 2, 1, false},
		{"26.0.0-rc3", {26, 0, 0}, 2, 3, false},
		{"23.0.0-beta.1", {23, 0, 0}, 1, 1, false},
		{"29.0.0-alpha2", {29, 0, 0}, 0, 2, false},
		{"28.0.0~rc1+dfsg1", {28, 0, 0}, 2, 1, true},
		{"28.0.0-rcx", {28, 0, 0}, 3, 0, true},
		{"28.3.3-5-g0123abc", {28, 3, 3}, 3, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct release r = release(cases[i].text);

		assert_memory_equal(r.numbers, cases[i].numbers, sizeof(r.numbers));
		assert_int_equal(r.stage, cases[i].stage);
		assert_int_equal(r.step, cases[i].step);
		assert_int_equal(r.vendor, cases[i].vendor);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"dev",
		"library-import",
		"20.10",
		"20.10.",
		".10.24",
		"20..24",
		"-1.2.3",
		"+20.10.24",
		" 20.10.24",
		"20.10.24 ",
		"v20.10.24",
		"20.10.24.1",
		"20.10.24x",
		"20.10.24+",
		"20.10.24+a b",
		"20.10.24+\xff",
		"20.10.0-dev",
		"20.10.0-dev+x",
		"28.0.0-rc.1x",
		"0.0.0-20240115110000-0123abc",
		"1000000.0.0",
		"28.99999999999999999999.0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct release r;

		if (release_parse(texts[i], &r) != -EINVAL)
			fail_msg("'%s' is read", texts[i]);
	}
}

/* Each is before the next. */
static void test_order(void **state)
{
	static const char *const texts[] = {
		"1.13.1",	"19.03.11",   "20.9.99",    "20.10.3",	   "20.10.24",
		"23.0.0-beta1", "23.0.0-rc1", "23.0.0-rc2", "23.0.0-rc10", "23.0.0",
		"23.0.1",	"26.0.0",     "28.0.0",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t n = 0; n < ARRAY_SIZE(texts); n++) {
			struct release a = release(texts[i]), b = release(texts[n]);
			int diff = release_compare(&a, &b);

			assert_int_equal((diff > 0) - (diff < 0), (i > n) - (i < n));
		}
	}
	struct release a = release("20.10.24"), b = release("20.10.24+dfsg1");

	assert_int_equal(release_compare(&a, &b), 0);
}

/* ---- the table ---- */

static const struct advisory *advisory(const char *id)
{
	for (size_t i = 0; i < advisories_len; i++)
		if (!strcmp(advisories[i].id, id))
			return &advisories[i];
	fail_msg("no %s", id);
	return NULL;
}

/* Every row can be read, and its ranges follow one another. */
static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < advisories_len; i++) {
		const struct advisory *a = &advisories[i];
		struct release last = release("1.0.0");

		assert_true(*a->what && *a->source);
		assert_true(i == 0 || strcmp(advisories[i - 1].id, a->id) < 0);
		assert_non_null(a->ranges[0].fixed);
		for (size_t n = 0; n < ARRAY_SIZE(a->ranges) && a->ranges[n].fixed; n++) {
			struct release from =
				release(a->ranges[n].from ? a->ranges[n].from : "1.0.0");
			struct release fixed = release(a->ranges[n].fixed);

			assert_true(n > 0 ? release_compare(&last, &from) < 0
					  : release_compare(&last, &from) <= 0);
			assert_true(release_compare_numbers(&from, &fixed) <= 0);
			last = fixed;
		}
	}
}

/* The releases on both sides of each end of a range. */
static void test_ranges(void **state)
{
	static const struct {
		const char *id, *version, *fix;
	} cases[] = {
		{"CVE-2020-13401", "19.03.10", "19.03.11"},
		{"CVE-2020-13401", "19.03.11", NULL},
		{"CVE-2020-13401", "20.10.0", NULL},
		{"CVE-2023-28840", "1.11.2", NULL},
		{"CVE-2023-28840", "1.12.0", "20.10.24"},
		{"CVE-2023-28840", "20.10.23", "20.10.24"},
		{"CVE-2023-28840", "20.10.23+dfsg1", "20.10.24"},
		{"CVE-2023-28840", "20.10.24", NULL},
		{"CVE-2023-28840", "20.10.27", NULL},
		{"CVE-2023-28840", "23.0.0-rc.1", "23.0.3"},
		{"CVE-2023-28840", "23.0.2", "23.0.3"},
		{"CVE-2023-28840", "23.0.3", NULL},
		{"CVE-2023-28840", "24.0.0", NULL},
		{"CVE-2023-28841", "23.0.2", "23.0.3"},
		{"CVE-2023-28842", "23.0.2", "23.0.3"},
		{"CVE-2024-29018", "20.10.27", "23.0.11"},
		{"CVE-2024-29018", "23.0.10", "23.0.11"},
		{"CVE-2024-29018", "23.0.11", NULL},
		{"CVE-2024-29018", "23.0.18", NULL},
		{"CVE-2024-29018", "24.0.0-beta.1", "25.0.5"},
		{"CVE-2024-29018", "24.0.9", "25.0.5"},
		{"CVE-2024-29018", "25.0.4", "25.0.5"},
		{"CVE-2024-29018", "25.0.5", NULL},
		{"CVE-2024-29018", "26.0.0-rc2", "26.0.0-rc3"},
		{"CVE-2024-29018", "26.0.0-rc3", NULL},
		{"CVE-2024-29018", "26.0.0", NULL},
		{"CVE-2024-32473", "25.0.5", NULL},
		{"CVE-2024-32473", "26.0.0-rc1", "26.0.2"},
		{"CVE-2024-32473", "26.0.1", "26.0.2"},
		{"CVE-2024-32473", "26.0.2", NULL},
		{"CVE-2025-54388", "28.1.1", NULL},
		{"CVE-2025-54388", "28.2.0", "28.3.3"},
		{"CVE-2025-54388", "28.3.2", "28.3.3"},
		{"CVE-2025-54388", "28.3.3", NULL},
		{"CVE-2025-54410", "20.10.24+dfsg1", "25.0.13"},
		{"CVE-2025-54410", "25.0.12", "25.0.13"},
		{"CVE-2025-54410", "25.0.13", NULL},
		{"CVE-2025-54410", "26.0.0", "28.0.0"},
		{"CVE-2025-54410", "27.5.1", "28.0.0"},
		{"CVE-2025-54410", "28.0.0", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct release r = release(cases[i].version);
		const char *fix = advisory_fix(advisory(cases[i].id), &r);

		if (fix && cases[i].fix && !strcmp(fix, cases[i].fix))
			continue;
		if (fix || cases[i].fix)
			fail_msg("%s in %s: %s", cases[i].id, cases[i].version, fix ? fix : "no");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read), cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_order),	     cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
