#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../controller/reconcile/watchdir.h"

struct fixture {
	char dir[64];
	struct watchdir w;
};

static char *in(const struct fixture *f, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(paths[next], PATH_MAX, "%s/%s", f->dir, name);
	return paths[next];
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	FILE *file = fopen(in(f, name), "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->w = (struct watchdir)WATCHDIR_INIT;
	snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/quaywall-watch-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	watchdir_done(&f->w);
	nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void follow(struct fixture *f, const char *name)
{
	assert_int_equal(watchdir_reset(&f->w, NULL), 0);
	watchdir_add(&f->w, in(f, name));
	assert_false(watchdir_dispatch(&f->w));
}

static void test_a_file_is_written(void **state)
{
	struct fixture *f = *state;

	mkdir(in(f, "policies"), 0755);
	follow(f, "policies");
	put(f, "policies/a.yaml", "x");
	assert_true(watchdir_dispatch(&f->w));
	assert_false(watchdir_dispatch(&f->w));
	unlink(in(f, "policies/a.yaml"));
	assert_true(watchdir_dispatch(&f->w));
}

static void test_a_file_is_replaced_by_rename(void **state)
{
	struct fixture *f = *state;

	mkdir(in(f, "policies"), 0755);
	put(f, "new", "x");
	follow(f, "policies");
	rename(in(f, "new"), in(f, "policies/a.yaml"));
	assert_true(watchdir_dispatch(&f->w));
}

static void test_the_directory_comes_to_exist(void **state)
{
	struct fixture *f = *state;

	follow(f, "etc/policies");
	mkdir(in(f, "etc"), 0755);
	assert_true(watchdir_dispatch(&f->w));
	follow(f, "etc/policies");
	mkdir(in(f, "etc/other"), 0755);
	assert_false(watchdir_dispatch(&f->w));
	mkdir(in(f, "etc/policies"), 0755);
	assert_true(watchdir_dispatch(&f->w));
}

static void test_the_directory_is_replaced(void **state)
{
	struct fixture *f = *state;

	mkdir(in(f, "policies"), 0755);
	mkdir(in(f, "next"), 0755);
	follow(f, "policies");
	rename(in(f, "policies"), in(f, "old"));
	assert_true(watchdir_dispatch(&f->w));
	follow(f, "policies");
	rename(in(f, "next"), in(f, "policies"));
	assert_true(watchdir_dispatch(&f->w));
}

static void test_a_symlink_points_elsewhere(void **state)
{
	struct fixture *f = *state;

	mkdir(in(f, "v1"), 0755);
	mkdir(in(f, "v2"), 0755);
	assert_int_equal(symlink("v1", in(f, "policies")), 0);
	assert_int_equal(symlink("v2", in(f, "swap")), 0);
	follow(f, "policies");
	put(f, "v1/a.yaml", "x");
	assert_true(watchdir_dispatch(&f->w));
	rename(in(f, "swap"), in(f, "policies"));
	assert_true(watchdir_dispatch(&f->w));
}

static void test_what_a_linked_file_leads_to(void **state)
{
	struct fixture *f = *state;

	mkdir(in(f, "policies"), 0755);
	mkdir(in(f, "store"), 0755);
	put(f, "store/a.yaml", "x");
	put(f, "store/b.yaml", "x");
	assert_int_equal(symlink("../store/a.yaml", in(f, "policies/a.yaml")), 0);
	follow(f, "policies");
	put(f, "store/b.yaml", "y");
	assert_false(watchdir_dispatch(&f->w));
	put(f, "store/a.yaml", "y");
	assert_true(watchdir_dispatch(&f->w));
}

static void test_a_single_file(void **state)
{
	struct fixture *f = *state;

	put(f, "quaywall.yaml", "x");
	follow(f, "quaywall.yaml");
	put(f, "other.yaml", "x");
	assert_false(watchdir_dispatch(&f->w));
	put(f, "quaywall.yaml", "y");
	assert_true(watchdir_dispatch(&f->w));
}

static void test_links_in_a_circle_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("b", in(f, "a")), 0);
	assert_int_equal(symlink("a", in(f, "b")), 0);
	follow(f, "a");
	assert_false(watchdir_dispatch(&f->w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_is_written),
		TEST(test_a_file_is_replaced_by_rename),
		TEST(test_the_directory_comes_to_exist),
		TEST(test_the_directory_is_replaced),
		TEST(test_a_symlink_points_elsewhere),
		TEST(test_what_a_linked_file_leads_to),
		TEST(test_a_single_file),
		TEST(test_links_in_a_circle_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
