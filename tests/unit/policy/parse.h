/* Texts to policies and back, for the tests of this room. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/policy.h"

#include "../../../controller/policy/internal.h"

/* The set that TEXT is; fails the test with the problems where there are any. */
static inline struct policy_set *parse(const char *text)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_BUF struct buf printed = BUF_INIT;
	struct policy_set *set = policy_set_new();

	policy_parse(set, "p.yaml", text, strlen(text), &p);
	policy_set_check(set, &p);
	policy_problems_print(&p, &printed);
	assert_string_equal(buf_text(&printed), "");
	return set;
}

/* What is printed of the LEN bytes of TEXT; the caller frees. */
static inline char *problems_of(const char *text, size_t len)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();
	struct buf printed = BUF_INIT;

	policy_parse(set, "p.yaml", text, len, &p);
	policy_set_check(set, &p);
	policy_problems_print(&p, &printed);
	return buf_steal(&printed);
}

static inline void assert_problems(const char *text, const char *expected)
{
	CLEANUP_FREE char *printed = problems_of(text, strlen(text));

	assert_string_equal(printed, expected);
}

/* The canonical print of TEXT, having seen that it reads back as the same. */
static inline char *canonical(const char *text)
{
	CLEANUP_POLICY_SET struct policy_set *set = parse(text);
	struct buf printed = BUF_INIT, again = BUF_INIT;

	policy_set_print(set, &printed);
	CLEANUP_POLICY_SET struct policy_set *second = parse(buf_text(&printed));
	policy_set_print(second, &again);
	assert_string_equal(buf_text(&again), buf_text(&printed));
	buf_done(&again);
	return buf_steal(&printed);
}

/* The one document of TEXT. */
static inline const struct policy_document *only_document(const struct policy_set *set)
{
	assert_int_equal(set->ndocuments, 1);
	return &set->documents[0];
}

/* The first root node of TEXT, for tests of readers alone. */
static inline const struct node *root_of(const char *text, struct policy_problems *p,
					 struct yaml_documents *ret)
{
	yaml_read("p.yaml", text, strlen(text), p, ret);
	assert_int_equal(p->len, 0);
	assert_int_equal(ret->len, 1);
	return ret->items[0];
}
