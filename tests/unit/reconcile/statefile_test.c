#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "../../../controller/reconcile/statefile.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/statefile-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	statefile_remove(dir, "kept", NULL);
	return rmdir(dir);
}

static struct buf text_of(const char *text)
{
	struct buf b = BUF_INIT;

	buf_str(&b, text);
	return b;
}

static void test_replaced_as_a_whole(void **state)
{
	(void)state;
	for (int sync = 0; sync < 2; sync++) {
		CLEANUP_BUF struct buf out = text_of(sync ? "two" : "one, longer"), in = BUF_INIT;
		CLEANUP_FREE char *path = mem_printf("%s/kept", dir);
		struct stat st;

		assert_int_equal(statefile_write(dir, "kept", &out, sync, NULL), 0);
		assert_int_equal(statefile_read(dir, "kept", 64, &in, NULL), 0);
		assert_string_equal(buf_text(&in), buf_text(&out));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static void test_absent_and_too_large(void **state)
{
	CLEANUP_BUF struct buf out = text_of("0123456789"), in = BUF_INIT;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(statefile_read(dir, "absent", 64, &in, &err), -ENOENT);
	assert_int_equal(statefile_remove(dir, "absent", &err), 0);
	assert_int_equal(statefile_write(dir, "kept", &out, false, NULL), 0);
	assert_int_equal(statefile_read(dir, "kept", 9, &in, &err), -EFBIG);
	assert_non_null(strstr(error_text(&err), "/kept: "));
}

static void test_a_folder_that_others_may_write_to(void **state)
{
	CLEANUP_BUF struct buf out = text_of("x");

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(statefile_write(dir, "kept", &out, false, NULL), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
}

static void test_the_checksum(void **state)
{
	CLEANUP_BUF struct buf b = text_of("{\"a\":1}");
	size_t len = 0;

	(void)state;
	statefile_add_sum(&b);
	assert_true(statefile_check_sum(b.data, b.len, &len));
	assert_int_equal(len, strlen("{\"a\":1}"));
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_false(statefile_check_sum(b.data, b.len, &len));
		assert_false(statefile_check_sum(b.data, i, &len));
		b.data[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced_as_a_whole),
		cmocka_unit_test(test_absent_and_too_large),
		cmocka_unit_test(test_a_folder_that_others_may_write_to),
		cmocka_unit_test(test_the_checksum),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
