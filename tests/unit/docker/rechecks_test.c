#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdint.h>

#include "quaywall/buf.h"

#include "../../../controller/docker/rechecks.h"

static void add_text(void *data, const char *id)
{
	buf_printf(data, "%s ", id);
}

static void due_are(struct rechecks *r, int64_t now, const char *want)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	rechecks_run(r, now, add_text, &text);
	assert_string_equal(buf_text(&text), want);
}

static void test_once(void **state)
{
	struct rechecks r = {0};

	(void)state;
	assert_true(rechecks_next(&r) == INT64_MAX);
	rechecks_add(&r, "c1", 1000);
	rechecks_add(&r, "c2", 1500);
	rechecks_add(&r, "c1", 1200); /* another event: later than that */
	assert_int_equal(rechecks_next(&r), 1200);
	due_are(&r, 1199, "");
	due_are(&r, 1200, "c1 ");
	due_are(&r, 5000, "c2 ");
	due_are(&r, 9000, "");
	assert_int_equal(r.len, 0);
	rechecks_done(&r);
}

/* A container that stays unknown is asked for ever more slowly, and then no more. */
static void test_missing(void **state)
{
	struct rechecks r = {0};
	int64_t now = 0, delay = 100;

	(void)state;
	while (delay <= 5000) {
		rechecks_add_missing(&r, "c1", now);
		rechecks_add_missing(&r, "c1", now + 1); /* changes nothing */
		assert_int_equal(rechecks_next(&r), now + delay);
		now += delay;
		due_are(&r, now, "c1 ");
		delay *= 2;
	}
	rechecks_add_missing(&r, "c1", now);
	assert_true(rechecks_next(&r) == INT64_MAX);
	rechecks_forget_missing(&r);
	rechecks_add_missing(&r, "c1", now);
	assert_int_equal(rechecks_next(&r), now + 100);
	rechecks_done(&r);
	rechecks_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
