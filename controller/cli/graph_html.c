#include "graph.h"

#include <string.h>

#include "quaywall/mem.h"
#include "output.h"

#define FEW 14 /* columns whose cells have text */

static void add_tag(const char *tag, const char *text, struct buf *out)
{
	buf_printf(out, "<%s>", tag);
	graph_escape(text, out);
	buf_printf(out, "</%.*s>", (int)strcspn(tag, " "), tag);
}

static void add_attribute(const char *name, const char *text, struct buf *out)
{
	buf_printf(out, " %s=\"", name);
	graph_escape(text, out);
	buf_char(out, '"');
}

/* ---- the head ---- */

static void add_head(struct buf *out)
{
	buf_printf(out,
		   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		   "style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action "
		   "'none'\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		   "<meta name=\"color-scheme\" content=\"light dark\">\n"
		   "<meta name=\"referrer\" content=\"no-referrer\">\n"
		   "<link rel=\"icon\" href=\"data:,\">\n"
		   "<title>Who may reach whom - quaywall</title>\n<style>%s</style>\n</head>\n",
		   graph_css_sum, graph_js_sum, graph_css);
}

static void add_controls(const struct graph_view *v, struct buf *out)
{
	const char *traffic = "<option value=\"seen\">what was seen to pass</option>"
			      "<option value=\"unseen\">what passes and was never seen</option>"
			      "<option value=\"tried\">what was seen to be refused</option>";

	buf_printf(out,
		   "<form id=\"controls\" hidden>\n"
		   "<label>Filter <input id=\"filter\" type=\"search\" "
		   "placeholder=\"part of a name\" autocomplete=\"off\"></label>\n"
		   "<label>Show <select id=\"show\"><option value=\"\">everything</option>"
		   "<option value=\"passes\">what passes</option>"
		   "<option value=\"refused\">what is refused</option>"
		   "<option value=\"audit\">what audit logs</option>%s</select></label>\n"
		   "<label>Order <select id=\"order\"><option value=\"given\">as given</option>"
		   "<option value=\"name\">by name</option>"
		   "<option value=\"reach\">who reaches most</option></select></label>\n"
		   "<button type=\"reset\">Reset</button>\n</form>\n",
		   graph_has_traffic(v) ? traffic : "");
}

/* ---- the matrix ---- */

static void add_containers(const json_t *end, struct buf *out)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const json_t *name;
	size_t i;

	buf_str(&text, output_text(end, "name"));
	json_array_foreach(json_object_get(end, "containers"), i, name)
		buf_printf(&text, "%s%s", i ? ", " : ": ",
			   json_is_string(name) ? json_string_value(name) : "?");
	if (!strcmp(output_text(end, "kind"), "published"))
		buf_str(&text, ": the world, by ports that the host publishes");
	if (!strcmp(output_text(end, "kind"), "world"))
		buf_str(&text, ": every address outside, straight to a container's own");
	add_attribute("title", buf_text(&text), out);
}

static void add_columns(const struct graph_view *v, struct buf *out)
{
	buf_str(out, "<thead>\n<tr><td>from \xe2\x86\x93 to \xe2\x86\x92</td>");
	for (size_t c = 0; c < v->ncolumns; c++) {
		buf_str(out, "<th scope=\"col\"");
		add_containers(v->columns[c], out);
		buf_char(out, '>');
		add_tag("span", output_text(v->columns[c], "name"), out);
		buf_str(out, "</th>");
	}
	buf_str(out, "</tr>\n</thead>\n");
}

static void add_cell(const struct graph_view *v, const json_t *cell, struct buf *out)
{
	CLEANUP_BUF struct buf text = BUF_INIT, detail = BUF_INIT;
	unsigned traffic = graph_cell_traffic(cell);

	graph_cell_short(cell, &text);
	graph_cell_detail(cell, &detail);
	buf_printf(out, "<td class=\"%s%s%s%s\"", graph_cell_kind(cell),
		   graph_cell_is_apart(cell) ? " apart" : "", traffic & GRAPH_SEEN ? " seen" : "",
		   traffic & GRAPH_TRIED ? " tried" : "");
	if (detail.len)
		add_attribute("title", buf_text(&detail), out);
	if (v->ncolumns > FEW && text.len) {
		add_attribute("data-text", buf_text(&text), out);
		buf_printf(out, ">%s</td>", graph_cell_symbol(cell));
		return;
	}
	buf_char(out, '>');
	graph_escape(buf_text(&text), out);
	buf_str(out, "</td>");
}

static void add_matrix(const struct graph_view *v, struct buf *out)
{
	buf_printf(
		out,
		"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix\">\n<table "
		"id=\"matrix\" class=\"%s\">\n<caption>Rows send, columns receive.</caption>\n",
		v->ncolumns > FEW ? "many" : "few");
	add_columns(v, out);
	buf_str(out, "<tbody>\n");
	for (size_t r = 0; r < v->nrows; r++) {
		buf_str(out, "<tr><th scope=\"row\"");
		add_containers(v->rows[r], out);
		buf_char(out, '>');
		add_tag("span", output_text(v->rows[r], "name"), out);
		buf_str(out, "</th>");
		for (size_t c = 0; c < v->ncolumns; c++)
			add_cell(v, graph_cell(v, r, c), out);
		buf_str(out, "</tr>\n");
	}
	buf_str(out, "</tbody>\n</table>\n</div>\n");
}

/* ---- the list ---- */

static void add_line(const struct graph_view *v, size_t r, size_t c, struct buf *out)
{
	const json_t *cell = graph_cell(v, r, c);
	CLEANUP_BUF struct buf text = BUF_INIT, detail = BUF_INIT;

	if (!graph_cell_passes(cell, true))
		return;
	graph_cell_short(cell, &text);
	graph_cell_detail(cell, &detail);
	buf_str(out, "<tr>");
	add_tag("td", output_text(v->rows[r], "name"), out);
	add_tag("td", output_text(v->columns[c], "name"), out);
	add_tag("td", buf_text(&text), out);
	add_tag("td class=\"why\"", buf_text(&detail), out);
	buf_str(out, "</tr>\n");
}

static void add_list(const struct graph_view *v, struct buf *out)
{
	buf_str(out, "<details>\n<summary>What passes, as a list</summary>\n<div class=\"scroll\" "
		     "tabindex=\"0\" role=\"region\" aria-label=\"List\">\n<table id=\"list\">\n"
		     "<caption>What is not named here is refused.</caption>\n<thead><tr>"
		     "<th scope=\"col\">From</th><th scope=\"col\">To</th>"
		     "<th scope=\"col\">Ports</th><th scope=\"col\">Why</th></tr></thead>\n"
		     "<tbody>\n");
	for (size_t r = 0; r < v->nrows; r++)
		for (size_t c = 0; c < v->ncolumns; c++)
			add_line(v, r, c, out);
	buf_str(out, "</tbody>\n</table>\n</div>\n</details>\n");
}

static void add_legend(const struct graph_view *v, struct buf *out)
{
	static const struct {
		const char *kind, *symbol, *sample, *text;
	} entries[] = {
		{"allow", "\xe2\x97\x8f", "all", "allowed"},
		{"ports", "\xe2\x97\x90", "5432",
		 "allowed on these ports alone; TCP, unless it says otherwise"},
		{"mixed", "\xe2\x97\x87", "*", "for some addresses or containers, not for others"},
		{"audit", "\xe2\x97\x8b", "?", "audit: passes, and is logged"},
		{"deny", "\xc2\xb7", "-", "refused"},
		{"ports", "#", "#", "within a limit"},
		{"ports apart", "( )", "( )",
		 "no network in common: the engine itself keeps them apart"},
		{"seen", "+", "+", "was seen to pass"},
		{"tried", "!", "!", "was seen to be refused"},
	};
	size_t n = ARRAY_SIZE(entries) - (graph_has_traffic(v) ? 0 : 2);

	buf_str(out, "<ul class=\"legend\">\n");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "<li><span class=\"key %s\">%s</span> %s</li>\n", entries[i].kind,
			   v->ncolumns > FEW ? entries[i].symbol : entries[i].sample,
			   entries[i].text);
	buf_str(out, "</ul>\n");
}

void graph_html(const struct graph_view *v, struct buf *out)
{
	add_head(out);
	buf_str(out,
		"<body>\n<h1>Who may reach whom</h1>\n<p>By quaywall's policies. Rest on a cell, or "
		"choose it, to see why. World: what comes from outside straight to a container's "
		"address, or goes there; published: what comes by a port that the host "
		"publishes.</p>\n");
	add_controls(v, out);
	add_matrix(v, out);
	buf_str(out, "<p id=\"detail\" aria-live=\"polite\"></p>\n");
	add_legend(v, out);
	add_list(v, out);
	buf_printf(out, "<script>%s</script>\n</body>\n</html>\n", graph_js);
}
