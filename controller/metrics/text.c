#include "quaywall/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void metrics_begin(struct buf *out, const char *name, enum metrics_type type, const char *help)
{
	static const char *const types[] = {
		[METRICS_COUNTER] = "counter",
		[METRICS_GAUGE] = "gauge",
		[METRICS_HISTOGRAM] = "histogram",
	};

	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* ---- samples ---- */

/* A value ends with a quote, and a sample with its line: names are whatever policies and containers say. */
static void add_value(struct buf *out, const char *value)
{
	size_t left = value ? strlen(value) : 0;

	while (left) {
		uint32_t c = 0;
		size_t len = utf8_decode(value, left, &c);

		if (!len)
			buf_str(out, REPLACEMENT);
		else if (c == '\n')
			buf_str(out, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else
			buf_add(out, value, len);
		value += len ? len : 1;
		left -= len ? len : 1;
	}
}

static void add_name(struct buf *out, const char *name, const struct metrics_label *labels,
		     size_t n)
{
	buf_str(out, name);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		add_value(out, labels[i].value);
		buf_char(out, '"');
	}
	if (n)
		buf_char(out, '}');
}

void metrics_count(struct buf *out, const char *name, const struct metrics_label *labels, size_t n,
		   uint64_t value)
{
	add_name(out, name, labels, n);
	buf_printf(out, " %" PRIu64 "\n", value);
}

void metrics_number(struct buf *out, const char *name, const struct metrics_label *labels, size_t n,
		    double value)
{
	add_name(out, name, labels, n);
	buf_printf(out, " %.15g\n", value);
}

/* ---- durations ---- */

static const struct {
	uint64_t us;
	const char *seconds;
} bounds[] = {
	{50, "5e-05"},	  {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},	{1000, "0.001"},
	{2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},
	{100000, "0.1"},  {250000, "0.25"}, {1000000, "1"},   {2500000, "2.5"},
};

_Static_assert(ARRAY_SIZE(bounds) == METRICS_BUCKETS, "as the door says");

void metrics_observe(struct metrics_durations *d, uint64_t took_us)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && took_us > bounds[i].us)
		i++;
	d->counts[i]++;
	d->sum_us += took_us;
}

void metrics_durations_print(struct buf *out, const char *name, const struct metrics_durations *d)
{
	uint64_t upto = 0;

	for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
		upto += d->counts[i];
		buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name,
			   i < METRICS_BUCKETS ? bounds[i].seconds : "+Inf", upto);
	}
	buf_printf(out, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name, (double)d->sum_us / 1e6, name,
		   upto);
}
