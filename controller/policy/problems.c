#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* What a terminal or a log would take for a command is written as \xNN: names come from files. */
static void add_printable(struct buf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
		else
			buf_char(out, *c);
	}
}

static char *format_text(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *fmt, va_list args)
{
	char *raw CLEANUP_FREE = NULL;
	if (vasprintf(&raw, fmt, args) < 0)
		abort();

	struct buf out = BUF_INIT;
	add_printable(&out, raw);
	return buf_steal(&out);
}

static void add(struct policy_problems *p, enum policy_severity severity,
		const struct policy_where *where, char *text)
{
	struct policy_problem problem = {.severity = severity, .text = text};
	if (where) {
		problem.where = *where;
		problem.where.file = mem_strdup(where->file);
	}
	MEM_PUSH(p, problem);
}

void policy_problem_add(struct policy_problems *p, enum policy_severity severity,
			const struct policy_where *where, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	add(p, severity, where, format_text(fmt, args));
	va_end(args);
}

void problem_error(struct policy_problems *p, const struct policy_where *where, const char *fmt,
		   ...)
{
	va_list args;
	va_start(args, fmt);
	add(p, POLICY_ERROR, where, format_text(fmt, args));
	va_end(args);
}

size_t policy_problems_errors(const struct policy_problems *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->len; i++)
		n += p->items[i].severity == POLICY_ERROR;
	return n;
}

static void print_problem(const struct policy_problem *problem, struct buf *out)
{
	const struct policy_where *w = &problem->where;

	if (w->file) {
		add_printable(out, w->file);
		if (w->line)
			buf_printf(out, ":%u:%u", w->line, w->column);
		buf_str(out, ": ");
	}
	buf_printf(out, "%s: %s\n", problem->severity == POLICY_ERROR ? "error" : "warning",
		   problem->text);
}

void policy_problems_print(const struct policy_problems *p, struct buf *out)
{
	for (size_t i = 0; i < p->len; i++)
		print_problem(&p->items[i], out);
}

static void problem_done(struct policy_problem *problem)
{
	free((char *)problem->where.file);
	free(problem->text);
}

void policy_problems_done(struct policy_problems *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->len; i++)
		problem_done(&p->items[i]);
	free(p->items);
	*p = (struct policy_problems) {0};
}

static int compare_numbers(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

static int compare(const void *a, const void *b)
{
	const struct policy_problem *x = a, *y = b;
	int c = compare_numbers(x->where.line, y->where.line);

	if (!c)
		c = compare_numbers(x->where.column, y->where.column);
	return c ? c : strcmp(x->text, y->text);
}

void problems_sort(struct policy_problems *p, size_t from)
{
	if (p->len - from < 2)
		return;
	qsort(p->items + from, p->len - from, sizeof(*p->items), compare);

	size_t kept = from + 1;
	for (size_t i = kept; i < p->len; i++) {
		if (compare(&p->items[kept - 1], &p->items[i]) == 0)
			problem_done(&p->items[i]);
		else
			p->items[kept++] = p->items[i];
	}
	p->len = kept;
}

static size_t file_rank(const struct policy_set *set, const char *file)
{
	size_t i = 0;

	while (file && i < set->nfiles && strcmp(set->files[i], file) != 0)
		i++;
	return file ? i : 0;
}

static int compare_with_files(const void *a, const void *b, void *set)
{
	const struct policy_problem *x = a, *y = b;
	size_t rx = file_rank(set, x->where.file), ry = file_rank(set, y->where.file);

	return rx != ry ? (rx > ry) - (rx < ry) : compare(a, b);
}

void problems_sort_files(struct policy_problems *p, const struct policy_set *set)
{
	qsort_r(p->items, p->len, sizeof(*p->items), compare_with_files, (void *)set);
}

void *array_grow(void *items, size_t len, size_t size)
{
	if (len & (len - 1)) /* neither 0 nor a power of two: room is left */
		return items;

	void *grown = reallocarray(items, len ? 2 * len : 1, size);
	if (!grown)
		abort();
	return grown;
}
