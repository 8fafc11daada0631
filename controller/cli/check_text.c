/* Findings for people, and the catalogue. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "output.h"

/* What containers call themselves stands in it: none of it may begin a line. */
void check_add_line(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_char(out, strchr("\n\r\t", *text) ? ' ' : *text);
}

/* ---- groups ---- */

struct group {
	const char *name;
	enum check_severity worst;
	bool is_open; /* it has a finding that is not suppressed */
};

struct groups {
	struct group *items;
	size_t len, cap;
};

static struct group *group_of(struct groups *g, const char *name)
{
	struct group fresh = {.name = name};

	for (size_t i = 0; i < g->len; i++)
		if (!strcmp(g->items[i].name, name))
			return &g->items[i];
	MEM_PUSH(g, fresh);
	return &g->items[g->len - 1];
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->is_open != y->is_open)
		return x->is_open ? -1 : 1;
	if (x->worst != y->worst)
		return (int)y->worst - (int)x->worst;
	return strcmp(x->name, y->name);
}

static void find_groups(const json_t *findings, struct groups *g)
{
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f) {
		struct group *group = group_of(g, output_text(f, "group"));

		if (check_is_suppressed(f))
			continue;
		group->is_open = true;
		if (check_severity_of(f) > group->worst)
			group->worst = check_severity_of(f);
	}
	if (g->len)
		qsort(g->items, g->len, sizeof(*g->items), compare_groups);
}

/* ---- findings ---- */

static const char *colour_of(enum check_severity s)
{
	return s >= CHECK_HIGH ? "deny" : s >= CHECK_LOW ? "audit" : "";
}

static void add_detail(struct buf *out, const char *name, const char *text)
{
	if (!*text)
		return;
	buf_printf(out, "            %-9s ", name);
	check_add_line(out, text);
	buf_char(out, '\n');
}

/* Those of one check, one behind the other, that are told in one line. */
struct alike {
	const json_t *first, *second;
	size_t n;
};

static void add_subjects(struct buf *out, const struct alike *same)
{
	check_add_line(out, output_text(same->first, "subject"));
	if (same->n == 1)
		return;
	buf_str(out, ", ");
	check_add_line(out, output_text(same->second, "subject"));
	if (same->n > 2)
		buf_printf(out, " and %zu more", same->n - 2);
}

/* "  high      published-sensitive   shop/db (shop-db-1) 5432/tcp: a database …; remedy" */
static void add_finding(struct buf *out, const struct alike *same, size_t width,
			const struct check_wish *w)
{
	const json_t *f = same->first;
	const char *word = check_is_suppressed(f) ? "quiet" : output_text(f, "severity");

	buf_str(out, "  ");
	output_coloured(out, check_is_suppressed(f) ? "" : colour_of(check_severity_of(f)), word);
	buf_printf(out, "%*s  %-*s  ", (int)(8 - strlen(word)), "", (int)width,
		   output_text(f, "id"));
	add_subjects(out, same);
	buf_printf(out, ": %s", output_text(f, "title"));
	if (!w->verbose) {
		buf_str(out, "; ");
		check_add_line(out,
			       output_text(f, check_is_suppressed(f) ? "suppressed" : "remedy"));
		buf_char(out, '\n');
		return;
	}
	buf_char(out, '\n');
	add_detail(out, "evidence", output_text(f, "evidence"));
	add_detail(out, "why", output_text(f, "why"));
	add_detail(out, "remedy", output_text(f, "remedy"));
	add_detail(out, "accepted", output_text(f, "suppressed"));
}

static size_t width_of(const json_t *findings)
{
	size_t i, width = 0;
	const json_t *f;

	json_array_foreach(findings, i, f)
		if (strlen(output_text(f, "id")) > width)
			width = strlen(output_text(f, "id"));
	return width < 40 ? width : 40;
}

/* What most containers of a host lack would bury the rest. */
static bool belongs_to(const struct alike *same, const json_t *f, const struct check_wish *w)
{
	return same->n && !w->verbose && !check_is_suppressed(f) &&
	       check_severity_of(f) <= CHECK_LOW &&
	       check_severity_of(f) == check_severity_of(same->first) &&
	       !strcmp(output_text(f, "id"), output_text(same->first, "id"));
}

static void add_part(struct buf *out, const json_t *findings, const char *group, bool quiet,
		     const struct check_wish *w)
{
	struct alike same = {.n = 0};
	size_t i, width = width_of(findings);
	const json_t *f;

	json_array_foreach(findings, i, f) {
		if (strcmp(output_text(f, "group"), group) != 0 || check_is_suppressed(f) != quiet)
			continue;
		if (belongs_to(&same, f, w)) {
			same.second = same.second ? same.second : f;
			same.n++;
			continue;
		}
		if (same.n)
			add_finding(out, &same, width, w);
		same = (struct alike) {.first = f, .n = 1};
	}
	if (same.n)
		add_finding(out, &same, width, w);
}

/* Those that are suppressed behind the others. */
static void add_group(struct buf *out, const json_t *findings, const char *name,
		      const struct check_wish *w)
{
	buf_printf(out, "%s\n", name);
	add_part(out, findings, name, false, w);
	add_part(out, findings, name, true, w);
	buf_char(out, '\n');
}

/* ---- the rest ---- */

/* One line for all groups that miss the same. */
static void add_gaps(struct buf *out, const json_t *gaps)
{
	size_t n = json_array_size(gaps);
	CLEANUP_FREE bool *told = mem_new(n, sizeof(*told));

	for (size_t i = 0; i < n; i++) {
		const char *why = output_text(json_array_get(gaps, i), "why");

		if (told[i])
			continue;
		buf_str(out, "not checked: ");
		for (size_t j = i; j < n; j++) {
			const json_t *other = json_array_get(gaps, j);

			if (strcmp(output_text(other, "why"), why) != 0)
				continue;
			buf_printf(out, "%s%s", j == i ? "" : ", ", output_text(other, "group"));
			told[j] = true;
		}
		buf_str(out, ": ");
		check_add_line(out, why);
		buf_char(out, '\n');
	}
}

/* The daemon gave up most of its rights; root at a terminal did not. */
static void add_hint(struct buf *out, const json_t *answer)
{
	bool by_daemon = json_object_get(answer, "pending");

	if (by_daemon && json_array_size(json_object_get(answer, "not_checked")))
		buf_str(out, "root sees more of the host than the daemon does: quaywall check "
			     "--policies DIR\n");
}

static void add_counts(struct buf *out, const json_t *answer)
{
	const json_t *counts = json_object_get(answer, "counts");
	json_int_t quiet = json_integer_value(json_object_get(answer, "suppressed"));
	bool some = false;

	for (int i = CHECK_SEVERITIES; i-- > 0;) {
		const char *name = check_severity_name((enum check_severity)i);
		json_int_t n = json_integer_value(json_object_get(counts, name));

		if (n)
			buf_printf(out, "%s%lld %s", some ? ", " : "", (long long)n, name);
		some |= n > 0;
	}
	if (!some)
		buf_str(out, "no findings");
	if (quiet)
		buf_printf(out, "; %lld suppressed by the settings", (long long)quiet);
	buf_char(out, '\n');
}

void check_text(const json_t *answer, const struct check_wish *w, struct buf *out)
{
	const json_t *findings = json_object_get(answer, "findings");
	struct groups groups = {NULL, 0, 0};

	find_groups(findings, &groups);
	for (size_t i = 0; i < groups.len; i++)
		add_group(out, findings, groups.items[i].name, w);
	free(groups.items);
	add_gaps(out, json_object_get(answer, "not_checked"));
	add_hint(out, answer);
	add_counts(out, answer);
	if (json_is_true(json_object_get(answer, "pending")))
		buf_printf(out, "as of %s: what changed since is not in it yet\n",
			   output_text(answer, "checked"));
}

/* ---- the catalogue ---- */

struct list {
	const struct check_wish *wish;
	struct output_table table;
	json_t *json;
};

static void add_row(const struct check *check, void *data)
{
	struct list *l = data;
	const char *cells[] = {check->id, check->group, check_severity_name(check->severity),
			       check->title};

	if (check_is_wanted(l->wish, check->group, check->id))
		output_row(&l->table, cells);
}

void check_list_text(const struct check_wish *w, struct buf *out)
{
	struct list l = {.wish = w, .table = {.columns = 4}};

	check_each(add_row, &l);
	output_table_print(&l.table, out);
	output_table_done(&l.table);
}

static void add_object(const struct check *check, void *data)
{
	struct list *l = data;

	if (!check_is_wanted(l->wish, check->group, check->id))
		return;
	json_array_append_new(l->json,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?}", "id", check->id, "group",
					check->group, "severity",
					check_severity_name(check->severity), "title", check->title,
					"why", check->why, "source", check->source));
}

json_t *check_list_json(const struct check_wish *w)
{
	struct list l = {.wish = w, .json = json_array()};

	check_each(add_object, &l);
	return l.json;
}
