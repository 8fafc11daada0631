#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../../../controller/reconcile/lane.h"

/* A lane whose work waits at a gate, if there is one. */
struct work {
	pthread_mutex_t gate;
	char done[512];
	bool pauses, was_ended;
};

static void take(void *data, struct lane *lane, const char *item, size_t len)
{
	struct work *w = data;

	pthread_mutex_lock(&w->gate);
	if (strlen(w->done) + len < sizeof(w->done))
		strncat(w->done, item, len);
	pthread_mutex_unlock(&w->gate);
	if (w->pauses)
		w->was_ended = !lane_pause(lane, 600000);
}

static struct lane *start(struct work *w, size_t items, size_t bytes)
{
	struct lane *l = NULL;

	assert_int_equal(lane_start((struct lane_size) {items, bytes}, take, w, &l, NULL), 0);
	return l;
}

static void test_in_the_order_that_it_came(void **state)
{
	struct work w = {.gate = PTHREAD_MUTEX_INITIALIZER};
	struct lane *l = start(&w, 100, 1000);
	size_t dropped = 7;

	(void)state;
	for (char c = 'a'; c <= 'z'; c++)
		assert_true(lane_put(l, &c, 1));
	assert_true(lane_stop(l, 10000, &dropped));
	assert_string_equal(w.done, "abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(dropped, 0);
}

static void wait_for_work(struct lane *l)
{
	/* One is taken out of the queue and waits at the gate: then two fit. */
	while (!lane_put(l, "2", 1))
		;
}

static void test_what_waits_is_bounded(void **state)
{
	struct work w = {.gate = PTHREAD_MUTEX_INITIALIZER};
	struct lane *l = start(&w, 1, 4);

	(void)state;
	pthread_mutex_lock(&w.gate);
	assert_true(lane_put(l, "1", 1));
	wait_for_work(l);
	assert_false(lane_put(l, "3", 1));
	assert_int_equal(lane_waiting(l), 2);
	pthread_mutex_unlock(&w.gate);
	assert_true(lane_stop(l, 10000, NULL));
	assert_string_equal(w.done, "12");
}

static void test_bytes_are_bounded(void **state)
{
	struct work w = {.gate = PTHREAD_MUTEX_INITIALIZER};
	struct lane *l = start(&w, 100, 4);

	(void)state;
	assert_false(lane_put(l, "12345", 5));
	pthread_mutex_lock(&w.gate);
	assert_true(lane_put(l, "1234", 4));
	while (!lane_put(l, "abc", 3))
		;
	assert_false(lane_put(l, "de", 2));
	assert_true(lane_put(l, "f", 1));
	pthread_mutex_unlock(&w.gate);
	assert_true(lane_stop(l, 10000, NULL));
	assert_string_equal(w.done, "1234abcf");
}

/* However long it would sleep. */
static void test_the_end_wakes_a_pause(void **state)
{
	struct work w = {.gate = PTHREAD_MUTEX_INITIALIZER, .pauses = true};
	struct lane *l = start(&w, 10, 10);
	size_t dropped = 0;

	(void)state;
	assert_true(lane_put(l, "a", 1));
	assert_true(lane_put(l, "b", 1));
	while (lane_waiting(l) == 0)
		;
	assert_true(lane_stop(l, 20, &dropped));
	assert_true(dropped == 1 || !strcmp(w.done, ""));
	assert_true(w.was_ended || dropped == 2);
}

static void test_none(void **state)
{
	size_t dropped = 1;

	(void)state;
	assert_true(lane_stop(NULL, 0, &dropped));
	assert_int_equal(dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_the_order_that_it_came),
		cmocka_unit_test(test_what_waits_is_bounded),
		cmocka_unit_test(test_bytes_are_bounded),
		cmocka_unit_test(test_the_end_wakes_a_pause),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
