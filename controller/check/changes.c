/* changes: what of two reports came, and what went. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* Those that count, by what and whom they are about. */
struct list {
	const struct check_finding **items;
	size_t len, cap;
};

static int compare(const void *a, const void *b)
{
	const struct check_finding *x = *(const struct check_finding *const *)a;
	const struct check_finding *y = *(const struct check_finding *const *)b;
	int diff = strcmp(x->check->id, y->check->id);

	if (!diff)
		diff = strcmp(x->subject, y->subject);
	return diff ? diff : (int)x->severity - (int)y->severity;
}

static void take_open(const struct check_report *r, struct list *ret)
{
	for (size_t i = 0; i < r->findings.len; i++)
		if (!r->findings.items[i].suppressed)
			MEM_PUSH(ret, &r->findings.items[i]);
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), compare);
}

static bool is_in(const struct list *l, const struct check_finding *f)
{
	return l->len && bsearch(&f, l->items, l->len, sizeof(*l->items), compare);
}

struct changes {
	const struct check_report *before, *now;
	struct list were, are;
	struct check_report unsure;
	void (*each)(const struct check_finding *f, bool appeared, void *data);
	void *data;
};

/* What could not be looked at has not gone; but what was found although it could not has. */
static void take_gone(struct changes *c, const struct check_report *last)
{
	for (size_t i = 0; i < last->findings.len; i++) {
		const struct check_finding *f = &last->findings.items[i];
		bool found_so = last == c->before && check_report_has_gap(last, f->check);

		if (f->suppressed || is_in(&c->are, f))
			continue;
		if (check_report_has_gap(c->now, f->check) && !found_so)
			check_report_add(&c->unsure, f->check->id, f->severity, f->subject,
					 f->evidence, f->remedy);
		else
			c->each(f, false, c->data);
	}
}

void check_report_changes(const struct check_report *before, const struct check_report *now,
			  struct check_report *unsure,
			  void (*each)(const struct check_finding *f, bool appeared, void *data),
			  void *data)
{
	struct changes c = {.before = before, .now = now, .each = each, .data = data};

	take_open(before, &c.were);
	take_open(unsure, &c.were);
	take_open(now, &c.are);
	for (size_t i = 0; i < now->findings.len; i++) {
		const struct check_finding *f = &now->findings.items[i];

		if (!f->suppressed && !is_in(&c.were, f))
			each(f, true, data);
	}
	take_gone(&c, before);
	take_gone(&c, unsure);
	check_report_done(unsure);
	*unsure = c.unsure;
	free(c.were.items);
	free(c.are.items);
}
