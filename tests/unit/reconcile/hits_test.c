#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/netfilter.h>
#include <stdlib.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "../../../controller/reconcile/hits.h"

static struct hits h;

static int begin(void **state)
{
	(void)state;
	h = (struct hits) {.began = false};
	return 0;
}

static int end(void **state)
{
	(void)state;
	hits_done(&h);
	return 0;
}

static struct nft_count element(const char *set, const char *comment, uint64_t packets)
{
	return (struct nft_count) {.family = NFPROTO_INET,
				   .set = set,
				   .comment = comment,
				   .packets = packets,
				   .bytes = 60 * packets};
}

static struct nft_count rule(const char *chain, const char *comment, const char *target,
			     uint64_t packets)
{
	return (struct nft_count) {.family = NFPROTO_INET,
				   .chain = chain,
				   .comment = comment,
				   .verdict = target ? VERDICT_GOTO : VERDICT_NONE,
				   .target = target,
				   .packets = packets,
				   .bytes = 60 * packets};
}

static void read_these(const struct nft_count *counts, size_t n)
{
	hits_begin(&h);
	for (size_t i = 0; i < n; i++)
		hits_add(&h, &counts[i]);
	hits_end(&h);
}

#define READ(...)                                                \
	do {                                                     \
		const struct nft_count counts[] = {__VA_ARGS__}; \
                                                                 \
		read_these(counts, ARRAY_SIZE(counts));          \
	} while (0)

static void expect(const char *want)
{
	static const char *const actions[] = {"allow", "audit", "refuse"};
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (size_t i = 0; i < h.rules.len; i++) {
		const struct hits_rule *r = &h.rules.items[i];

		assert_int_equal(r->bytes, 60 * r->packets);
		buf_printf(&text, "%s %s %s %d\n", r->egress ? "out" : "in", actions[r->action],
			   r->comment, (int)r->packets);
	}
	assert_string_equal(buf_text(&text), want);
}

/* What a table of before had counted is not this daemon's. */
static void test_the_first_reading_is_where_it_begins(void **state)
{
	(void)state;
	READ(element("from_shop/web.allow_port4", "a:5", 100), rule("refuse", NULL, NULL, 50));
	expect("out allow a:5 0\n");
	READ(element("from_shop/web.allow_port4", "a:5", 107), rule("refuse", NULL, NULL, 53));
	expect("out allow a:5 7\n");
	assert_int_equal(h.verdicts[0], 3);
}

static void test_what_counts_as_what(void **state)
{
	(void)state;
	READ(element("x", "y", 0));
	READ(element("to_a.b.deny_net4", "a:1", 1), element("host_a.audit_port6", "a:2", 2),
	     element("publish_a.allow_addr4", "a:3 v", 3),
	     rule("to_a", "a:4 a isolates ingress", "refuse", 4),
	     rule("from_a", "a:4 a isolates egress", "audit", 5),
	     rule("from_a", "a:6", "refuse_quietly", 6), rule("to_a", "a:7", NULL, 7),
	     rule("containers_send", "defaults.unknown", "refuse_unknown", 8),
	     rule("refuse", NULL, NULL, 100), rule("foreign", NULL, NULL, 9));
	expect("in refuse a:1 1\nout audit a:2 2\nin allow a:3 v 3\n"
	       "out audit a:4 a isolates egress 5\nin refuse a:4 a isolates ingress 4\n"
	       "out refuse a:6 6\nin audit a:7 7\nout refuse defaults.unknown 8\n");
	/* Those with a log of their own are refused and audited like the others. */
	assert_int_equal(h.verdicts[0], 106);
	assert_int_equal(h.verdicts[3], 7);
}

static void test_one_line_in_many_places_is_one(void **state)
{
	(void)state;
	READ(element("x", "y", 0));
	READ(element("from_a.allow4", "a:5", 1), element("from_b.allow4", "a:5", 2),
	     element("to_c.allow4", "a:5", 4), rule("from_a", "a:5", "refuse", 8),
	     rule("from_a", "a:5", "refuse", 16));
	expect("in allow a:5 4\nout allow a:5 3\nout refuse a:5 24\n");
}

/* It may grow less than it should, and never more. */
static void test_what_goes_and_begins_anew(void **state)
{
	(void)state;
	READ(element("from_a.allow4", "a:5", 0), rule("to_a", "a:1", "refuse", 0));
	READ(element("from_a.allow4", "a:5", 1000), rule("to_a", "a:1", "refuse", 500));
	/* A container went with 990; the rule was set anew, and then counted 3. */
	READ(element("from_a.allow4", "a:5", 10), rule("to_a", "a:1", "refuse", 3));
	expect("in refuse a:1 503\nout allow a:5 1000\n");
	READ(element("from_a.allow4", "a:5", 12), rule("to_a", "a:1", "refuse", 3));
	expect("in refuse a:1 503\nout allow a:5 1002\n");
	/* Its last container went, and another identity has the line. */
	READ(element("from_b.allow4", "a:5", 1));
	expect("out allow a:5 1003\n");
	/* The line has gone, and is back. */
	READ(rule("to_a", "a:1", "refuse", 2));
	expect("in refuse a:1 2\n");
	READ(element("from_b.allow4", "a:5", 4));
	expect("out allow a:5 4\n");
}

/* A reading that was given up changes nothing. */
static void test_half_a_reading(void **state)
{
	const struct nft_count half = element("from_a.allow4", "a:5", 900);

	(void)state;
	READ(element("from_a.allow4", "a:5", 1));
	READ(element("from_a.allow4", "a:5", 3));
	hits_begin(&h);
	hits_add(&h, &half);
	expect("out allow a:5 2\n");
	READ(element("from_a.allow4", "a:5", 4));
	expect("out allow a:5 3\n");
}

static void test_too_many(void **state)
{
	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		hits_begin(&h);
		for (unsigned i = 0; i < HITS_COUNTERS_MAX + 5; i++) {
			CLEANUP_FREE char *comment = mem_printf("a:%u", i);
			const struct nft_count c = element("from_a.allow4", comment, 1);

			hits_add(&h, &c);
		}
		hits_end(&h);
		assert_int_equal(h.rules.len, HITS_RULES_MAX);
		assert_int_equal(h.left_out, 5 + HITS_COUNTERS_MAX - HITS_RULES_MAX);
	}
}

static void test_places(void **state)
{
	static const struct {
		const char *comment, *file, *line, *rest;
	} cases[] = {
		{"shop.yaml:5 sql", "shop.yaml", "5", "sql"},
		{"shop.yaml:5", "shop.yaml", "5", ""},
		{"a:b:7 x:8 y", "a:b", "7", "x:8 y"},
		{"a.yaml:12x", "", "", "a.yaml:12x"},
		{"defaults.unknown", "", "", "defaults.unknown"},
		{"", "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *file = NULL;
		CLEANUP_FREE char *line = NULL;

		assert_string_equal(hits_place(cases[i].comment, &file, &line), cases[i].rest);
		assert_string_equal(file, cases[i].file);
		assert_string_equal(line, cases[i].line);
	}
}

#define WITH_HITS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HITS(test_the_first_reading_is_where_it_begins),
		WITH_HITS(test_what_counts_as_what),
		WITH_HITS(test_one_line_in_many_places_is_one),
		WITH_HITS(test_what_goes_and_begins_anew),
		WITH_HITS(test_half_a_reading),
		WITH_HITS(test_too_many),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
