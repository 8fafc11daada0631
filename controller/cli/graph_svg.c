#include "graph.h"

#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"
#include "output.h"

/* A monospaced font, so that widths are known without one: at 12 px a character is 7.3 px wide at most. */
#define CHARACTER   7.3
#define SMALL	    20 /* px: a cell of a big matrix */
#define HEIGHT	    26 /* of a row with text */
#define NAME_LENGTH 34 /* characters of a name */
#define TEXT_MAX    12 /* of a cell */
#define FEW	    14 /* columns whose cells have text */
#define LEGEND	    22

struct picture {
	const struct graph_view *v;
	bool few;
	double left, top, cell_width, cell_height;
};

static const char style[] =
	"svg{--seen:#1a7f37;--tried:#cf222e;--ink:#1f2328;--back:#fff;--line:#d0d7de;--allow:#b4e6c1;--ports:#dcf3e2;--mixed:#cfe4ff;"
	"--audit:#ffe6a6;--deny:#f3f4f6;--text:#1f2328;background:#fff}"
	"text{font:12px ui-monospace,'DejaVu Sans Mono',monospace;fill:var(--ink)}"
	"rect{stroke:var(--line)}.back{fill:var(--back);stroke:none}"
	".allow{fill:var(--allow)}.ports{fill:var(--ports)}.mixed{fill:var(--mixed)}"
	".audit{fill:var(--audit)}.deny{fill:var(--deny)}.none{fill:none}"
	"rect.seen{fill:var(--seen);stroke:none}rect.tried{fill:var(--tried);stroke:none}"
	".apart{fill-opacity:.35;stroke-dasharray:2 2}.mid{text-anchor:middle}.end{text-anchor:end}"
	"@media (prefers-color-scheme:dark){svg{--seen:#3fb950;--tried:#ff7b72;--ink:#e6edf3;--back:#0d1117;--line:#3d444d;"
	"--allow:#1f6f3a;--ports:#164a2a;--mixed:#1d4a80;--audit:#6d4d00;--deny:#161b22;"
	"background:#0d1117}}";

/* ---- text ---- */

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* At most MOST characters of TEXT. */
static void add_cut(const char *text, size_t most, struct buf *out)
{
	CLEANUP_BUF struct buf cut = BUF_INIT;
	bool whole = characters(text) <= most;
	size_t n = 0;

	for (; *text; text++) {
		n += (*text & 0xc0) != 0x80;
		if (!whole && n == most)
			break;
		buf_char(&cut, *text);
	}
	if (!whole)
		buf_str(&cut, "\xe2\x80\xa6");
	graph_escape(buf_text(&cut), out);
}

static size_t longest_name(const json_t *const *ends, size_t n)
{
	size_t longest = 4;

	for (size_t i = 0; i < n; i++) {
		size_t len = characters(output_text(ends[i], "name"));

		longest = len > longest ? len : longest;
	}
	return longest > NAME_LENGTH ? NAME_LENGTH : longest;
}

static size_t longest_text(const struct graph_view *v)
{
	size_t longest = 4;

	for (size_t i = 0; i < v->nrows * v->ncolumns; i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;
		size_t len;

		graph_cell_short(v->cells[i], &text);
		len = characters(buf_text(&text));
		longest = len > longest ? len : longest;
	}
	return longest > TEXT_MAX ? TEXT_MAX : longest;
}

/* ---- parts of the picture ---- */

static void lay_out(struct picture *p, const struct graph_view *v)
{
	p->v = v;
	p->few = v->ncolumns <= FEW;
	p->left = 12 + (double)longest_name(v->rows, v->nrows) * CHARACTER + 8;
	p->top = 12 + (double)longest_name(v->columns, v->ncolumns) * CHARACTER + 8;
	p->cell_width = p->few ? (double)longest_text(v) * CHARACTER + 10 : SMALL;
	p->cell_height = p->few ? HEIGHT : SMALL;
}

static void add_title(const json_t *from, const json_t *to, const json_t *cell, struct buf *out)
{
	CLEANUP_BUF struct buf detail = BUF_INIT;

	graph_cell_detail(cell, &detail);
	buf_str(out, "<title>");
	graph_escape(output_text(from, "name"), out);
	buf_str(out, " \xe2\x86\x92 ");
	graph_escape(output_text(to, "name"), out);
	buf_str(out, "&#10;");
	graph_escape(detail.len ? buf_text(&detail) : "nothing to be judged", out);
	buf_str(out, "</title>");
}

#define BAR 3 /* px: below what was seen to pass, beside what was seen to be refused */

static void add_bars(double x, double y, double width, double height, unsigned traffic,
		     struct buf *out)
{
	if (traffic & GRAPH_SEEN)
		buf_printf(out,
			   "<rect class=\"seen\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			   "height=\"%d\"/>",
			   x + 1, y + height - BAR - 1, width - 2, BAR);
	if (traffic & GRAPH_TRIED)
		buf_printf(out,
			   "<rect class=\"tried\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" "
			   "height=\"%.1f\"/>",
			   x + 1, y + 1, BAR, height - 2);
}

static void add_cell(const struct picture *p, size_t r, size_t c, struct buf *out)
{
	const json_t *cell = graph_cell(p->v, r, c);
	const char *kind = graph_cell_kind(cell);
	double x = p->left + (double)c * p->cell_width, y = p->top + (double)r * p->cell_height;
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (p->few)
		graph_cell_short(cell, &text);
	else
		buf_str(&text, graph_cell_symbol(cell));
	buf_str(out, "<g>");
	add_title(p->v->rows[r], p->v->columns[c], cell, out);
	buf_printf(out,
		   "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s%s\"/>", x,
		   y, p->cell_width, p->cell_height, kind,
		   graph_cell_is_apart(cell) ? " apart" : "");
	add_bars(x, y, p->cell_width, p->cell_height, graph_cell_traffic(cell), out);
	if (text.len) {
		buf_printf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">", x + p->cell_width / 2,
			   y + p->cell_height / 2 + 4);
		add_cut(buf_text(&text), p->few ? TEXT_MAX : 1, out);
		buf_str(out, "</text>");
	}
	buf_str(out, "</g>\n");
}

static void add_headers(const struct picture *p, struct buf *out)
{
	for (size_t r = 0; r < p->v->nrows; r++) {
		buf_printf(out, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">", p->left - 6,
			   p->top + ((double)r + 0.5) * p->cell_height + 4);
		add_cut(output_text(p->v->rows[r], "name"), NAME_LENGTH, out);
		buf_str(out, "</text>\n");
	}
	for (size_t c = 0; c < p->v->ncolumns; c++) {
		double x = p->left + ((double)c + 0.5) * p->cell_width + 4;

		buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" transform=\"rotate(-90 %.1f %.1f)\">",
			   x, p->top - 6, x, p->top - 6);
		add_cut(output_text(p->v->columns[c], "name"), NAME_LENGTH, out);
		buf_str(out, "</text>\n");
	}
}

static void add_legend(const struct picture *p, struct buf *out)
{
	static const struct {
		const char *kind, *symbol, *text;
	} entries[] = {
		{"allow", "\xe2\x97\x8f", "allowed"},
		{"ports", "\xe2\x97\x90", "allowed on some ports"},
		{"mixed", "\xe2\x97\x87", "* for some addresses or containers only"},
		{"audit", "\xe2\x97\x8b", "? audit: passes, is logged"},
		{"deny", "-", "refused"},
		{"deny apart", "", "( ) no network in common;  # within a limit"},
	};
	static const char *const bars[] = {"+ seen to pass", "! seen to be refused"};
	double y = p->top + (double)p->v->nrows * p->cell_height + 16;

	for (size_t i = 0; i < 2 && graph_has_traffic(p->v); i++, y += LEGEND) {
		add_bars(12, y, SMALL, 16, i ? GRAPH_TRIED : GRAPH_SEEN, out);
		buf_printf(out, "<text x=\"40\" y=\"%.1f\">%s</text>\n", y + 12, bars[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++, y += LEGEND)
		buf_printf(out,
			   "<rect x=\"12\" y=\"%.1f\" width=\"%d\" height=\"16\" class=\"%s\"/>"
			   "<text class=\"mid\" x=\"22\" y=\"%.1f\">%s</text>"
			   "<text x=\"40\" y=\"%.1f\">%s</text>\n",
			   y, SMALL, entries[i].kind, y + 12, p->few ? "" : entries[i].symbol,
			   y + 12, entries[i].text);
}

void graph_svg(const struct graph_view *v, struct buf *out)
{
	struct picture p;
	double width, height;

	lay_out(&p, v);
	width = p.left + (double)v->ncolumns * p.cell_width + 12;
	height = p.top + (double)v->nrows * p.cell_height + 16 + 8 * LEGEND + 8;
	width = width < 420 ? 420 : width;
	buf_printf(
		out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg "
		"xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 "
		"%.0f %.0f\" role=\"img\" aria-label=\"Who may reach whom\">\n<style>%s</style>\n"
		"<rect class=\"back\" width=\"100%%\" height=\"100%%\"/>\n"
		"<text x=\"12\" y=\"20\">from \xe2\x86\x93 to \xe2\x86\x92</text>\n",
		width, height, width, height, style);
	add_headers(&p, out);
	for (size_t r = 0; r < v->nrows; r++)
		for (size_t c = 0; c < v->ncolumns; c++)
			add_cell(&p, r, c, out);
	add_legend(&p, out);
	buf_str(out, "</svg>\n");
}
