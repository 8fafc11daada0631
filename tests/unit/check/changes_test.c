#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "quaywall/buf.h"
#include "quaywall/check.h"

#define CHECK "memory-unlimited"
#define GROUP "runtime"

struct run {
	struct check_report before, unsure;
};

static void note(const struct check_finding *f, bool appeared, void *data)
{
	buf_printf(data, "%c%s ", appeared ? '+' : '-', f->subject);
}

/* The next report has SUBJECT (NULL: no finding) and GAP (an id; NULL: none); what of it is told. */
static void expect(struct run *r, const char *subject, const char *gap, const char *told)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct check_report now = {.findings = {.items = NULL}};

	if (subject)
		check_report_add(&now, CHECK, CHECK_LOW, subject, "read", "mend");
	if (gap)
		check_report_gap_of(&now, GROUP, gap, "why");
	check_report_changes(&r->before, &now, &r->unsure, note, &out);
	assert_string_equal(buf_text(&out), told);
	check_report_done(&r->before);
	r->before = now;
}

static int setup(void **state)
{
	static struct run run;

	run = (struct run) {.before = {.findings = {.items = NULL}}};
	*state = &run;
	return 0;
}

static int teardown(void **state)
{
	struct run *r = *state;

	check_report_done(&r->before);
	check_report_done(&r->unsure);
	return 0;
}

static void test_it_comes_and_goes(void **state)
{
	expect(*state, "web", NULL, "+web ");
	expect(*state, "web", NULL, "");
	expect(*state, "db", NULL, "+db -web ");
	expect(*state, NULL, NULL, "-db ");
}

static void test_what_cannot_be_seen_has_not_gone(void **state)
{
	expect(*state, "web", NULL, "+web ");
	expect(*state, NULL, CHECK, "");
	expect(*state, NULL, CHECK, "");
	expect(*state, NULL, NULL, "-web ");
	expect(*state, NULL, NULL, "");
}

static void test_it_is_there_again(void **state)
{
	expect(*state, "web", NULL, "+web ");
	expect(*state, NULL, CHECK, "");
	expect(*state, "web", NULL, "");
	expect(*state, NULL, NULL, "-web ");
}

static void test_what_was_found_in_spite_of_a_gap(void **state)
{
	expect(*state, "web", CHECK, "+web ");
	expect(*state, NULL, CHECK, "-web ");
}

static void test_a_gap_of_another_check(void **state)
{
	expect(*state, "web", NULL, "+web ");
	expect(*state, NULL, "root-writable", "-web ");
}

static void test_a_gap_of_the_group(void **state)
{
	struct run *r = *state;
	struct check_report now = {.findings = {.items = NULL}};
	CLEANUP_BUF struct buf out = BUF_INIT;

	expect(r, "web", NULL, "+web ");
	check_report_gap(&now, GROUP, "why");
	check_report_changes(&r->before, &now, &r->unsure, note, &out);
	assert_string_equal(buf_text(&out), "");
	assert_int_equal(r->unsure.findings.len, 1);
	check_report_done(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_seen_has_not_gone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_it_is_there_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_was_found_in_spite_of_a_gap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_gap_of_another_check, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_gap_of_the_group, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
