#include "graph.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "output.h"

/* ---- the answer ---- */

/* The ends that are rows (or columns), and for each end which one. */
static const json_t **pick(const json_t *ends, const char *key, size_t *places, size_t *ret_n)
{
	const json_t **picked = mem_new(json_array_size(ends), sizeof(*picked));
	size_t i, n = 0;
	json_t *end;

	json_array_foreach(ends, i, end) {
		places[i] = SIZE_MAX;
		if (!json_is_true(json_object_get(end, key)))
			continue;
		places[i] = n;
		picked[n++] = end;
	}
	*ret_n = n;
	return picked;
}

static size_t place_of(const json_t *cell, const char *key, const size_t *places, size_t n)
{
	json_int_t i = json_integer_value(json_object_get(cell, key));

	return i < 0 || (size_t)i >= n ? SIZE_MAX : places[i];
}

bool graph_view_init(struct graph_view *v, const json_t *answer)
{
	const json_t *ends = json_object_get(answer, "ends");
	size_t n = json_array_size(ends), i;
	CLEANUP_FREE size_t *rows = mem_new(n, sizeof(*rows));
	CLEANUP_FREE size_t *columns = mem_new(n, sizeof(*columns));
	json_t *cell;

	*v = (struct graph_view) {.answer = answer};
	v->rows = pick(ends, "row", rows, &v->nrows);
	v->columns = pick(ends, "column", columns, &v->ncolumns);
	v->cells = mem_new(v->nrows * v->ncolumns, sizeof(*v->cells));
	json_array_foreach(json_object_get(answer, "cells"), i, cell) {
		size_t row = place_of(cell, "row", rows, n);
		size_t column = place_of(cell, "column", columns, n);

		if (row != SIZE_MAX && column != SIZE_MAX)
			v->cells[row * v->ncolumns + column] = cell;
	}
	return v->nrows && v->ncolumns;
}

void graph_view_done(struct graph_view *v)
{
	free(v->rows);
	free(v->columns);
	free(v->cells);
	*v = (struct graph_view) {.answer = NULL};
}

/* ---- cells ---- */

const json_t *graph_cell(const struct graph_view *v, size_t row, size_t column)
{
	return v->cells[row * v->ncolumns + column];
}

const char *graph_cell_kind(const json_t *cell)
{
	static const char *const kinds[] = {"allow", "ports", "mixed", "audit", "deny", "none"};
	const char *verdict = output_text(cell, "verdict");

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(verdict, kinds[i]))
			return kinds[i];
	return "none";
}

bool graph_cell_passes(const json_t *cell, bool audit)
{
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(cell, "parts"), i, part) {
		const char *verdict = output_text(part, "verdict");

		if (!strcmp(verdict, "allow") || !strcmp(verdict, "mixed") ||
		    (audit && !strcmp(verdict, "audit")))
			return true;
	}
	return false;
}

static bool is_positive(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key)) > 0;
}

unsigned graph_cell_traffic(const json_t *cell)
{
	const json_t *seen = json_object_get(cell, "seen");

	return (is_positive(seen, "passed") ? GRAPH_SEEN : 0) |
	       (is_positive(seen, "refused") ? GRAPH_TRIED : 0);
}

bool graph_has_traffic(const struct graph_view *v)
{
	return json_object_get(json_array_get(json_object_get(v->answer, "cells"), 0), "seen");
}

bool graph_cell_is_apart(const json_t *cell)
{
	return json_is_false(json_object_get(cell, "common_network")) &&
	       graph_cell_passes(cell, true);
}

/* ---- ports ---- */

static bool holds_rest(const json_t *part)
{
	const json_t *ports = json_object_get(part, "ports"), *port;
	size_t i;

	json_array_foreach(ports, i, port)
		if (json_is_string(port) && !strcmp(json_string_value(port), "other"))
			return true;
	return false;
}

static void add_ports(const json_t *part, bool brief, const char *mark, bool *first,
		      struct buf *out)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(part, "ports"), i, port) {
		const char *text = json_is_string(port) ? json_string_value(port) : "?";
		size_t len = strlen(text);

		if (!*first)
			buf_str(out, ", ");
		*first = false;
		if (brief && len > 4 && !strcmp(text + len - 4, "/tcp"))
			len -= 4;
		buf_add(out, text, len);
		buf_str(out, mark);
	}
}

/* "5432#", "all#", "all# but 25": where the part has what no rule can name, the rest is shorter to say. */
static void add_part(const json_t *cell, const json_t *part, bool brief, const char *mark,
		     struct buf *out)
{
	const json_t *other;
	bool first = true;
	size_t i;

	if (!holds_rest(part)) {
		add_ports(part, brief, mark, &first, out);
		return;
	}
	buf_printf(out, "all%s but ", mark);
	json_array_foreach(json_object_get(cell, "parts"), i, other)
		if (other != part)
			add_ports(other, brief, "", &first, out);
}

static const char *mark_of(const json_t *part)
{
	const char *verdict = output_text(part, "verdict");

	if (!strcmp(verdict, "mixed"))
		return "*";
	if (!strcmp(verdict, "audit"))
		return "?";
	return json_is_true(json_object_get(part, "limited")) ? "#" : "";
}

/* Each part that passes, with its mark. Of a list that has no other part, what is refused needs no word. */
static void add_passing(const json_t *cell, struct buf *out)
{
	const json_t *part;
	bool any = false;
	size_t i;

	json_array_foreach(json_object_get(cell, "parts"), i, part) {
		if (!strcmp(output_text(part, "verdict"), "deny"))
			continue;
		if (any)
			buf_str(out, ", ");
		any = true;
		add_part(cell, part, true, mark_of(part), out);
	}
}

static void add_allowed(const json_t *cell, struct buf *out)
{
	bool apart = graph_cell_is_apart(cell);

	if (!strcmp(graph_cell_kind(cell), "deny")) {
		buf_char(out, '-');
		return;
	}
	if (apart)
		buf_char(out, '(');
	add_passing(cell, out);
	if (apart)
		buf_char(out, ')');
}

void graph_cell_short(const json_t *cell, struct buf *out)
{
	unsigned traffic = graph_cell_traffic(cell);

	if (strcmp(graph_cell_kind(cell), "none") != 0)
		add_allowed(cell, out);
	if (traffic & GRAPH_SEEN)
		buf_char(out, '+');
	if (traffic & GRAPH_TRIED)
		buf_char(out, '!');
}

const char *graph_cell_symbol(const json_t *cell)
{
	static const struct {
		const char *kind, *symbol;
	} symbols[] = {
		{"allow", "\xe2\x97\x8f"}, {"ports", "\xe2\x97\x90"}, {"mixed", "\xe2\x97\x87"},
		{"audit", "\xe2\x97\x8b"}, {"deny", "\xc2\xb7"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++)
		if (!strcmp(graph_cell_kind(cell), symbols[i].kind))
			return symbols[i].symbol;
	return "";
}

static void add_reasons(const json_t *part, struct buf *out)
{
	const json_t *by;
	size_t i;

	json_array_foreach(json_object_get(part, "by"), i, by)
		buf_printf(out, "%s%s", i ? "; " : ": ",
			   json_is_string(by) ? json_string_value(by) : "?");
}

/* "seen: 12 flows on 5432/tcp" */
static void add_seen(const json_t *seen, const char *count, const char *ports, const char *what,
		     struct buf *out)
{
	const json_t *port;
	size_t i;

	if (!is_positive(seen, count))
		return;
	buf_printf(out, "%s%s %s on ", out->len ? "\n" : "", what, output_text(seen, count));
	json_array_foreach(json_object_get(seen, ports), i, port)
		buf_printf(out, "%s%s", i ? ", " : "",
			   json_is_string(port) ? json_string_value(port) : "?");
}

static void add_traffic(const json_t *cell, struct buf *out)
{
	const json_t *seen = json_object_get(cell, "seen");

	add_seen(seen, "passed", "ports", "seen: flows", out);
	add_seen(seen, "refused", "refused_ports", "seen: refused packets", out);
	if (graph_cell_traffic(cell))
		buf_printf(out, "; last at %s", output_text(seen, "last"));
}

void graph_cell_detail(const json_t *cell, struct buf *out)
{
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(cell, "parts"), i, part) {
		const char *verdict = output_text(part, "verdict");
		bool mixed = !strcmp(verdict, "mixed");

		buf_printf(out, "%s%s%s ", i ? "\n" : "",
			   mixed ? "allow for some, refuse for others" : verdict,
			   json_is_true(json_object_get(part, "limited")) ? " within a limit" : "");
		add_part(cell, part, false, "", out);
		add_reasons(part, out);
	}
	if (graph_cell_is_apart(cell))
		buf_str(out, "\nno network in common: the engine itself keeps them apart");
	add_traffic(cell, out);
}

/* ---- escapes ---- */

void graph_escape(const char *text, struct buf *out)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buf_str(out, "&amp;");
			break;
		case '<':
			buf_str(out, "&lt;");
			break;
		case '>':
			buf_str(out, "&gt;");
			break;
		case '"':
			buf_str(out, "&quot;");
			break;
		case '\'':
			buf_str(out, "&#39;");
			break;
		case '\n':
			buf_str(out, "&#10;");
			break;
		default:
			/* U+FFFE and U+FFFF are no characters of XML. */
			if (!strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3))
				text += 2, buf_char(out, '?');
			else
				buf_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
		}
	}
}
