#include "graph.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"
#include "output.h"

#define CELL_MAX 14 /* characters; a longer cell is a footnote */
#define LINE_MAX 80

struct notes {
	char **items; /* owned */
	size_t len, cap;
};

static size_t line_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return LINE_MAX;
}

static char *clean(const char *text)
{
	struct buf out = BUF_INIT;

	utf8_clean(text, &out);
	return buf_steal(&out);
}

static char *name_of(const json_t *end)
{
	return clean(output_text(end, "name"));
}

static char *short_text(const json_t *cell)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	graph_cell_short(cell, &text);
	return clean(buf_text(&text));
}

static size_t note_of(struct notes *notes, const char *text)
{
	for (size_t i = 0; i < notes->len; i++)
		if (!strcmp(notes->items[i], text))
			return i + 1;
	MEM_PUSH(notes, mem_strdup(text));
	return notes->len;
}

/* ---- the matrix ---- */

struct matrix {
	const struct graph_view *v;
	char **texts;
	size_t *widths;
	size_t label; /* width of the rows' names */
	struct notes notes;
};

static void matrix_done(struct matrix *m)
{
	for (size_t i = 0; i < m->v->nrows * m->v->ncolumns; i++)
		free(m->texts[i]);
	for (size_t i = 0; i < m->notes.len; i++)
		free(m->notes.items[i]);
	free(m->notes.items);
	free(m->texts);
	free(m->widths);
}

/* The column's number, as its row has it; words stand for themselves. */
static char *column_name(const struct graph_view *v, size_t column)
{
	if (!strcmp(output_text(v->columns[column], "kind"), "identity"))
		return mem_printf("%zu", column + 1);
	return name_of(v->columns[column]);
}

static char *row_name(const struct graph_view *v, size_t row)
{
	CLEANUP_FREE char *name = name_of(v->rows[row]);

	for (size_t i = 0; i < v->ncolumns; i++)
		if (v->columns[i] == v->rows[row] &&
		    !strcmp(output_text(v->rows[row], "kind"), "identity"))
			return mem_printf("%zu %s", i + 1, name);
	return mem_strdup(name);
}

static void widen(size_t *width, const char *text)
{
	if (strlen(text) > *width)
		*width = strlen(text);
}

static void matrix_init(struct matrix *m, const struct graph_view *v)
{
	*m = (struct matrix) {.v = v};
	m->texts = mem_new(v->nrows * v->ncolumns, sizeof(*m->texts));
	m->widths = mem_new(v->ncolumns, sizeof(*m->widths));
	for (size_t c = 0; c < v->ncolumns; c++) {
		CLEANUP_FREE char *name = column_name(v, c);

		widen(&m->widths[c], name);
	}
	for (size_t r = 0; r < v->nrows; r++) {
		CLEANUP_FREE char *name = row_name(v, r);

		widen(&m->label, name);
		for (size_t c = 0; c < v->ncolumns; c++) {
			char *text = short_text(graph_cell(v, r, c));

			if (strlen(text) > CELL_MAX) {
				size_t note = note_of(&m->notes, text);

				free(text);
				text = mem_printf("[%zu]", note);
			}
			m->texts[r * v->ncolumns + c] = text;
			widen(&m->widths[c], text);
		}
	}
}

static size_t matrix_width(const struct matrix *m)
{
	size_t width = m->label;

	for (size_t c = 0; c < m->v->ncolumns; c++)
		width += m->widths[c] + 2;
	return width;
}

/* As output_verdict() would have it: what passes in part is yellow. */
static const char *colour_of(const json_t *cell)
{
	const char *kind = graph_cell_kind(cell);

	return !strcmp(kind, "none") ? "" : !strcmp(kind, "ports") ? "allow" : kind;
}

static void add_padded(struct buf *out, const char *text, size_t width, const char *colour)
{
	buf_printf(out, "  %*s", (int)(width - strlen(text)), "");
	output_coloured(out, colour, text);
}

static void matrix_print(const struct matrix *m, struct buf *out)
{
	buf_printf(out, "%-*s", (int)m->label, "from \\ to");
	for (size_t c = 0; c < m->v->ncolumns; c++) {
		CLEANUP_FREE char *name = column_name(m->v, c);

		add_padded(out, name, m->widths[c], "");
	}
	for (size_t r = 0; r < m->v->nrows; r++) {
		CLEANUP_FREE char *name = row_name(m->v, r);

		buf_printf(out, "\n%-*s", (int)m->label, name);
		for (size_t c = 0; c < m->v->ncolumns; c++) {
			const char *text = m->texts[r * m->v->ncolumns + c];

			add_padded(out, *text ? text : ".", m->widths[c],
				   colour_of(graph_cell(m->v, r, c)));
		}
	}
	buf_char(out, '\n');
	for (size_t i = 0; i < m->notes.len; i++)
		buf_printf(out, "%s[%zu] %s\n", i ? "" : "\n", i + 1, m->notes.items[i]);
}

/* Of whom no row tells the number. */
static void print_columns(const struct graph_view *v, struct buf *out)
{
	for (size_t c = 0; c < v->ncolumns; c++) {
		CLEANUP_FREE char *name = name_of(v->columns[c]);

		if (!json_is_true(json_object_get(v->columns[c], "row")) &&
		    !strcmp(output_text(v->columns[c], "kind"), "identity"))
			buf_printf(out, "%zu %s\n", c + 1, name);
	}
}

/* ---- the list, where the matrix is too wide ---- */

/* A line for each text that cells of the row have, with everybody who has it. */
static void list_alike(const struct graph_view *v, size_t row, size_t first, const char *text,
		       struct buf *out)
{
	size_t width = line_width(), at;

	buf_str(out, "  ");
	output_coloured(out, colour_of(graph_cell(v, row, first)), text);
	buf_char(out, ':');
	at = strlen(text) + 3;
	for (size_t c = first; c < v->ncolumns; c++) {
		CLEANUP_FREE char *own = short_text(graph_cell(v, row, c));
		CLEANUP_FREE char *name = name_of(v->columns[c]);

		if (strcmp(own, text) != 0)
			continue;
		if (at + 1 + strlen(name) > width) {
			buf_str(out, "\n     ");
			at = 5;
		}
		buf_printf(out, " %s", name);
		at += 1 + strlen(name);
	}
	buf_char(out, '\n');
}

static bool is_first(const struct graph_view *v, size_t row, size_t column, const char *text)
{
	for (size_t c = 0; c < column; c++) {
		CLEANUP_FREE char *own = short_text(graph_cell(v, row, c));

		if (!strcmp(own, text))
			return false;
	}
	return true;
}

static void list_row(const struct graph_view *v, size_t row, struct buf *out)
{
	CLEANUP_FREE char *name = name_of(v->rows[row]);
	bool any = false;

	buf_printf(out, "%s\n", name);
	for (size_t c = 0; c < v->ncolumns; c++) {
		const json_t *cell = graph_cell(v, row, c);
		CLEANUP_FREE char *text = short_text(cell);

		if ((!graph_cell_passes(cell, true) && !graph_cell_traffic(cell)) ||
		    !is_first(v, row, c, text))
			continue;
		list_alike(v, row, c, text, out);
		any = true;
	}
	if (!any)
		buf_str(out, "  nobody\n");
}

static void list_print(const struct graph_view *v, struct buf *out)
{
	buf_str(out, "Who reaches whom, on which ports. What is not named is refused.\n\n");
	for (size_t r = 0; r < v->nrows; r++)
		list_row(v, r, out);
}

/* ---- both ---- */

static void add_legend(const struct graph_view *v, struct buf *out)
{
	buf_str(out, "\n-  refused    5432  only that port (TCP, unless it says otherwise)\n"
		     "*  some addresses or containers only    #  within a limit    ?  audit\n"
		     "( )  no network in common: the engine keeps them apart\n"
		     "published  the world, by ports that the host publishes\n");
	if (graph_has_traffic(v))
		buf_str(out, "+  was seen to pass    !  was seen to be refused\n");
	buf_str(out, "'quaywall explain FROM TO PORT' says why.\n");
}

void graph_text(const struct graph_view *v, struct buf *out)
{
	struct matrix m;

	matrix_init(&m, v);
	if (matrix_width(&m) <= line_width()) {
		matrix_print(&m, out);
		print_columns(v, out);
	} else {
		list_print(v, out);
	}
	add_legend(v, out);
	matrix_done(&m);
}
