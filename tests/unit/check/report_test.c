#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/check.h"

/* ---- the catalogue ---- */

struct last {
	const struct check *check;
	size_t len;
};

static bool is_id(const char *id)
{
	return *id && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id);
}

static void look(const struct check *check, void *data)
{
	struct last *last = data;

	assert_true(is_id(check->id));
	assert_ptr_equal(check_find(check->id), check);
	assert_true(*check->group && *check->title && *check->why);
	assert_null(strchr(check->title, '\n'));
	if (last->check && !strcmp(last->check->group, check->group))
		assert_true(strcmp(last->check->id, check->id) < 0);
	*last = (struct last) {check, last->len + 1};
}

static void test_the_catalogue(void **state)
{
	struct last last = {NULL, 0};

	(void)state;
	check_each(look, &last);
	assert_true(last.len > 0);
	assert_null(check_find("no-such-check"));
}

static void test_severities(void **state)
{
	enum check_severity s;

	(void)state;
	for (int i = 0; i < CHECK_SEVERITIES; i++) {
		assert_true(check_severity_parse(check_severity_name((enum check_severity)i), &s));
		assert_int_equal(s, i);
	}
	assert_false(check_severity_parse("worst", &s));
}

/* ---- findings ---- */

static void test_a_report(void **state)
{
	CLEANUP_CHECK_REPORT struct check_report r = {.findings = {.items = NULL}};
	json_t *list, *one;

	(void)state;
	check_report_add(&r, "audit-mode", CHECK_LOW, "policy a\xff", "a.yaml:1", "remove it");
	check_report_gap(&r, "host", "no host");
	list = check_report_json(&r);
	assert_int_equal(json_array_size(list), 1);
	one = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(one, "severity")), "low");
	assert_string_equal(json_string_value(json_object_get(one, "group")), "hygiene");
	assert_true(json_is_null(json_object_get(one, "suppressed")));
	assert_int_equal(r.gaps.len, 1);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_catalogue),
		cmocka_unit_test(test_severities),
		cmocka_unit_test(test_a_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
