#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "../../../controller/reconcile/loop.h"

struct seen {
	struct loop *loop;
	struct loop_source *other;
	int calls;
	int fd;
};

static void count_ready(void *data, short revents)
{
	struct seen *s = data;
	char byte;

	(void)revents;
	s->calls++;
	assert_int_equal(read(s->fd, &byte, 1), 1);
}

static void remove_other(void *data, short revents)
{
	struct seen *s = data;

	(void)revents;
	s->calls++;
	loop_remove(s->loop, s->other);
}

static void count_expired(void *data)
{
	(*(int *)data)++;
}

static void test_serves_what_is_ready(void **state)
{
	struct loop l = {.stop = false};
	struct seen s = {.loop = &l};
	struct loop_source source = {.events = POLLIN, .ready = count_ready, .data = &s};
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	source.fd = s.fd = ends[0];
	assert_true(loop_add(&l, &source));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(loop_turn(&l, NULL), 0);
	assert_int_equal(s.calls, 1);
	loop_remove(&l, &source);
	loop_remove(&l, &source);
	assert_int_equal(l.nsources, 0);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_callback_may_remove_another_source(void **state)
{
	struct loop l = {.stop = false};
	struct seen first = {.loop = &l}, second = {.loop = &l};
	struct loop_source a = {.events = POLLIN, .ready = remove_other, .data = &first};
	struct loop_source b = {.events = POLLIN, .ready = remove_other, .data = &second};
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	a.fd = b.fd = ends[0];
	first.other = &b;
	second.other = &a;
	loop_add(&l, &a);
	loop_add(&l, &b);
	assert_int_equal(write(ends[1], "x", 1), 1);
	loop_turn(&l, NULL);
	assert_int_equal(first.calls, 1);
	assert_int_equal(second.calls, 0);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_timer_expires_once(void **state)
{
	struct loop l = {.stop = false};
	int calls = 0;
	struct loop_timer t = {.expired = count_expired, .data = &calls};

	(void)state;
	loop_add_timer(&l, &t);
	loop_timer_set(&t, 20);
	while (!calls)
		loop_turn(&l, NULL);
	assert_int_equal(calls, 1);
	assert_int_equal(t.due, 0);
}

static void test_the_sooner_time_stays(void **state)
{
	struct loop_timer t = {.due = 0};
	uint64_t due;

	(void)state;
	loop_timer_hasten(&t, 1000);
	due = t.due;
	loop_timer_hasten(&t, 5000);
	assert_int_equal(t.due, due);
	loop_timer_hasten(&t, 10);
	assert_true(t.due < due);
	loop_timer_clear(&t);
	assert_int_equal(t.due, 0);
}

static void test_there_is_an_end_to_it(void **state)
{
	struct loop l = {.stop = false};
	struct loop_source s[LOOP_SOURCES_MAX + 1];

	(void)state;
	for (size_t i = 0; i < LOOP_SOURCES_MAX; i++)
		assert_true(loop_add(&l, &s[i]));
	assert_false(loop_add(&l, &s[LOOP_SOURCES_MAX]));
}

/* What else wakes the loop serves it, once most of its time is over. */
static void test_a_loose_timer_goes_along(void **state)
{
	struct loop l = {.stop = false};
	int expired = 0, ends[2];
	struct seen s = {.loop = &l};
	struct loop_source source = {.events = POLLIN, .ready = count_ready, .data = &s};
	struct loop_timer t = {.expired = count_expired, .data = &expired};

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	source.fd = s.fd = ends[0];
	assert_true(loop_add(&l, &source));
	assert_true(loop_add_timer(&l, &t));
	loop_timer_set_loose(&t, 300000);
	assert_int_equal(t.due - t.loose, 90000);
	assert_in_range(t.due - loop_now(), 300001, 360000);
	assert_int_equal(write(ends[1], "xx", 2), 2);
	assert_int_equal(loop_turn(&l, NULL), 0);
	assert_int_equal(expired, 0);
	t.loose = loop_now();
	assert_int_equal(loop_turn(&l, NULL), 0);
	assert_int_equal(s.calls, 2);
	assert_int_equal(expired, 1);
	/* Armed again, it is as any other. */
	loop_timer_set_loose(&t, 300000);
	loop_timer_hasten(&t, 200000);
	assert_int_equal(t.loose, 0);
	loop_remove_timer(&l, &t);
	loop_remove(&l, &source);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves_what_is_ready),
		cmocka_unit_test(test_a_loose_timer_goes_along),
		cmocka_unit_test(test_a_callback_may_remove_another_source),
		cmocka_unit_test(test_a_timer_expires_once),
		cmocka_unit_test(test_the_sooner_time_stays),
		cmocka_unit_test(test_there_is_an_end_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
