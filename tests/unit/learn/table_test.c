#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/learn.h"
#include "quaywall/mem.h"
#include "shop.h"

static struct flow_end outside(unsigned n)
{
	struct flow_end end = {.kind = END_OUTSIDE,
			       .addr = {.family = AF_INET, .bytes = {198, 51}}};

	end.addr.bytes[2] = (uint8_t)(n >> 8);
	end.addr.bytes[3] = (uint8_t)n;
	return end;
}

static struct flow tcp(struct flow_end from, struct flow_end to, uint16_t port)
{
	return (struct flow) {.from = from, .to = to, .protocol = IPPROTO_TCP, .port = port};
}

static bool add(struct learn_table *table, struct flow f, enum flow_verdict verdict, time_t at)
{
	return learn_table_add(table, t.compiled, &f, verdict, at, NULL);
}

static const struct learn_pair *find(const struct learn_table *table, uint16_t port)
{
	for (size_t i = 0; i < learn_table_len(table); i++)
		if (learn_table_pair(table, i)->port == port)
			return learn_table_pair(table, i);
	fail_msg("no pair with port %u", port);
	return NULL;
}

static void test_flows_are_counted_by_names(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(16);
	struct flow f = tcp(endpoint(W1_BACK), endpoint(DB), 5432);
	const struct learn_pair *p;
	bool is_new = false;

	(void)state;
	assert_true(learn_table_add(table, t.compiled, &f, FLOW_AUDIT, 200, &is_new));
	assert_true(is_new);
	/* The other container of the service, and another network of the first. */
	assert_true(add(table, tcp(endpoint(W2_BACK), endpoint(DB), 5432), FLOW_ALLOW, 100));
	f = tcp(endpoint(W1_FRONT), endpoint(DB), 5432);
	assert_true(learn_table_add(table, t.compiled, &f, FLOW_DENY, 300, &is_new));
	assert_false(is_new);
	/* What was only refused is new when it passes. */
	f = tcp(endpoint(W1_BACK), endpoint(DB), 5433);
	assert_true(learn_table_add(table, t.compiled, &f, FLOW_DENY, 300, &is_new));
	assert_true(is_new);
	assert_true(learn_table_add(table, t.compiled, &f, FLOW_ALLOW, 300, &is_new));
	assert_true(is_new);
	assert_true(learn_table_add(table, t.compiled, &f, FLOW_ALLOW, 300, &is_new));
	assert_false(is_new);
	assert_int_equal(learn_table_len(table), 2);
	p = learn_table_pair(table, 0);
	assert_string_equal(p->from.project, "shop");
	assert_string_equal(p->from.service, "web");
	assert_null(p->from.name);
	assert_string_equal(p->to.service, "db");
	assert_int_equal(p->allowed, 1);
	assert_int_equal(p->audited, 1);
	assert_int_equal(p->refused, 1);
	assert_int_equal(p->first, 100);
	assert_int_equal(p->last, 300);
}

static void test_what_makes_another_pair(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(64);
	struct flow f = tcp(endpoint(W1_BACK), endpoint(DB), 5432);

	(void)state;
	assert_true(add(table, f, FLOW_ALLOW, 1));
	f.protocol = IPPROTO_UDP;
	assert_true(add(table, f, FLOW_ALLOW, 1));
	f.port = 5433;
	assert_true(add(table, f, FLOW_ALLOW, 1));
	assert_true(add(table, tcp(endpoint(DB), endpoint(W1_BACK), 5432), FLOW_ALLOW, 1));
	/* The blog's web is not the shop's. */
	assert_true(add(table, tcp(endpoint(BLOG_WEB), endpoint(DB), 5432), FLOW_ALLOW, 1));
	assert_true(add(table, tcp(endpoint(GRAFANA), endpoint(DB), 5432), FLOW_ALLOW, 1));
	f = tcp(outside(9), endpoint(W1_FRONT), 8443);
	assert_true(add(table, f, FLOW_ALLOW, 1));
	f.published = true;
	f.published_port = 443;
	assert_true(add(table, f, FLOW_ALLOW, 1));
	assert_int_equal(learn_table_len(table), 8);
}

static void test_other_ends(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(16);
	struct flow_end host = {.kind = END_HOST};
	struct flow ping = {.from = endpoint(GRAFANA), .to = outside(9), .port = 7};

	(void)state;
	assert_true(add(table, tcp(endpoint(GRAFANA), host, 9100), FLOW_ALLOW, 1));
	assert_string_equal(find(table, 9100)->from.name, "grafana");
	assert_null(find(table, 9100)->from.project);
	assert_int_equal(find(table, 9100)->to.kind, LEARN_HOST);
	ping.protocol = IPPROTO_ICMPV6;
	assert_true(add(table, ping, FLOW_ALLOW, 1));
	assert_int_equal(find(table, 0)->protocol, IPPROTO_ICMP);
	assert_int_equal(find(table, 0)->to.addr.bytes[3], 9);
}

static void test_what_makes_nothing(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(16);
	struct flow_end unknown = {.kind = END_UNKNOWN}, host = {.kind = END_HOST};

	(void)state;
	assert_false(add(table, tcp(endpoint(DB), unknown, 80), FLOW_DENY, 1));
	assert_false(add(table, tcp(unknown, endpoint(DB), 80), FLOW_DENY, 1));
	assert_false(add(table, tcp(endpoint(W1_FRONT), endpoint(W1_BACK), 80), FLOW_ALLOW, 1));
	assert_false(add(table, tcp(host, outside(1), 80), FLOW_ALLOW, 1));
	assert_int_equal(learn_table_len(table), 0);
	assert_int_equal(learn_table_left_out(table), 0);
}

static void test_many_addresses_become_one(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(4096);
	struct flow f = tcp(outside(0), endpoint(W1_FRONT), 8443);
	size_t others = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * LEARN_ADDRS_MAX; i++) {
		f.from = outside(i);
		assert_true(add(table, f, FLOW_ALLOW, 1));
	}
	assert_int_equal(learn_table_len(table), LEARN_ADDRS_MAX + 1);
	for (size_t i = 0; i < learn_table_len(table); i++) {
		const struct learn_pair *p = learn_table_pair(table, i);

		others += addr_is_set(&p->from.addr) ? 0 : p->allowed;
	}
	assert_int_equal(others, 2 * LEARN_ADDRS_MAX);
	/* Of private ones it is known which. */
	f.from.addr = (struct addr) {.family = AF_INET, .bytes = {10, 1, 2, 3}};
	assert_true(add(table, f, FLOW_ALLOW, 1));
	assert_int_equal(learn_table_len(table), LEARN_ADDRS_MAX + 2);
	assert_true(learn_table_pair(table, LEARN_ADDRS_MAX + 1)->from.block);
	/* Another port has its own. */
	f.port = 80;
	assert_true(add(table, f, FLOW_ALLOW, 1));
	assert_true(addr_is_set(&find(table, 80)->from.addr));
}

static void test_many_ports_become_a_range(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(4096);
	const struct learn_pair *p;

	(void)state;
	for (unsigned i = 0; i < 3 * LEARN_PORTS_MAX; i++)
		assert_true(add(table, tcp(endpoint(WORKER), endpoint(DB), (uint16_t)(40000 - i)),
				FLOW_ALLOW, 1));
	assert_int_equal(learn_table_len(table), LEARN_PORTS_MAX + 1);
	p = find(table, 40000 - 3 * LEARN_PORTS_MAX + 1);
	assert_true(p->range);
	assert_int_equal(p->port_last, 40000 - LEARN_PORTS_MAX);
	assert_int_equal(p->allowed, 2 * LEARN_PORTS_MAX);
	/* A port that is known keeps its own place. */
	assert_true(add(table, tcp(endpoint(WORKER), endpoint(DB), 40000), FLOW_ALLOW, 1));
	assert_int_equal(find(table, 40000)->allowed, 2);
}

/* Whatever somebody outside or a container tries, it takes no more than that. */
static void test_a_scan_is_bounded(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(100000);

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		add(table, tcp(endpoint(WORKER), outside(i * 7919), (uint16_t)(i * 104729)),
		    FLOW_ALLOW, 1);
	assert_true(learn_table_len(table) <= (LEARN_PORTS_MAX + 1) * (LEARN_ADDRS_MAX + 1));
	assert_int_equal(learn_table_left_out(table), 0);
}

static void test_what_was_only_refused_takes_a_quarter(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(64);

	(void)state;
	for (uint16_t port = 1; port <= 10; port++) {
		add(table, tcp(endpoint(WORKER), endpoint(DB), port), FLOW_DENY, 1);
		add(table, tcp(endpoint(BLOG_WEB), endpoint(DB), port), FLOW_DENY, 1);
	}
	assert_int_equal(learn_table_len(table), 16);
	assert_int_equal(learn_table_left_out(table), 4);
	/* One that passes does not count there any more. */
	assert_true(add(table, tcp(endpoint(WORKER), endpoint(DB), 1), FLOW_AUDIT, 1));
	assert_true(add(table, tcp(endpoint(WORKER), endpoint(DB), 9), FLOW_DENY, 1));
	assert_false(add(table, tcp(endpoint(WORKER), endpoint(DB), 10), FLOW_DENY, 1));
}

/* One that scans must not keep the others from being known. */
static void test_one_container_takes_a_quarter(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(64);

	(void)state;
	for (uint16_t i = 0; i < 100; i++)
		add(table, tcp(endpoint(WORKER), i % 2 ? outside(i) : endpoint(DB), i), FLOW_AUDIT,
		    1);
	assert_int_equal(learn_table_len(table), 16);
	assert_int_equal(learn_table_left_out(table), 100 - 16);
	assert_true(add(table, tcp(endpoint(WORKER), endpoint(DB), 2), FLOW_AUDIT, 1));
	/* By who sends, where that is a container. */
	assert_true(add(table, tcp(endpoint(BLOG_WEB), endpoint(WORKER), 80), FLOW_AUDIT, 1));
	for (uint16_t port = 100; port < 120; port++)
		add(table, tcp(outside(1), endpoint(DB), port), FLOW_AUDIT, 1);
	assert_int_equal(learn_table_len(table), 16 + 1 + 16);
}

static void test_what_nobody_answered(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(16);
	struct flow tried = tcp(endpoint(WORKER), endpoint(DB), 22);
	struct flow served = tcp(endpoint(WORKER), endpoint(DB), 5432);
	struct flow strange = tcp(endpoint(WORKER), endpoint(DB), 23);

	(void)state;
	add(table, tried, FLOW_AUDIT, 1);
	add(table, served, FLOW_AUDIT, 1);
	add(table, served, FLOW_AUDIT, 1);
	assert_true(learn_pair_passed(find(table, 22)));
	learn_table_unanswered(table, t.compiled, &tried);
	learn_table_unanswered(table, t.compiled, &served);
	learn_table_unanswered(table, t.compiled, &strange);
	assert_int_equal(learn_table_len(table), 2);
	assert_false(learn_pair_passed(find(table, 22)));
	assert_true(learn_pair_passed(find(table, 5432)));
	/* No more than there were; and one that is answered makes it a pair again. */
	learn_table_unanswered(table, t.compiled, &tried);
	assert_int_equal(find(table, 22)->unanswered, 1);
	add(table, tried, FLOW_AUDIT, 2);
	assert_true(learn_pair_passed(find(table, 22)));
}

static void scan(struct learn_table *table, struct flow_end to, uint16_t first, unsigned n,
		 bool refused)
{
	for (unsigned i = 0; i < n; i++) {
		struct flow f = tcp(endpoint(WORKER), to, (uint16_t)(first + i));

		assert_true(add(table, f, refused ? FLOW_DENY : FLOW_AUDIT, 1));
		if (!refused)
			learn_table_unanswered(table, t.compiled, &f);
	}
}

static const struct learn_pair *find_range(const struct learn_table *table)
{
	for (size_t i = 0; i < learn_table_len(table); i++)
		if (learn_table_pair(table, i)->range)
			return learn_table_pair(table, i);
	fail_msg("no range");
	return NULL;
}

static void serve(struct learn_table *table, struct flow_end to, uint16_t port)
{
	assert_true(add(table, tcp(endpoint(WORKER), to, port), FLOW_AUDIT, 1));
}

/* Before, between and after: what is answered keeps its own place. */
static void test_a_scan_widens_nothing(void **state)
{
	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(4096);
		uint64_t all = 0;

		scan(table, endpoint(DB), 1000, 400, refused);
		serve(table, endpoint(DB), 5432);
		scan(table, endpoint(DB), 6000, 400, refused);
		serve(table, endpoint(DB), 1399);
		scan(table, endpoint(DB), 2000, 400, refused);
		assert_false(find(table, 5432)->range);
		assert_true(learn_pair_passed(find(table, 5432)));
		assert_false(find(table, 1399)->range);
		assert_true(learn_pair_passed(find(table, 1399)));
		assert_false(learn_pair_passed(find_range(table)));
		assert_int_equal(learn_table_len(table), LEARN_PORTS_MAX + 1);
		for (size_t i = 0; i < learn_table_len(table); i++) {
			const struct learn_pair *p = learn_table_pair(table, i);

			all += p->allowed + p->audited + p->refused;
		}
		assert_int_equal(all, 1202);
	}
}

/* Where all places are taken by what is answered, a range is of what was answered alone. */
static void test_a_range_is_of_what_passed(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(4096);
	const struct learn_pair *p;

	(void)state;
	scan(table, endpoint(DB), 1000, LEARN_PORTS_MAX + 9, false);
	for (uint16_t i = 0; i < LEARN_PORTS_MAX; i++)
		serve(table, endpoint(DB), (uint16_t)(30000 + i));
	p = find_range(table);
	assert_false(learn_pair_passed(p));
	assert_int_equal(p->unanswered, LEARN_PORTS_MAX + 9);
	serve(table, endpoint(DB), 40002);
	serve(table, endpoint(DB), 40000);
	scan(table, endpoint(DB), 7, 1, true);
	p = find_range(table);
	assert_true(learn_pair_passed(p));
	assert_int_equal(p->port, 40000);
	assert_int_equal(p->port_last, 40002);
	/* Outside, too: a scan that is first makes the range no wider. */
	scan(table, outside(1), 1000, 400, false);
	serve(table, outside(1), 5432);
	assert_true(find(table, 5432)->range);
	assert_int_equal(find(table, 5432)->port_last, 5432);
}

/* What was answered since gives no way, and what began in the range ends there. */
static void test_who_keeps_the_place(void **state)
{
	CLEANUP_LEARN_TABLE struct learn_table *table = learn_table_new(4096);
	struct flow first = tcp(endpoint(WORKER), endpoint(DB), 1000), f = first;

	(void)state;
	scan(table, endpoint(DB), 1000, LEARN_PORTS_MAX, false);
	for (uint16_t i = 0; i < LEARN_PORTS_MAX; i++)
		serve(table, endpoint(DB), (uint16_t)(1000 + i));
	f.port = 40000;
	assert_true(add(table, f, FLOW_AUDIT, 1));
	assert_int_equal(learn_table_len(table), LEARN_PORTS_MAX + 1);
	assert_int_equal(find_range(table)->port, 40000);
	/* Its first flow has not ended when there is a place again. */
	learn_table_unanswered(table, t.compiled, &first);
	assert_false(learn_pair_passed(find(table, 1000)));
	assert_true(add(table, f, FLOW_AUDIT, 1));
	learn_table_unanswered(table, t.compiled, &f);
	assert_true(find(table, 40000)->range);
	assert_int_equal(find(table, 40000)->unanswered, 1);
	assert_true(learn_pair_passed(find(table, 40000)));
	assert_int_equal(learn_table_len(table), LEARN_PORTS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_are_counted_by_names),
		cmocka_unit_test(test_what_makes_another_pair),
		cmocka_unit_test(test_other_ends),
		cmocka_unit_test(test_what_makes_nothing),
		cmocka_unit_test(test_many_addresses_become_one),
		cmocka_unit_test(test_many_ports_become_a_range),
		cmocka_unit_test(test_a_scan_is_bounded),
		cmocka_unit_test(test_what_was_only_refused_takes_a_quarter),
		cmocka_unit_test(test_one_container_takes_a_quarter),
		cmocka_unit_test(test_what_nobody_answered),
		cmocka_unit_test(test_a_scan_widens_nothing),
		cmocka_unit_test(test_a_range_is_of_what_passed),
		cmocka_unit_test(test_who_keeps_the_place),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
