#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "little.h"

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/quaywall-world-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *put(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void test_options_go_before_settings(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	CLEANUP_SETTINGS struct settings *s = NULL;
	CLEANUP_FREE char *config = put("quaywall.yaml", "docker: unix:///a\ncontrol: /b\n");
	struct reconcile_options options = {.config = config, .docker = "unix:///c"};

	(void)state;
	assert_int_equal(reconcile_load_settings(&options, &p, &s, NULL), 0);
	assert_string_equal(s->docker, "unix:///c");
	assert_string_equal(s->control, "/b");
}

static void test_one_run_names_the_errors_of_settings_and_policies(void **state)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	CLEANUP_FREE char *config = put("quaywall.conf", "docker: []\n");
	CLEANUP_FREE char *policy = put("a.yaml", "policy: a\n");
	struct reconcile_options options = {.config = config, .policies = dir};
	struct world w = {.settings = NULL};

	(void)state;
	(void)policy;
	assert_int_equal(world_load(&w, &options, &p, NULL), -EINVAL);
	world_drop(&w, NULL);
	assert_int_equal(policy_problems_errors(&p), 2);
}

static void test_wrong_settings_still_tell_where_things_are(void **state)
{
	CLEANUP_FREE char *config = put("quaywall.conf", "docker: []\n");
	struct reconcile_options options = {.config = config, .control = "/c"};
	CLEANUP_SETTINGS struct settings *s = world_places(&options);

	(void)state;
	assert_string_equal(s->control, "/c");
	assert_string_equal(s->docker, "unix:///var/run/docker.sock");
}

static void test_a_new_world_shares_what_did_not_change(void **state)
{
	struct world now, next;

	(void)state;
	little_world(&now, "policy: p\nfor: all\n");
	next = (struct world) {.settings = now.settings, .policies = now.policies};
	next.model = model_copy(now.model);
	assert_int_equal(world_compile(&next, NULL), 0);
	world_replace(&now, &next);
	assert_null(next.settings);
	assert_non_null(now.compiled);
	/* One that is found wrong goes without touching the one in force. */
	next = (struct world) {.settings = now.settings, .policies = now.policies};
	next.model = model_copy(now.model);
	world_drop(&next, &now);
	assert_int_equal(now.policies->ndocuments, 1);
	world_drop(&now, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_options_go_before_settings),
		TEST(test_one_run_names_the_errors_of_settings_and_policies),
		TEST(test_wrong_settings_still_tell_where_things_are),
		TEST(test_a_new_world_shares_what_did_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
