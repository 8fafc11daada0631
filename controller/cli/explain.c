#include "verbs.h"

#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "call.h"
#include "offline.h"
#include "output.h"

/* ---- the answer as text ---- */

/* "shop/web (shop-web-1) 172.18.0.3", "host", "203.0.113.9" */
static void add_end(struct buf *out, const json_t *end)
{
	const char *title = output_text(end, "title");
	const char *addr = output_text(end, "address");
	bool outside = !strcmp(output_text(end, "kind"), "outside");

	if (!outside || !*addr)
		buf_str(out, title);
	if ((!outside || !*addr) && *addr)
		buf_char(out, ' ');
	buf_str(out, addr);
}

static void add_consent(struct buf *out, const json_t *flow, const char *direction)
{
	const json_t *consent = json_object_get(flow, direction);

	buf_printf(out, "  %-8s %s\n", direction, output_text(consent, "text"));
}

static void add_flow(struct buf *out, const json_t *flow)
{
	const char *published = output_text(flow, "published");
	const char *note = output_text(flow, "note");

	add_end(out, json_object_get(flow, "from"));
	buf_str(out, " -> ");
	add_end(out, json_object_get(flow, "to"));
	buf_printf(out, "  %s", output_text(flow, "ports"));
	if (*published)
		buf_printf(out, " (published as %s)", published);
	buf_str(out, ": ");
	output_verdict(out, output_text(flow, "verdict"));
	buf_char(out, '\n');
	add_consent(out, flow, "egress");
	add_consent(out, flow, "ingress");
	buf_printf(out, "  %-8s %s\n", "path", output_text(json_object_get(flow, "path"), "text"));
	if (*note)
		buf_printf(out, "  %-8s %s\n", "note", note);
}

void explain_print(const json_t *answer, struct buf *out)
{
	size_t i;
	json_t *flow;

	json_array_foreach(json_object_get(answer, "flows"), i, flow)
		add_flow(out, flow);
}

/* ---- the question ---- */

static int ask_daemon(const struct arguments *a, const struct explain_query *q, json_t **ret,
		      struct error *err)
{
	CLEANUP_JSON json_t *request = json_pack(
		"{s:s, s:o, s:o, s:o}", "verb", "explain", "from", reconcile_json_text(q->from),
		"to", reconcile_json_text(q->to), "port", reconcile_json_text(q->port));

	return call_daemon(a, request, ret, NULL, err);
}

static int answer_here(const struct arguments *a, const struct explain_query *q, json_t **ret,
		       struct error *err)
{
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	int code = offline_world(&o, a, false, err);

	if (code != QUAYWALL_FINE)
		return code;
	if (reconcile_explain(o.compiled, o.model, q, ret, err) < 0)
		return QUAYWALL_USAGE;
	return strcmp(output_text(*ret, "verdict"), "allow") ? QUAYWALL_FINDINGS : QUAYWALL_FINE;
}

int verb_explain(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct explain_query q = {
		.from = a->operands[0],
		.to = a->operands[1],
		.port = a->noperands > 2 ? a->operands[2] : NULL,
	};
	bool here = a->snapshot || a->policies;
	int code = here ? answer_here(a, &q, &answer, &err) : ask_daemon(a, &q, &answer, &err);

	if (!answer)
		return verb_fail(code, &err);
	if (a->json)
		output_json(answer);
	else
		explain_print(answer, &out);
	fputs(buf_text(&out), stdout);
	return code;
}
