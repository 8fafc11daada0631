#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/learn.h"
#include "quaywall/mem.h"
#include "call.h"
#include "graph.h"
#include "offline.h"
#include "output.h"

static const struct format {
	const char *name;
	void (*render)(const struct graph_view *v, struct buf *out); /* NULL: JSON */
} formats[] = {
	{"text", graph_text}, {"dot", graph_dot}, {"svg", graph_svg},
	{"html", graph_html}, {"json", NULL},
};

static const struct format *find_format(const struct arguments *a, struct error *err)
{
	const char *name = a->format ? a->format : a->json ? "json" : "text";

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	error_set(err, -EINVAL,
		  "option '--format': '%s' is none (expected text, dot, svg, html or json)", name);
	return NULL;
}

static int ask_daemon(const struct arguments *a, json_t **ret, struct error *err)
{
	CLEANUP_JSON json_t *request =
		json_pack("{s:s, s:o, s:o}", "verb", "graph", "from", reconcile_json_text(a->from),
			  "to", reconcile_json_text(a->to));

	return call_daemon(a, request, ret, NULL, err);
}

#define TRAFFIC_MAX 65536 /* pairs: eight times what the daemon keeps */

static int read_traffic(const char *path, struct learn_table **ret, struct error *err)
{
	json_error_t where;
	CLEANUP_JSON json_t *document = json_load_file(path, 0, &where);
	int r;

	if (!document)
		return error_set(err, -EINVAL, "%s: %s", path, where.text);
	r = learn_table_read(document, TRAFFIC_MAX, ret, err);
	return r < 0 ? error_wrap(err, r, "%s", path) : 0;
}

static int answer_here(const struct arguments *a, json_t **ret, struct error *err)
{
	CLEANUP_LEARN_TABLE struct learn_table *traffic = NULL;
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	struct graph_query q = {.from = a->from, .to = a->to};
	int code;

	if (a->traffic && read_traffic(a->traffic, &traffic, err) < 0)
		return QUAYWALL_USAGE;
	code = offline_world(&o, a, false, err);
	if (code != QUAYWALL_FINE)
		return code;
	if (reconcile_graph(o.compiled, o.model, &q, ret, err) < 0)
		return QUAYWALL_USAGE;
	if (traffic)
		reconcile_graph_traffic(*ret, o.compiled, traffic);
	return QUAYWALL_FINE;
}

static int print(const json_t *answer, const struct format *format, struct error *err)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP_VIEW struct graph_view v;

	if (!graph_view_init(&v, answer)) {
		error_set(err, -EPROTO, "the daemon's answer is no graph");
		return QUAYWALL_UNREACHABLE;
	}
	if (format->render)
		format->render(&v, &out);
	else
		output_json(answer);
	fputs(buf_text(&out), stdout);
	return QUAYWALL_FINE;
}

int verb_graph(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	const struct format *format = find_format(a, &err);
	int code = QUAYWALL_USAGE;

	if (format)
		code = a->snapshot || a->policies || a->traffic ? answer_here(a, &answer, &err)
								: ask_daemon(a, &answer, &err);
	if (answer)
		code = print(answer, format, &err);
	return verb_fail(code, &err);
}
