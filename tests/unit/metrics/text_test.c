#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "quaywall/mem.h"
#include "quaywall/metrics.h"

static void expect(const struct buf *out, const char *want)
{
	assert_string_equal(buf_text(out), want);
}

static void test_a_metric(void **state)
{
	const struct metrics_label labels[] = {{"file", "shop.yaml"}, {"line", "5"}};
	struct buf out CLEANUP_BUF = BUF_INIT;

	(void)state;
	metrics_begin(&out, "x_total", METRICS_COUNTER, "Things.");
	metrics_count(&out, "x_total", labels, 2, UINT64_MAX);
	metrics_count(&out, "x_total", NULL, 0, 0);
	expect(&out, "# HELP x_total Things.\n# TYPE x_total counter\n"
		     "x_total{file=\"shop.yaml\",line=\"5\"} 18446744073709551615\nx_total 0\n");
}

static void test_numbers(void **state)
{
	struct buf out CLEANUP_BUF = BUF_INIT;

	(void)state;
	metrics_begin(&out, "x", METRICS_GAUGE, "A number.");
	metrics_number(&out, "x", NULL, 0, 1700000000);
	metrics_number(&out, "x", NULL, 0, 0.25);
	metrics_number(&out, "x", NULL, 0, 1785900000.125);
	expect(&out,
	       "# HELP x A number.\n# TYPE x gauge\nx 1700000000\nx 0.25\nx 1785900000.125\n");
}

/* Nothing in a name ends the value, the line, or the text. */
static void test_hostile_names(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{"a\"b", "a\\\"b"},
		{"a\\", "a\\\\"},
		{"a\nx_total 5\n", "a\\nx_total 5\\n"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac"},
		{"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf\xed\xa0\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"", ""},
		{NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct metrics_label label = {"name", cases[i].value};
		CLEANUP_FREE char *want = mem_printf("x{name=\"%s\"} 1\n", cases[i].want);
		struct buf out CLEANUP_BUF = BUF_INIT;

		metrics_count(&out, "x", &label, 1, 1);
		expect(&out, want);
	}
}

static void test_durations(void **state)
{
	struct metrics_durations d = {.sum_us = 0};
	struct buf out CLEANUP_BUF = BUF_INIT;

	(void)state;
	metrics_observe(&d, 0);
	metrics_observe(&d, 50);
	metrics_observe(&d, 51);
	metrics_observe(&d, 2500000);
	metrics_observe(&d, 2500001);
	metrics_observe(&d, UINT32_MAX);
	metrics_durations_print(&out, "x_seconds", &d);
	expect(&out, "x_seconds_bucket{le=\"5e-05\"} 2\nx_seconds_bucket{le=\"0.0001\"} 3\n"
		     "x_seconds_bucket{le=\"0.00025\"} 3\nx_seconds_bucket{le=\"0.0005\"} 3\n"
		     "x_seconds_bucket{le=\"0.001\"} 3\nx_seconds_bucket{le=\"0.0025\"} 3\n"
		     "x_seconds_bucket{le=\"0.005\"} 3\nx_seconds_bucket{le=\"0.01\"} 3\n"
		     "x_seconds_bucket{le=\"0.025\"} 3\nx_seconds_bucket{le=\"0.05\"} 3\n"
		     "x_seconds_bucket{le=\"0.1\"} 3\nx_seconds_bucket{le=\"0.25\"} 3\n"
		     "x_seconds_bucket{le=\"1\"} 3\nx_seconds_bucket{le=\"2.5\"} 4\n"
		     "x_seconds_bucket{le=\"+Inf\"} 6\nx_seconds_sum 4299.967397\n"
		     "x_seconds_count 6\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_metric),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
