#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/mem.h"

static void test_new_is_zeroed(void **state)
{
	CLEANUP_FREE unsigned char *p = mem_new(64, 3);
	CLEANUP_FREE void *none = mem_new(0, 8);

	(void)state;
	for (size_t i = 0; i < 64 * 3; i++)
		assert_int_equal(p[i], 0);
	assert_non_null(none);
}

static void test_strings(void **state)
{
	CLEANUP_FREE char *copy = mem_strdup("abc");
	CLEANUP_FREE char *part = mem_strndup("abcdef", 3);
	CLEANUP_FREE char *text = mem_printf("%s-%0200d", "x", 7);

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(part, "abc");
	assert_int_equal(strlen(text), 202);
	assert_int_equal(text[201], '7');
	assert_null(mem_strdup(NULL));
}

static void test_push_grows_and_zeroes(void **state)
{
	struct {
		int *items;
		size_t len, cap;
	} list = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		MEM_PUSH(&list, i);
		for (size_t k = list.len; k < list.cap; k++)
			assert_int_equal(list.items[k], 0);
	}
	assert_int_equal(list.len, 1000);
	assert_true(list.cap >= 1000 && list.cap < 2000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(list.items[i], i);
	free(list.items);
}

static void test_cleanup_closes(void **state)
{
	int fds[2];
	char c;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	{
		CLEANUP_FD int end = fds[1];
		CLEANUP_FD int none = -1;

		(void)end;
		(void)none;
	}
	/* End of file: nobody holds the writing end any more. */
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_is_zeroed),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_push_grows_and_zeroes),
		cmocka_unit_test(test_cleanup_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
