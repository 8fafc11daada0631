/*
 * graph: the daemon's answer, as the renderers read it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

#include "quaywall/buf.h"

struct graph_view {
	const json_t *answer;
	const json_t **rows, **columns; /* ends; owned arrays */
	size_t nrows, ncolumns;
	const json_t **cells; /* nrows x ncolumns; NULL: the answer has none */
};

/* False: ANSWER is no graph. To be done in any case. */
bool graph_view_init(struct graph_view *v, const json_t *answer);
void graph_view_done(struct graph_view *v);

#define CLEANUP_VIEW __attribute__((cleanup(graph_view_done)))

const json_t *graph_cell(const struct graph_view *v, size_t row, size_t column);

/* "allow", "ports", "mixed", "audit", "deny", "none". */
const char *graph_cell_kind(const json_t *cell);

/* Two identities without a network in common, of which the policies refuse something less than all: the engine keeps
 * them apart. */
bool graph_cell_is_apart(const json_t *cell);

/* Something passes: without audit, too, unless AUDIT. */
bool graph_cell_passes(const json_t *cell, bool audit);

#define GRAPH_SEEN  1u /* it was seen that something passed */
#define GRAPH_TRIED 2u /* and that something was refused */

unsigned graph_cell_traffic(const json_t *cell);
/* Whether what was seen is known at all. */
bool graph_has_traffic(const struct graph_view *v);

/* "all", "5432, 443#", "(all)": '*' for some addresses or members, '#' within a limit, '?' audit; "" where nothing is
 * to be judged. Behind it '+' where it was seen that something passed, '!' where something was refused. */
void graph_cell_short(const json_t *cell, struct buf *out);

/* One character for it, where there is no room for text. */
const char *graph_cell_symbol(const json_t *cell);

/* A line for each part: "allow 5432/tcp: shop.yaml:7 allow: web -> db". */
void graph_cell_detail(const json_t *cell, struct buf *out);

/* TEXT in XML and HTML, in an attribute, too. */
void graph_escape(const char *text, struct buf *out);

/* The renderers. */
void graph_text(const struct graph_view *v, struct buf *out);
void graph_dot(const struct graph_view *v, struct buf *out);
void graph_svg(const struct graph_view *v, struct buf *out);
void graph_html(const struct graph_view *v, struct buf *out);

/* Made of graph.css and graph.js by embed.py, with their sums as a Content-Security-Policy has them. */
extern const char graph_css[], graph_css_sum[], graph_js[], graph_js_sum[];
