#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "quaywall/alert.h"

#define START 5000000 /* ms; any */

static const struct alert_limits limits = {{20, 60}, {50, 60}, true};

/* What was raised. */
struct heard {
	struct alert_table *table;
	size_t n, kinds[ALERT_KINDS];
	struct alert last;
};

static void hear(void *data, const struct alert *a)
{
	struct heard *h = data;

	h->n++;
	h->kinds[a->kind]++;
	h->last = *a;
}

static struct heard begin(const struct alert_limits *l)
{
	return (struct heard) {.table = alert_table_new(l)};
}

static struct alert_event refused(const char *from, unsigned port, uint64_t ms)
{
	static char ports[16];

	snprintf(ports, sizeof(ports), "%u/tcp", port);
	return (struct alert_event) {
		.kind = ALERT_REFUSED,
		.inside = true,
		.from = from,
		.from_address = "172.18.0.3",
		.to = "shop/db",
		.to_address = "172.18.0.2",
		.ports = ports,
		.ms = START + ms,
		.at = 1000 + (time_t)(ms / 1000),
	};
}

static void take(struct heard *h, struct alert_event e)
{
	alert_take(h->table, &e, hear, h);
}

static void scan(struct heard *h, const char *from, unsigned ports, uint64_t ms)
{
	for (unsigned i = 1; i <= ports; i++)
		take(h, refused(from, i, ms));
}

/* ---- scans ---- */

static void test_a_scan_is_one_alert(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	scan(&h, "web", 19, 0);
	assert_int_equal(h.n, 0);
	scan(&h, "web", 30, 1500);
	assert_int_equal(h.kinds[ALERT_SCAN], 1);
	assert_string_equal(h.last.from, "web");
	assert_string_equal(h.last.to.ports, "20/tcp");
	assert_string_equal(h.last.examples[4].ports, "5/tcp");
	assert_int_equal(h.last.nexamples, ALERT_EXAMPLES);
	assert_int_equal(h.last.count, 39);
	assert_int_equal(h.last.different, 20);
	assert_int_equal(h.last.seconds, 60);
	assert_int_equal(h.last.first, 1000);
	assert_int_equal(h.last.last, 1001);
	assert_true(h.last.inside && !h.last.again);
	alert_table_free(h.table);
}

static void test_what_is_slow_or_the_same_is_none(void **state)
{
	struct alert_limits no_flood = {{20, 60}, {0, 60}, true};
	struct heard h = begin(&no_flood);

	(void)state;
	for (unsigned i = 1; i <= 200; i++)
		take(&h, refused("web", i, i * 4000));
	for (unsigned i = 1; i <= 2000; i++)
		take(&h, refused("web", 10 + i % 10, 1000000 + i));
	assert_int_equal(h.n, 0);
	alert_table_free(h.table);
}

/* One port of many addresses. */
static void test_a_sweep(void **state)
{
	struct heard h = begin(&limits);
	char to[32];

	(void)state;
	for (unsigned i = 1; i <= 40; i++) {
		struct alert_event e = refused(NULL, 22, i);

		snprintf(to, sizeof(to), "172.18.0.%u", i);
		e.to_address = to;
		e.inside = false;
		e.from = "world";
		e.from_address = "192.0.2.1";
		take(&h, e);
	}
	assert_int_equal(h.n, 1);
	assert_false(h.last.inside);
	assert_string_equal(h.last.from_address, "192.0.2.1");
	assert_string_equal(h.last.to.address, "172.18.0.20");
	alert_table_free(h.table);
}

static void test_two_sources_are_two(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	for (unsigned i = 1; i <= 19; i++) {
		take(&h, refused("web", i, i));
		take(&h, refused("db", 100 + i, i));
	}
	assert_int_equal(h.n, 0);
	take(&h, refused("web", 20, 20));
	take(&h, refused("db", 120, 20));
	assert_int_equal(h.n, 2);
	alert_table_free(h.table);
}

static void test_off(void **state)
{
	struct alert_limits off = {{0, 60}, {0, 60}, false};
	struct heard h = begin(&off);
	struct alert_event e = refused("web", 1, 1);

	(void)state;
	scan(&h, "web", 2000, 0);
	e.kind = ALERT_SPOOFED;
	for (int i = 0; i < 100; i++)
		take(&h, e);
	assert_int_equal(h.n, 0);
	alert_table_free(h.table);
}

/* ---- again ---- */

static void test_again_after_an_hour_with_the_count(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	for (uint64_t s = 0; s <= 3700; s++)
		take(&h, refused("web", (unsigned)(s % 1000), s * 1000));
	assert_int_equal(h.kinds[ALERT_SCAN], 2);
	assert_true(h.last.again);
	assert_true(h.last.count > 3600);
	assert_int_equal(h.last.first, 1000);
	alert_table_free(h.table);
}

static void test_again_after_quiet(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	scan(&h, "web", 25, 0);
	scan(&h, "web", 25, ALERT_QUIET_S * 1000 - 1);
	assert_int_equal(h.n, 1);
	scan(&h, "web", 25, 2 * ALERT_QUIET_S * 1000);
	assert_int_equal(h.n, 2);
	assert_false(h.last.again);
	assert_int_equal(h.last.count, 20);
	alert_table_free(h.table);
}

/* ---- floods ---- */

static void test_a_flood(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		take(&h, refused("web", 99, i));
	assert_int_equal(h.n, 1);
	assert_int_equal(h.kinds[ALERT_FLOOD], 1);
	assert_int_equal(h.last.count, 50);
	assert_int_equal(h.last.nexamples, 1);
	for (unsigned i = 0; i < 40; i++)
		take(&h, refused("db", 99, i * 1600));
	assert_int_equal(h.n, 1);
	alert_table_free(h.table);
}

/* What the world sends is no container's flood. */
static void test_a_flood_from_outside_is_none(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct alert_event e = refused("world", 99, i);

		e.inside = false;
		take(&h, e);
	}
	assert_int_equal(h.n, 0);
	alert_table_free(h.table);
}

/* ---- spoofing, new flows ---- */

static void test_spoofing(void **state)
{
	struct heard h = begin(&limits);
	struct alert_event e = refused("web", 1, 0);

	(void)state;
	e.kind = ALERT_SPOOFED;
	e.ports = "arp";
	take(&h, e);
	e.ms += 59000;
	take(&h, e);
	e.ms += 59000;
	take(&h, e);
	assert_int_equal(h.n, 0);
	take(&h, e);
	take(&h, e);
	assert_int_equal(h.kinds[ALERT_SPOOFING], 1);
	assert_string_equal(h.last.to.ports, "arp");
	alert_table_free(h.table);
}

static void test_new_flows_one_by_one_but_not_thousands(void **state)
{
	struct heard h = begin(&limits);

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct alert_event e = refused("web", i, i);

		e.kind = ALERT_PASSED_NEW;
		take(&h, e);
		if (i == 0)
			assert_int_equal(h.n, 1);
	}
	assert_int_equal(h.kinds[ALERT_NEW_FLOW], ALERT_NEW_FLOWS);
	alert_table_free(h.table);
}

/* ---- bounds ---- */

static void test_no_more_than_so_many_a_minute(void **state)
{
	struct heard h = begin(&limits);
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		scan(&h, name, 100, i);
	}
	/* Each of them tried again and again, and counts once; the floods among them, too. */
	assert_int_equal(h.n, ALERT_A_MINUTE);
	assert_true(alert_suppressed(h.table) >= 30 && alert_suppressed(h.table) <= 100);
	h.n = 0;
	take(&h, refused("c49", 1, 70000));
	assert_int_equal(h.n, 0);
	scan(&h, "c49", 20, 70000);
	assert_int_equal(h.kinds[ALERT_SCAN] > 0, true);
	assert_string_equal(h.last.from, "c49");
	alert_table_free(h.table);
}

/* Addresses outside are anybody's to make up: they push out one another, and no container. */
static void test_sources_outside_do_not_hide_a_container(void **state)
{
	struct heard h = begin(&limits);
	char address[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 1000; k++) {
			struct alert_event e = refused("world", 22, i);

			snprintf(address, sizeof(address), "192.0.%u.%u", k / 250, k % 250);
			e.inside = false;
			e.from_address = address;
			take(&h, e);
		}
		take(&h, refused("web", 100 + i, i));
	}
	assert_int_equal(h.n, 1);
	assert_string_equal(h.last.from, "web");
	alert_table_free(h.table);
}

static void test_long_and_missing_texts(void **state)
{
	struct heard h = begin(&limits);
	struct alert_event e = refused(NULL, 1, 0);
	char name[1000];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	name[998] = '\0';
	e.kind = ALERT_PASSED_NEW;
	e.from = name;
	e.from_address = e.to = e.to_address = e.ports = NULL;
	take(&h, e);
	assert_int_equal(h.n, 1);
	assert_int_equal(strlen(h.last.from), ALERT_NAME_SIZE - 2);
	assert_string_equal(h.last.to.ports, "");
	e.from = NULL;
	take(&h, e);
	assert_int_equal(h.n, 2);
	alert_table_free(h.table);
	alert_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_scan_is_one_alert),
		cmocka_unit_test(test_what_is_slow_or_the_same_is_none),
		cmocka_unit_test(test_a_sweep),
		cmocka_unit_test(test_two_sources_are_two),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_again_after_an_hour_with_the_count),
		cmocka_unit_test(test_again_after_quiet),
		cmocka_unit_test(test_a_flood),
		cmocka_unit_test(test_a_flood_from_outside_is_none),
		cmocka_unit_test(test_spoofing),
		cmocka_unit_test(test_new_flows_one_by_one_but_not_thousands),
		cmocka_unit_test(test_no_more_than_so_many_a_minute),
		cmocka_unit_test(test_sources_outside_do_not_hide_a_container),
		cmocka_unit_test(test_long_and_missing_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
