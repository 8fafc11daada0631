#include "graph.h"

#include <string.h>

#include "output.h"

/* In DOT a quoted string knows its quote, and what is shown of a label knows backslashes, too. */
static void add_quoted(const char *text, struct buf *out)
{
	buf_char(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_char(out, '\\');
		if (*text == '\n')
			buf_str(out, "\\n");
		else
			buf_char(out, (unsigned char)*text < 0x20 ? ' ' : *text);
	}
	buf_char(out, '"');
}

static void add_node(const json_t *end, size_t i, struct buf *out)
{
	const char *kind = output_text(end, "kind");

	buf_printf(out, "\tn%zu [label=", i);
	add_quoted(output_text(end, "name"), out);
	buf_printf(out, ", shape=%s];\n", strcmp(kind, "identity") ? "ellipse" : "box");
}

static const char *style_of(const json_t *cell)
{
	if (!graph_cell_passes(cell, false))
		return "style=dashed, color=\"#a66a00\"";
	return !strcmp(graph_cell_kind(cell), "mixed") ? "color=\"#a66a00\"" : "color=\"#1a7f37\"";
}

static void add_arrow(const json_t *cell, const char *style, const char *label, struct buf *out)
{
	buf_printf(out, "\tn%s -> n%s [%s, label=", output_text(cell, "row"),
		   output_text(cell, "column"), style);
	add_quoted(label, out);
	buf_str(out, "];\n");
}

/* What the engine keeps apart would be most of the picture. */
static void add_edge(const json_t *cell, struct buf *out)
{
	unsigned traffic = graph_cell_traffic(cell);
	CLEANUP_BUF struct buf label = BUF_INIT, style = BUF_INIT;

	graph_cell_short(cell, &label);
	buf_printf(&style, "%s%s", style_of(cell), traffic & GRAPH_SEEN ? ", penwidth=2.5" : "");
	if (graph_cell_passes(cell, true) && !graph_cell_is_apart(cell))
		add_arrow(cell, buf_text(&style), buf_text(&label), out);
	else if (traffic & GRAPH_TRIED)
		add_arrow(cell, "style=dotted, color=\"#cf222e\"", "refused", out);
}

void graph_dot(const struct graph_view *v, struct buf *out)
{
	const json_t *item;
	size_t i;

	buf_str(out, "digraph quaywall {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\"];\n"
		     "\tedge [fontname=\"sans-serif\", fontsize=10];\n");
	json_array_foreach(json_object_get(v->answer, "ends"), i, item)
		if (json_is_true(json_object_get(item, "row")) ||
		    json_is_true(json_object_get(item, "column")))
			add_node(item, i, out);
	json_array_foreach(json_object_get(v->answer, "cells"), i, item)
		add_edge(item, out);
	buf_str(out, "}\n");
}
