#include "plan.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

/* ---- what becomes a rule ---- */

static bool is_writable(const struct learn_pair *p)
{
	if (p->protocol == IPPROTO_ICMP)
		return true;
	return protocol_has_ports(p->protocol) && p->port_last;
}

static bool is_of(const struct learn_end *end, const char *project)
{
	return end->project && strcmp(end->project, project) == 0;
}

static void sort_in(struct plan *p, const struct learn_pair *pair)
{
	struct plan_pairs *others = pair->allowed || pair->audited ? &p->unanswered : &p->refused;

	if (p->wish->project && !is_of(&pair->from, p->wish->project) &&
	    !is_of(&pair->to, p->wish->project))
		return;
	if (!learn_pair_passed(pair) && !p->wish->refused)
		MEM_PUSH(others, pair);
	else if (!is_writable(pair))
		MEM_PUSH(&p->unwritable, pair);
	else if (pair->from.kind == LEARN_HOST && p->settings->host_to_containers != DEFAULT_DENY)
		MEM_PUSH(&p->from_host, pair);
	else
		MEM_PUSH(&p->pairs, pair);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct learn_pair *const *x = a, *const *y = b;

	return learn_pair_compare(*x, *y);
}

static void sort(struct plan_pairs *pairs)
{
	if (pairs->len)
		qsort(pairs->items, pairs->len, sizeof(*pairs->items), compare_pairs);
}

/* ---- documents ---- */

static bool same_project(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct plan_document *document_of(struct plan *p, const char *project)
{
	struct plan_document fresh = {.project = project};

	for (size_t i = 0; i < p->documents.len; i++)
		if (same_project(p->documents.items[i].project, project))
			return &p->documents.items[i];
	MEM_PUSH(&p->documents, fresh);
	return &p->documents.items[p->documents.len - 1];
}

static void add_end(struct plan *p, const struct learn_end *end)
{
	struct plan_group group = {.end = end};

	if (end->kind != LEARN_CONTAINER)
		return;
	if (p->wish->project && !same_project(p->wish->project, end->project))
		return;
	MEM_PUSH(&document_of(p, end->project)->groups, group);
}

static int compare_groups(const void *a, const void *b)
{
	const struct plan_group *x = a, *y = b;

	return plan_compare_ends(x->end, y->end);
}

/* Each end once. */
static void sort_groups(struct plan_document *d)
{
	size_t kept = 0;

	qsort(d->groups.items, d->groups.len, sizeof(*d->groups.items), compare_groups);
	for (size_t i = 0; i < d->groups.len; i++)
		if (!kept ||
		    plan_compare_ends(d->groups.items[kept - 1].end, d->groups.items[i].end) != 0)
			d->groups.items[kept++] = d->groups.items[i];
	d->groups.len = kept;
}

/* By project; containers without one come last. */
static int compare_documents(const void *a, const void *b)
{
	const struct plan_document *x = a, *y = b;

	if (!x->project || !y->project)
		return (x->project == NULL) - (y->project == NULL);
	return strcmp(x->project, y->project);
}

static void make_documents(struct plan *p)
{
	for (size_t i = 0; i < p->pairs.len; i++) {
		add_end(p, &p->pairs.items[i]->from);
		add_end(p, &p->pairs.items[i]->to);
	}
	if (p->documents.len)
		qsort(p->documents.items, p->documents.len, sizeof(*p->documents.items),
		      compare_documents);
	for (size_t i = 0; i < p->documents.len; i++) {
		struct plan_document *d = &p->documents.items[i];

		sort_groups(d);
		plan_name_groups(d);
		d->name = plan_name_document(p, d->project);
	}
	for (size_t i = 0; i < p->documents.len; i++) {
		plan_rules_make(p, &p->documents.items[i]);
		plan_expects_make(p, &p->documents.items[i]);
	}
}

bool plan_document_has(const struct plan_document *d, const struct learn_end *end)
{
	return end->kind == LEARN_CONTAINER && same_project(d->project, end->project);
}

/* ---- all of it ---- */

void plan_init(struct plan *p, const struct learn_table *t, const struct settings *settings,
	       const struct model *m, const struct learn_wish *wish)
{
	*p = (struct plan) {.settings = settings, .model = m, .wish = wish};
	for (size_t i = 0; i < learn_table_len(t); i++)
		sort_in(p, learn_table_pair(t, i));
	sort(&p->pairs);
	sort(&p->refused);
	sort(&p->unanswered);
	sort(&p->unwritable);
	sort(&p->from_host);
	make_documents(p);
}

static void expect_done(struct plan_expect *e)
{
	free(e->from);
	free(e->to);
	free(e->ports.items);
}

static void document_done(struct plan_document *d)
{
	for (size_t i = 0; i < d->groups.len; i++)
		free(d->groups.items[i].name);
	for (size_t i = 0; i < d->rules.len; i++)
		plan_rule_done(&d->rules.items[i]);
	for (size_t i = 0; i < d->expects.len; i++)
		expect_done(&d->expects.items[i]);
	free(d->groups.items);
	free(d->rules.items);
	free(d->expects.items);
	free(d->name);
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->documents.len; i++)
		document_done(&p->documents.items[i]);
	free(p->documents.items);
	free(p->pairs.items);
	free(p->refused.items);
	free(p->unanswered.items);
	free(p->unwritable.items);
	free(p->from_host.items);
}
