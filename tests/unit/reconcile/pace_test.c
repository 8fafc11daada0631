#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../../controller/reconcile/pace.h"

static void test_the_first_time_is_at_once(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_int_equal(pace_wait(&p, 5), 0);
	pace_done(&p, 5);
	assert_int_equal(pace_wait(&p, 5 + PACE_QUIET_MS), 0);
}

static void test_a_fight_rests_more_and_more_but_never_long(void **state)
{
	struct pace p = {0};
	uint64_t now = 5, rest, before = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		now += pace_wait(&p, now);
		pace_done(&p, now);
		rest = pace_wait(&p, now);
		assert_true(rest >= before && rest >= 1 && rest <= PACE_REST_MS);
		before = rest;
	}
	assert_int_equal(before, PACE_REST_MS);
	now += PACE_QUIET_MS;
	pace_done(&p, now);
	assert_true(pace_wait(&p, now) < PACE_REST_MS);
}

static void test_it_is_told_at_once_and_then_once_in_a_while(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_int_equal(pace_tell_rest(&p, 5), 0);
	assert_int_equal(pace_tell(&p, 5), 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pace_tell(&p, 6 + i), 0);
	assert_int_equal(pace_tell_rest(&p, 5 + PACE_TELL_MS - 1), 0);
	assert_int_equal(pace_tell_rest(&p, 5 + PACE_TELL_MS), 100);
	assert_int_equal(pace_tell_rest(&p, 5 + 3 * PACE_TELL_MS), 0);
	assert_int_equal(pace_tell(&p, 5 + 3 * PACE_TELL_MS), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_time_is_at_once),
		cmocka_unit_test(test_a_fight_rests_more_and_more_but_never_long),
		cmocka_unit_test(test_it_is_told_at_once_and_then_once_in_a_while),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
