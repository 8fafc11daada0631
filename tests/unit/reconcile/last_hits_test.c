#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "../../../controller/reconcile/last_hits.h"
#include "../../../controller/reconcile/statefile.h"

#define DAY 86400
#define SQL "  - {from: {service: web}, to: {service: db}, ports: [5432]}\n"
#define BUS "  - {from: {service: web}, to: {service: bus}, ports: [5672]}\n"

static struct hits h;
static struct last_hits l;
static struct policy_set *set;
static bool audits;

static void policies(const char *text)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	policy_set_free(set);
	set = policy_set_new();
	policy_parse(set, "shop.yaml", text, strlen(text), &p);
	assert_int_equal(p.len, 0);
}

static int begin(void **state)
{
	(void)state;
	h = (struct hits) {.began = false};
	l = (struct last_hits) {.items = NULL};
	set = NULL;
	audits = false;
	policies("policy: shop\nfor: {project: shop}\nallow:\n" SQL BUS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	hits_done(&h);
	last_hits_done(&l);
	policy_set_free(set);
	return 0;
}

static void add(const char *element_set, const char *comment, uint64_t packets)
{
	const struct nft_count count = {
		.family = NFPROTO_INET, .set = element_set, .comment = comment, .packets = packets};

	if (comment)
		hits_add(&h, &count);
}

/* A reading in which the line A of the file counted N, and the line B M; B may be NULL. */
static bool take(const char *a, uint64_t n, const char *b, uint64_t m, time_t now, uint64_t elapsed)
{
	hits_begin(&h);
	add("from_shop/web.allow_port4", a, n);
	add("to_shop/db.allow_port4", b, m);
	hits_end(&h);
	return last_hits_take(&l, &h, set, audits, now, elapsed);
}

/* Of the rule in LINE. */
static const struct last_hit *of(unsigned line)
{
	const struct policy_document *doc = &set->documents[0];

	for (size_t r = 0; r < doc->nrules; r++)
		for (size_t i = 0; doc->rules[r].where.line == line && i < l.len; i++)
			if (l.items[i].rule == policy_rule_key(doc, &doc->rules[r]))
				return &l.items[i];
	fail_msg("no rule in line %u", line);
	return NULL;
}

static void test_a_rule_grows_old(void **state)
{
	(void)state;
	assert_true(take("shop.yaml:4", 0, "shop.yaml:5 b", 0, 1000, 0));
	assert_int_equal(l.len, 2);
	assert_false(take("shop.yaml:4", 0, "shop.yaml:5 b", 0, 1300, 300));
	assert_int_equal(of(4)->watched, 300);
	assert_int_equal(of(4)->since, 1000);
	assert_int_equal(of(4)->last, 0);
	assert_true(take("shop.yaml:4", 7, "shop.yaml:5 b", 0, 1600, 300));
	assert_int_equal(of(4)->watched, 0);
	assert_int_equal(of(4)->last, 1600);
	assert_int_equal(of(5)->watched, 600);
	assert_false(take("shop.yaml:4", 8, "shop.yaml:5 b", 0, 1900, 300));
	assert_int_equal(of(4)->last, 1900);
}

/* A rule that is hit again after a day is worth writing at once. */
static void test_news(void **state)
{
	(void)state;
	take("shop.yaml:4", 0, NULL, 0, 1000, 0);
	take("shop.yaml:4", 1, NULL, 0, 1300, 300);
	assert_false(take("shop.yaml:4", 1, NULL, 0, 1300 + DAY, DAY));
	assert_true(take("shop.yaml:4", 2, NULL, 0, 1600 + DAY, 300));
}

/* No container is there for it, so the kernel has no counter. */
static void test_without_a_counter_it_does_not_grow_old(void **state)
{
	(void)state;
	take("shop.yaml:4", 0, NULL, 0, 1000, 0);
	take("shop.yaml:4", 0, NULL, 0, 1300, 300);
	assert_int_equal(of(5)->watched, 0);
	take("shop.yaml:4", 0, "shop.yaml:5", 0, 1600, 300);
	assert_int_equal(of(5)->watched, 0);
	take("shop.yaml:4", 0, "shop.yaml:5", 0, 1900, 300);
	assert_int_equal(of(5)->watched, 300);
	assert_int_equal(of(4)->watched, 900);
}

/* Either end's counter is the rule's. A container that went takes its counts along, and another's may have come. */
static void test_a_container_is_replaced(void **state)
{
	(void)state;
	take("shop.yaml:4", 5, "shop.yaml:4", 5, 1000, 0);
	assert_int_equal(of(4)->counted, 10);
	take("shop.yaml:4", 1, "shop.yaml:4", 1, 1300, 300);
	assert_int_equal(of(4)->last, 1300);
	take("shop.yaml:4", 0, "shop.yaml:4", 0, 1600, 300);
	assert_int_equal(of(4)->last, 1300);
}

static void test_lines_move(void **state)
{
	(void)state;
	take("shop.yaml:4", 0, "shop.yaml:5", 1, 1000, 0);
	take("shop.yaml:4", 0, "shop.yaml:5", 1, 1300, 300);
	policies(
		"# moved\n\npolicy: shop\nfor: {project: shop}\nallow:\n" BUS
		"  - {from: {service: web}, to: {service: db}, ports: [5432], name: sql, log: true}\n");
	assert_false(take("shop.yaml:7 sql", 0, "shop.yaml:6", 1, 1600, 300));
	assert_int_equal(l.len, 2);
	assert_int_equal(of(7)->watched, 600);
	assert_int_equal(of(6)->last, 1000);
	policies("policy: shop\nfor: {project: shop}\nallow:\n" SQL);
	take("shop.yaml:4", 0, NULL, 0, 1900, 300);
	assert_int_equal(l.len, 1);
}

/* As long as it lasts, over what else changes. */
static void test_since_when_it_audits(void **state)
{
	(void)state;
	audits = true;
	policies("policy: shop\nfor: {project: shop}\nmode: audit\nallow:\n" SQL);
	assert_true(take(NULL, 0, NULL, 0, 1000, 0));
	policies("policy: shop\nfor: {project: shop}\nmode: audit\n");
	assert_false(take(NULL, 0, NULL, 0, 2000, 300));
	assert_int_equal(l.len, 2);
	assert_string_equal(l.items[0].policy, "");
	assert_string_equal(l.items[1].policy, "shop");
	for (size_t i = 0; i < l.len; i++) {
		assert_int_equal(l.items[i].rule, LAST_HITS_AUDIT);
		assert_int_equal(l.items[i].since, 1000);
		assert_int_equal(l.items[i].watched, 0);
	}
	audits = false;
	take(NULL, 0, NULL, 0, 3000, 300);
	assert_int_equal(l.len, 1);
	policies("policy: shop\nfor: {project: shop}\n");
	take(NULL, 0, NULL, 0, 4000, 300);
	assert_int_equal(l.len, 0);
}

/* What a rule counted while no daemon ran, or since a boot, is a hit, too. */
static void test_a_restart(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	char dir[] = "/tmp/last-hits-XXXXXX";
	struct last_hits again = {.items = NULL};

	(void)state;
	assert_non_null(mkdtemp(dir));
	take("shop.yaml:4", 3, "shop.yaml:5", 9, 1000, 0);
	take("shop.yaml:4", 3, "shop.yaml:5", 9, 1300, 300);
	assert_int_equal(last_hits_save(dir, &l, true, &err), 0);
	assert_int_equal(last_hits_load(dir, &again, &err), 0);
	statefile_remove(dir, LAST_HITS_FILE, NULL);
	rmdir(dir);
	last_hits_done(&l);
	l = again;
	take("shop.yaml:4", 3, "shop.yaml:5", 2, 5000, 0);
	assert_int_equal(of(4)->last, 1000);
	assert_int_equal(of(4)->watched, 300);
	assert_int_equal(of(5)->last, 5000);
}

static void test_there_is_a_bound(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	buf_str(&text, "policy: shop\nfor: all\nallow:\n");
	for (int i = 0; i < LAST_HITS_RULES + 5; i++)
		buf_printf(&text, "- {from: 10.0.%d.%d, to: {}}\n", i / 256, i % 256);
	policies(buf_text(&text));
	take("shop.yaml:4", 0, NULL, 0, 1000, 0);
	assert_int_equal(l.len, LAST_HITS_RULES);
}

static void test_what_makes_no_sense(void **state)
{
	static const char *const documents[] = {
		"[]",
		"{}",
		"{'quaywall_hits': 2, 'rules': []}",
		"{'quaywall_hits': 1, 'rules': {}}",
		"{'quaywall_hits': 1, 'rules': [1]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdeg', 'since': 1, 'last': 1, 'watched': 1, 'counted': 1}]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 7, 'rule': '0123456789abcdef', 'since': 1, 'last': 1, 'watched': 1, 'counted': 1}]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdef', 'since': -1, 'last': 1, 'watched': 1, 'counted': 1}]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdef', 'since': 1, 'last': 1e3, 'watched': 1, 'counted': 1}]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdef', 'since': 1, 'last': 1, 'watched': 9223372036854775807, 'counted': 1}]}",
		"{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdef', 'since': 1, 'last': 1, 'watched': 1}]}",
		("{'quaywall_hits': 1, 'rules': [{'policy': 'a', 'rule': '0123456789abcdef', 'since': 1, 'last': 1, 'watched': 1, 'counted': 1},"
		 " {'policy': 'a', 'rule': '0123456789abcdef', 'since': 1, 'last': 1, 'watched': 1, 'counted': 1}]}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		CLEANUP_ERROR struct error err = ERROR_INIT;
		CLEANUP_FREE char *text = mem_strdup(documents[i]);
		CLEANUP_JSON json_t *j = NULL;

		for (char *at = text; (at = strchr(at, '\'')); at++)
			*at = '"';
		j = json_loads(text, 0, NULL);
		assert_non_null(j);
		assert_int_equal(last_hits_read(j, &l, &err), -EBADMSG);
		assert_null(l.items);
	}
}

static void test_the_posture(void **state)
{
	CLEANUP_JSON json_t *posture = json_object();
	char dir[] = "/tmp/last-hits-XXXXXX";
	json_t *hits;

	(void)state;
	assert_non_null(mkdtemp(dir));
	reconcile_rule_hits(dir, posture);
	hits = json_object_get(posture, "hits");
	assert_true(json_is_null(json_object_get(hits, "rules")));
	assert_non_null(strstr(json_string_value(json_object_get(hits, "why")), "/hits: "));
	take("shop.yaml:4", 3, "shop.yaml:5", 9, 1000, 0);
	assert_int_equal(last_hits_save(dir, &l, false, NULL), 0);
	reconcile_rule_hits(dir, posture);
	hits = json_object_get(posture, "hits");
	assert_int_equal(json_array_size(json_object_get(hits, "rules")), 2);
	assert_null(json_object_get(hits, "why"));
	statefile_remove(dir, LAST_HITS_FILE, NULL);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_rule_grows_old, begin, end),
		cmocka_unit_test_setup_teardown(test_news, begin, end),
		cmocka_unit_test_setup_teardown(test_without_a_counter_it_does_not_grow_old, begin,
						end),
		cmocka_unit_test_setup_teardown(test_a_container_is_replaced, begin, end),
		cmocka_unit_test_setup_teardown(test_lines_move, begin, end),
		cmocka_unit_test_setup_teardown(test_since_when_it_audits, begin, end),
		cmocka_unit_test_setup_teardown(test_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(test_there_is_a_bound, begin, end),
		cmocka_unit_test_setup_teardown(test_what_makes_no_sense, begin, end),
		cmocka_unit_test_setup_teardown(test_the_posture, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
