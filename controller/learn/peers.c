/*
 * peers: what documents, groups and ends are called. Names of projects, services and containers may hold anything;
 * those that are made of them hold letters, digits, '.', '_' and '-'.
 */
#include "plan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define NAME_MAX_LEN 48 /* of what is made of a name, so that a number fits behind it */

int plan_compare_ends(const struct learn_end *a, const struct learn_end *b)
{
	struct learn_pair x = {.from = *a}, y = {.from = *b};

	return learn_pair_compare(&x, &y);
}

/* The letters of NAME that fit, from the first letter or digit on. */
static void simplify(const char *name, bool lower, struct buf *out)
{
	for (; *name && out->len < NAME_MAX_LEN; name++) {
		unsigned char c = (unsigned char)*name;
		bool fits = c < 0x80 && (isalnum(c) || strchr("._-", c));

		if (!out->len && !(fits && isalnum(c)))
			continue;
		buf_char(out, !fits ? '-' : lower ? (char)tolower(c) : (char)c);
	}
}

/* ---- documents ---- */

static bool is_taken(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->wish->nnames; i++)
		if (strcmp(p->wish->names[i], name) == 0)
			return true;
	for (size_t i = 0; i < p->documents.len; i++)
		if (p->documents.items[i].name && strcmp(p->documents.items[i].name, name) == 0)
			return true;
	return false;
}

/* Two documents of one name are an error, so those in force keep theirs. */
char *plan_name_document(const struct plan *p, const char *project)
{
	CLEANUP_BUF struct buf base = BUF_INIT;
	char *name;

	if (project)
		simplify(project, true, &base);
	if (!base.len)
		buf_str(&base, project ? "project" : "no-project");
	if (is_taken(p, buf_text(&base)))
		buf_str(&base, "-learned");
	name = mem_strdup(buf_text(&base));
	for (unsigned n = 2; is_taken(p, name); n++) {
		free(name);
		name = mem_printf("%s-%u", buf_text(&base), n);
	}
	return name;
}

/* ---- groups ---- */

static bool is_group(const struct plan_document *d, const char *name)
{
	for (size_t i = 0; i < d->groups.len; i++)
		if (d->groups.items[i].name && strcmp(d->groups.items[i].name, name) == 0)
			return true;
	return false;
}

static char *name_group(const struct plan_document *d, const struct learn_end *end)
{
	CLEANUP_BUF struct buf base = BUF_INIT;
	char *name;

	simplify(end->service ? end->service : end->name, false, &base);
	if (policy_may_name_group(buf_text(&base)))
		name = mem_strdup(buf_text(&base));
	else
		name = mem_printf("%s%s%s", end->service ? "service" : "container",
				  base.len ? "-" : "", buf_text(&base));
	buf_truncate(&base, 0);
	buf_str(&base, name);
	for (unsigned n = 2; is_group(d, name); n++) {
		free(name);
		name = mem_printf("%s-%u", buf_text(&base), n);
	}
	return name;
}

void plan_name_groups(struct plan_document *d)
{
	for (size_t i = 0; i < d->groups.len; i++)
		d->groups.items[i].name = name_group(d, d->groups.items[i].end);
}

/* ---- ends ---- */

static void print_key(const char *key, const char *name, struct buf *out)
{
	buf_printf(out, "%s: ", key);
	policy_name_print(name, out);
}

void plan_print_selector(const struct learn_end *end, struct buf *out)
{
	buf_char(out, '{');
	if (end->service)
		print_key("service", end->service, out);
	else
		print_key("name", end->name, out);
	buf_char(out, '}');
}

/* Without a project of its own, a selector would get that of its document. */
static void print_stranger(const struct plan_document *d, const struct learn_end *end,
			   struct buf *out)
{
	buf_char(out, '{');
	if (end->project)
		print_key("project", end->project, out);
	else if (d->project)
		buf_str(out, "project: \"*\"");
	if (end->project || d->project)
		buf_str(out, ", ");
	if (end->service)
		print_key("service", end->service, out);
	else
		print_key("name", end->name, out);
	buf_char(out, '}');
}

static const char *group_of(const struct plan_document *d, const struct learn_end *end)
{
	size_t low = 0, high = d->groups.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = plan_compare_ends(d->groups.items[mid].end, end);

		if (r == 0)
			return d->groups.items[mid].name;
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

char *plan_name_peer(const struct plan_document *d, const struct learn_end *end)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *group = plan_document_has(d, end) ? group_of(d, end) : NULL;

	if (end->kind == LEARN_HOST)
		buf_str(&out, "host");
	else if (group)
		policy_name_print(group, &out);
	else
		print_stranger(d, end, &out);
	return buf_steal(&out);
}
