/*
 * check: what was written is read as any policy is, and its tests are run in the model. A test that does not hold there,
 * as those have gone that it speaks of, is no test to write; anything else that is wrong is a mistake of ours.
 */
#include "plan.h"

#include <errno.h>

#include "quaywall/mem.h"

#define FILE_NAME "learned.yaml"

static struct plan_expect *expect_at(struct plan *p, unsigned line)
{
	for (size_t i = 0; i < p->documents.len; i++) {
		struct plan_document *d = &p->documents.items[i];

		for (size_t k = 0; k < d->expects.len; k++)
			if (d->expects.items[k].line == line)
				return &d->expects.items[k];
	}
	return NULL;
}

static int mark(struct plan *p, const struct policy_problems *problems, bool *ret_changed,
		struct error *err)
{
	*ret_changed = false;
	for (size_t i = 0; i < problems->len; i++) {
		const struct policy_problem *problem = &problems->items[i];
		struct plan_expect *e;

		if (problem->severity != POLICY_ERROR)
			continue;
		e = problem->where.line ? expect_at(p, problem->where.line) : NULL;
		if (!e)
			return error_set(err, -EINVAL, "line %u: %s", problem->where.line,
					 problem->text);
		e->fails = true;
		*ret_changed = true;
	}
	return 0;
}

int plan_check(struct plan *p, const struct buf *text, bool *ret_changed, struct error *err)
{
	CLEANUP_PROBLEMS struct policy_problems problems = {NULL, 0, 0};
	CLEANUP_POLICY_SET struct policy_set *set = policy_set_new();
	CLEANUP_COMPILED struct compiled *c = NULL;

	policy_parse(set, FILE_NAME, buf_text(text), text->len, &problems);
	policy_set_check(set, &problems);
	if (policy_problems_errors(&problems))
		return error_set(err, -EINVAL, "line %u: %s", problems.items[0].where.line,
				 problems.items[0].text);
	c = compile_new(p->settings, set, p->model, &problems);
	if (c)
		compile_run_expects(c, &problems);
	return mark(p, &problems, ret_changed, err);
}
