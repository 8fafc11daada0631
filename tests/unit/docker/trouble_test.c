#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../../controller/docker/trouble.h"

static int64_t note(struct trouble *t, const char *text, int64_t now)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	error_set(&err, -1, "%s", text);
	return trouble_note(t, &err, now);
}

static void list(struct trouble *t)
{
	trouble_begin_listing(t);
	trouble_end_listing(t);
}

static void test_less_and_less_often(void **state)
{
	struct trouble t = {0};
	int64_t now = 1000, rest = 0, before = 0;

	(void)state;
	assert_int_equal(note(&t, "first", now), 1000);
	assert_int_equal(note(&t, "second", now), 1000);
	assert_string_equal(t.text, "second");
	for (int i = 0; i < 10; i++) {
		now += rest;
		trouble_begin_listing(&t);
		rest = note(&t, "still", now);
		assert_true(rest >= before);
		trouble_end_listing(&t);
		assert_string_equal(t.text, "still");
		before = rest;
	}
	assert_int_equal(rest, 60000);
	trouble_done(&t);
}

static void test_it_passes(void **state)
{
	struct trouble t = {0};

	(void)state;
	note(&t, "once", 1000);
	list(&t);
	assert_null(t.text);
	/* Soon again: it is no other trouble. Much later: it is. */
	assert_int_equal(note(&t, "again", 3000), 2000);
	list(&t);
	assert_int_equal(note(&t, "another day", 1000000), 1000);
	trouble_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_less_and_less_often),
		cmocka_unit_test(test_it_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
