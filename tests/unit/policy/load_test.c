#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own for each test; STATE is its path. */
static int make_dir(void **state)
{
	char *dir = mem_strdup("/tmp/quaywall-load-XXXXXX");

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"a.yaml", "b.yml",	    ".c.yaml", "d.txt",
					    "Z.yaml", "l.yaml",	    "p.yaml",  "big.yaml",
					    "q.yaml", "link.target"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *path = mem_printf("%s/%s", (char *)*state, names[i]);
		if (unlink(path) < 0)
			rmdir(path);
	}
	int r = rmdir(*state);
	free(*state);
	return r;
}

static void put(const char *dir, const char *name, const char *text)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", dir, name);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_names(const struct policy_set *set, const char *expected)
{
	CLEANUP_BUF struct buf names = BUF_INIT;

	for (size_t i = 0; i < set->ndocuments; i++)
		buf_printf(&names, "%s%s=%s", i ? " " : "", set->documents[i].where.file,
			   set->documents[i].name);
	assert_string_equal(buf_text(&names), expected);
}

static char *print_problems(const struct policy_problems *p)
{
	struct buf out = BUF_INIT;

	policy_problems_print(p, &out);
	return buf_steal(&out);
}

static void test_which_files_and_in_which_order(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = NULL;
	CLEANUP_FREE char *link = mem_printf("%s/l.yaml", (char *)*state);

	put(*state, "b.yml", "policy: b\nfor: all\n");
	put(*state, "a.yaml", "policy: a\nfor: all\n");
	put(*state, "Z.yaml", "policy: z\nfor: all\n");
	put(*state, ".c.yaml", "wrong");
	put(*state, "d.txt", "wrong");
	put(*state, "link.target", "policy: l\nfor: all\n");
	assert_int_equal(symlink("link.target", link), 0);
	assert_int_equal(policy_load(*state, &p, &set, NULL), 0);
	assert_names(set, "Z.yaml=z a.yaml=a b.yml=b l.yaml=l");
	assert_int_equal(p.len, 0);
}

static void test_one_wrong_file_is_no_set(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	struct policy_set *set = NULL;

	put(*state, "a.yaml", "policy: a\nfor: all\n");
	put(*state, "b.yml", "policy: a\nfor: all\nfro: 1\n");
	assert_int_equal(policy_load(*state, &p, &set, NULL), -EINVAL);
	assert_null(set);
	CLEANUP_FREE char *printed = print_problems(&p);
	assert_string_equal(
		printed,
		"b.yml:1:1: error: duplicate policy \"a\" (it stands in a.yaml:1 already)\n"
		"b.yml:3:1: error: unknown key \"fro\" (did you mean \"for\"?)\n");
}

static void test_what_is_no_file(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *dir = mem_printf("%s/a.yaml", (char *)*state);
	CLEANUP_FREE char *fifo = mem_printf("%s/p.yaml", (char *)*state);
	CLEANUP_FREE char *link = mem_printf("%s/l.yaml", (char *)*state);
	struct policy_set *set = NULL;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("nowhere", link), 0);
	assert_int_equal(policy_load(*state, &p, &set, NULL), -EINVAL);
	CLEANUP_FREE char *printed = print_problems(&p);
	assert_string_equal(
		printed,
		"a.yaml: error: cannot be read: Is a directory (expected a readable file)\n"
		"l.yaml: error: cannot be read: No such file or directory (expected a readable file)\n"
		"p.yaml: error: not a regular file (expected a YAML file)\n");
}

static void test_too_big(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *path = mem_printf("%s/big.yaml", (char *)*state);
	struct policy_set *set = NULL;

	put(*state, "big.yaml", "#");
	assert_int_equal(truncate(path, 16 * 1024 * 1024 + 1), 0);
	assert_int_equal(policy_load(*state, &p, &set, NULL), -EINVAL);
	CLEANUP_FREE char *printed = print_problems(&p);
	assert_string_equal(printed,
			    "big.yaml: error: the file is over 16 MiB (expected a smaller one)\n");
}

static void test_no_folder_is_no_policy(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = NULL;
	CLEANUP_FREE char *dir = mem_printf("%s/none", (char *)*state);

	assert_int_equal(policy_load(dir, &p, &set, NULL), 0);
	assert_int_equal(set->ndocuments, 0);
	assert_int_equal(p.len, 1);
	assert_int_equal(p.items[0].severity, POLICY_WARNING);
}

static void test_a_file_is_no_folder(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *path = mem_printf("%s/a.yaml", (char *)*state);
	struct policy_set *set = NULL;

	put(*state, "a.yaml", "");
	assert_int_equal(policy_load(path, &p, &set, &err), -ENOTDIR);
	assert_non_null(strstr(error_text(&err), "a.yaml: cannot be read: Not a directory"));
}

static void test_files_and_folders_by_name(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = NULL;
	CLEANUP_FREE char *file = mem_printf("%s/d.txt", (char *)*state);
	CLEANUP_FREE char *dir = mem_printf("%s//", (char *)*state);
	char *paths[] = {file, dir};

	put(*state, "d.txt", "policy: d\nfor: all\n");
	put(*state, "a.yaml", "policy: a\nfor: all\n");
	assert_int_equal(policy_load_files(paths, 2, &p, &set, NULL), 0);
	CLEANUP_FREE char *names = mem_printf("%s=d %s/a.yaml=a", file, (char *)*state);
	assert_names(set, names);
}

static void test_settings(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *path = mem_printf("%s/q.yaml", (char *)*state);
	struct settings *s = NULL;

	assert_int_equal(settings_load(path, true, &p, &s, &err), -ENOENT);
	assert_non_null(strstr(error_text(&err), "No such file"));
	assert_int_equal(settings_load(path, false, &p, &s, &err), 0);
	assert_null(s->file);
	settings_free(s);
	put(*state, "q.yaml", "policies: p\n");
	assert_int_equal(settings_load(path, false, &p, &s, &err), 0);
	CLEANUP_FREE char *policies = mem_printf("%s/p", (char *)*state);
	assert_string_equal(s->policies, policies);
	settings_free(s);
	put(*state, "q.yaml", "polices: p\n");
	assert_int_equal(settings_load(path, false, &p, &s, &err), -EINVAL);
	assert_int_equal(p.len, 1);
}

static void test_what_is_kept_parses_to_the_same(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = NULL, *again = NULL;
	CLEANUP_SETTINGS struct settings *s = NULL;
	struct policy_files files = {0};
	struct policy_file file = {0};
	CLEANUP_FREE char *path = mem_printf("%s/p.yaml", (char *)*state);

	put(*state, "b.yml", "policy: b\nfor: all\n");
	put(*state, "a.yaml", "policy: a\nfor: all\n");
	assert_int_equal(policy_load_keeping(*state, &p, &set, &files, NULL), 0);
	assert_int_equal(files.len, 2);
	assert_string_equal(files.items[0].name, "a.yaml");
	put(*state, "a.yaml", "something else\n");
	assert_int_equal(policy_files_parse(&files, &p, &again), 0);
	assert_names(again, "a.yaml=a b.yml=b");
	policy_files_done(&files);

	s = settings_of_file(&file, &p);
	assert_int_equal(s->mode, POLICY_ENFORCE);
	settings_free(s);
	put(*state, "p.yaml", "defaults: {mode: audit}\n");
	assert_int_equal(settings_load_keeping(path, true, &p, &s, &file, NULL), 0);
	assert_string_equal(file.name, path);
	settings_free(s);
	s = settings_of_file(&file, &p);
	assert_int_equal(s->mode, POLICY_AUDIT);
	assert_string_equal(s->file, path);
	policy_file_done(&file);
	assert_int_equal(p.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_which_files_and_in_which_order),
		TEST(test_one_wrong_file_is_no_set),
		TEST(test_what_is_no_file),
		TEST(test_too_big),
		TEST(test_no_folder_is_no_policy),
		TEST(test_a_file_is_no_folder),
		TEST(test_files_and_folders_by_name),
		TEST(test_settings),
		TEST(test_what_is_kept_parses_to_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
