#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

static void test_adds_in_order(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(buf_text(&b), "");
	buf_str(&b, "a");
	buf_char(&b, 'b');
	buf_printf(&b, "%d", 12);
	buf_add(&b, "xyz", 2);
	assert_string_equal(buf_text(&b), "ab12xy");
	assert_int_equal(b.len, 6);
}

static void test_printf_longer_than_room(void **state)
{
	/* Each length around the sizes where it formats a second time. */
	for (int len = 0; len < 300; len++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		(void)state;
		buf_char(&b, '<');
		buf_printf(&b, "%0*d%s", len + 1, 0, ">");
		assert_int_equal(b.len, len + 3);
		assert_int_equal(strlen(b.data), b.len);
		assert_int_equal(b.data[b.len - 1], '>');
	}
}

static void test_holds_nul(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	(void)state;
	buf_add(&b, "a\0b", 3);
	buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

static void test_truncate_terminates(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	(void)state;
	buf_truncate(&b, 0);
	buf_str(&b, "abcdef");
	buf_truncate(&b, 2);
	assert_string_equal(buf_text(&b), "ab");
	buf_char(&b, 'X');
	assert_string_equal(buf_text(&b), "abX");
}

static void test_steal_empties(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_FREE char *nothing = buf_steal(&b);
	CLEANUP_FREE char *something = NULL;

	(void)state;
	assert_string_equal(nothing, "");
	buf_str(&b, "abc");
	something = buf_steal(&b);
	assert_string_equal(something, "abc");
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_text(&b), "");
}

static void test_write(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int ends[2];
	char got[8] = "";

	(void)state;
	buf_str(&b, "abc");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(buf_write(&b, ends[1]), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), 3);
	assert_string_equal(got, "abc");
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(buf_write(&b, ends[1]), -EBADF);
}

static void test_a_time(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	(void)state;
	buf_time(&b, 1700000000);
	buf_char(&b, ' ');
	buf_time(&b, 0);
	assert_string_equal(buf_text(&b), "2023-11-14T22:13:20Z 1970-01-01T00:00:00Z");
	buf_truncate(&b, 0);
	buf_time(&b, INT64_MAX);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_in_order),
		cmocka_unit_test(test_printf_longer_than_room),
		cmocka_unit_test(test_a_time),
		cmocka_unit_test(test_holds_nul),
		cmocka_unit_test(test_truncate_terminates),
		cmocka_unit_test(test_steal_empties),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
