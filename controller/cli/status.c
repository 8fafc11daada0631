#include "verbs.h"

#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/check.h"
#include "quaywall/mem.h"
#include "call.h"
#include "output.h"

static const json_t *part(const json_t *status, const char *key)
{
	return json_object_get(status, key);
}

/* "a, b", or NONE for an empty list. */
static void add_list(struct buf *out, const json_t *list, const char *none)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
		buf_printf(out, "%s%s", i ? ", " : "", json_string_value(item));
	if (!json_array_size(list))
		buf_str(out, none);
}

static const char *plural(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key)) == 1 ? "" : "s";
}

/* ---- the head ---- */

static const char *state_sentence(const char *state)
{
	static const char *const sentences[][2] = {
		{"enforcing", "enforcing"},
		{"skeleton", "the engine is away: all its bridges are closed to what is unknown"},
		{"kept", "the engine is away: the rules of the last run stay"},
		{"no-policies", "no policies in force: the rules of the last run stay"},
		{"failing", "the kernel refuses the rules that are wanted, the old ones stay"},
		{"flushed", "flushed: nothing is enforced until 'quaywall reload'"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
		if (!strcmp(sentences[i][0], state))
			return sentences[i][1];
	return state;
}

static void add_engine(struct buf *out, const json_t *e)
{
	buf_printf(out, "engine      %s", output_text(e, "state"));
	if (*output_text(e, "version"))
		buf_printf(out, ", %s %s (API %s), %s container%s", output_text(e, "name"),
			   output_text(e, "version"), output_text(e, "api_version"),
			   output_text(e, "containers"), plural(e, "containers"));
	buf_printf(out, ", %s\n", output_text(e, "url"));
	buf_printf(out, "            %s event%s, %s listing%s repaired, %s stream%s lost\n",
		   output_text(e, "events"), plural(e, "events"), output_text(e, "repaired"),
		   plural(e, "repaired"), output_text(e, "lost"), plural(e, "lost"));
	if (*output_text(e, "error"))
		buf_printf(out, "            error: %s\n", output_text(e, "error"));
}

static void add_lines(struct buf *out, const json_t *list)
{
	size_t i;
	json_t *line;

	json_array_foreach(list, i, line)
		buf_printf(out, "            %s\n", json_string_value(line));
}

static void add_policies(struct buf *out, const json_t *p)
{
	size_t documents = json_array_size(part(p, "documents"));
	size_t files = json_array_size(part(p, "files"));

	buf_printf(out, "policies    %zu polic%s in %zu file%s of %s, mode %s", documents,
		   documents == 1 ? "y" : "ies", files, files == 1 ? "" : "s",
		   output_text(p, "directory"), output_text(p, "mode"));
	if (*output_text(p, "loaded"))
		buf_printf(out, ", loaded %s", output_text(p, "loaded"));
	buf_char(out, '\n');
	if (*output_text(p, "error"))
		buf_printf(out, "            last load refused: %s\n", output_text(p, "error"));
	if (*output_text(p, "not_in_force"))
		buf_printf(out, "            ATTENTION: %s\n", output_text(p, "not_in_force"));
	add_lines(out, part(p, "errors"));
	add_lines(out, part(p, "warnings"));
}

static void add_trial(struct buf *out, const json_t *t)
{
	const char *state = output_text(t, "state");
	bool nothing = !strcmp(output_text(t, "before"), "nothing");

	if (!strcmp(state, "pending"))
		buf_printf(out,
			   "on trial    until %s (%s s): then %s, unless 'quaywall confirm' comes "
			   "before\n",
			   output_text(t, "until"), output_text(t, "seconds_left"),
			   nothing ? "nothing is enforced" : "the policies before return");
	if (!strcmp(state, "over"))
		buf_printf(out, "on trial    over since %s: %s\n", output_text(t, "since"),
			   nothing ? "nothing is enforced" : "the policies before are in force");
	if (*output_text(t, "error"))
		buf_printf(out, "            not kept for a restart: %s\n",
			   output_text(t, "error"));
}

/* What other programs did to the tables. */
static void add_repairs(struct buf *out, const json_t *k)
{
	const json_t *last = part(k, "last_drift");

	buf_printf(out, "            repaired %s time%s", output_text(k, "drift"),
		   plural(k, "drift"));
	if (json_is_object(last)) {
		buf_printf(out, ", last by %s",
			   *output_text(last, "process") ? output_text(last, "process")
							 : "an unknown process");
		if (*output_text(last, "pid"))
			buf_printf(out, " (pid %s)", output_text(last, "pid"));
		buf_printf(out, " at %s, within %.1f ms", output_text(last, "at"),
			   json_number_value(part(last, "restored_ms")));
	}
	buf_char(out, '\n');
}

static void add_kernel(struct buf *out, const json_t *k)
{
	buf_printf(out, "kernel      table %s %s, owner flags %s\n", output_text(k, "table"),
		   json_is_true(part(k, "present")) ? "stands" : "is absent",
		   json_is_true(part(k, "owner")) ? "in force"
						  : "not in force (foreign changes are undone)");
	buf_printf(out, "            table bridge quaywall %s\n",
		   json_is_true(part(k, "bridge_table")) ? "stands" : "is absent");
	buf_printf(out, "            %s transaction%s, %s refused, flows cut %s",
		   output_text(k, "transactions"), plural(k, "transactions"),
		   output_text(k, "failures"), output_text(k, "flows_cut"));
	if (*output_text(k, "applied"))
		buf_printf(out, ", last change %s", output_text(k, "applied"));
	buf_char(out, '\n');
	add_repairs(out, k);
	if (*output_text(k, "error"))
		buf_printf(out, "            error: %s\n", output_text(k, "error"));
}

static void add_bridge_filter(struct buf *out, const json_t *f)
{
	buf_printf(out, "bridges     br_netfilter IPv4 %s, IPv6 %s, %s\n", output_text(f, "ipv4"),
		   output_text(f, "ipv6"),
		   json_is_true(part(f, "needed")) ? "needed" : "not needed");
}

static void add_log(struct buf *out, const json_t *l)
{
	const char *group = output_text(l, "group"), *error = output_text(l, "error");

	buf_printf(out, "log         %s%s, %s packet%s told", *group ? "group " : "no group", group,
		   output_text(l, "packets"), plural(l, "packets"));
	if (json_integer_value(part(l, "left_out")))
		buf_printf(out, ", %s left out by the rate", output_text(l, "left_out"));
	if (json_integer_value(part(l, "lost")))
		buf_printf(out, ", %s lost", output_text(l, "lost"));
	buf_char(out, '\n');
	if (*error)
		buf_printf(out, "            error: %s\n", error);
}

static void add_learned(struct buf *out, const json_t *l)
{
	const char *until = output_text(l, "until"), *error = output_text(l, "error");

	buf_printf(out, "learned     %s kind%s of flows since %s", output_text(l, "pairs"),
		   plural(l, "pairs"), output_text(l, "since"));
	if (*until)
		buf_printf(out, ", all that passes until %s", until);
	if (json_integer_value(part(l, "left_out")))
		buf_printf(out, ", no room for %s flow%s", output_text(l, "left_out"),
			   plural(l, "left_out"));
	buf_char(out, '\n');
	if (*error)
		buf_printf(out, "            error: %s\n", error);
}

static void add_output(struct buf *out, const json_t *o)
{
	if (!strcmp(output_text(o, "to"), "none"))
		return;
	buf_printf(out, "output      %s %s (%s), %s line%s, %s lost\n", output_text(o, "to"),
		   output_text(o, "path"), output_text(o, "what"), output_text(o, "lines"),
		   plural(o, "lines"), output_text(o, "lost"));
	if (*output_text(o, "error"))
		buf_printf(out, "            error: %s\n", output_text(o, "error"));
}

static void add_metrics(struct buf *out, const json_t *m)
{
	const char *listen = output_text(m, "listen"), *error = output_text(m, "error");

	if (*listen)
		buf_printf(out, "metrics     %s, asked %s times\n", listen,
			   output_text(m, "scrapes"));
	if (*error)
		buf_printf(out, "%s error: %s\n", *listen ? "           " : "metrics    ", error);
}

static json_int_t sum_of(const json_t *counts)
{
	json_int_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)counts, key, value)
		sum += json_integer_value(value);
	return sum;
}

static void add_webhook(struct buf *out, const json_t *w)
{
	if (!json_is_object(w))
		return;
	buf_printf(out, "            webhook %s: %s sent, %s waiting, %s dropped\n",
		   output_text(w, "to"), output_text(w, "sent"), output_text(w, "waiting"),
		   output_text(w, "dropped"));
	if (*output_text(w, "error"))
		buf_printf(out, "            error: %s\n", output_text(w, "error"));
}

static void add_alerts(struct buf *out, const json_t *a)
{
	json_int_t raised = sum_of(part(a, "raised"));
	const char *new_flows = output_text(a, "new_flows");
	size_t i;
	json_t *alert;

	buf_printf(out, "alerts      %lld raised", (long long)raised);
	if (json_integer_value(part(a, "suppressed")))
		buf_printf(out, ", %s kept back", output_text(a, "suppressed"));
	if (strcmp(new_flows, "off"))
		buf_printf(out, ", new flows: %s", new_flows);
	buf_char(out, '\n');
	json_array_foreach(part(a, "last"), i, alert)
		buf_printf(out, "            %s %s\n", output_text(alert, "time"),
			   output_text(alert, "text"));
	add_webhook(out, part(a, "webhook"));
}

static void add_sandbox(struct buf *out, const json_t *s)
{
	size_t i, n = 0;
	const char *part;
	json_t *value;

	buf_str(out, "confined    ");
	json_object_foreach((json_t *)s, part, value)
		if (json_is_true(value))
			buf_printf(out, "%s%s", n++ ? ", " : "", part);
	buf_str(out, n ? "\n" : "not at all\n");
	json_array_foreach(json_object_get(s, "missing"), i, value)
		buf_printf(out, "            NOT in force: %s: %s\n", output_text(value, "part"),
			   output_text(value, "why"));
}

/* ---- the lists ---- */

static void add_table(struct buf *out, const char *title, const struct output_table *t)
{
	buf_printf(out, "\n%s%s\n", title, t->len ? "" : ": none");
	output_table_print(t, out);
}

static void add_documents(struct buf *out, const json_t *list)
{
	CLEANUP_TABLE struct output_table t = {.columns = 4};
	size_t i;
	json_t *d;

	json_array_foreach(list, i, d) {
		CLEANUP_BUF struct buf where = BUF_INIT, isolates = BUF_INIT;

		buf_printf(&where, "%s:%s", output_text(d, "file"), output_text(d, "line"));
		buf_str(&isolates, "isolates ");
		add_list(&isolates, part(d, "isolate"), "nothing");
		output_row(&t, (const char *[]) {output_text(d, "name"), output_text(d, "mode"),
						 buf_text(&isolates), buf_text(&where)});
	}
	add_table(out, "policies", &t);
}

static void add_networks(struct buf *out, const json_t *list)
{
	CLEANUP_TABLE struct output_table t = {.columns = 4};
	size_t i;
	json_t *n;

	json_array_foreach(list, i, n) {
		CLEANUP_BUF struct buf subnets = BUF_INIT, endpoints = BUF_INIT;
		const char *bridge = output_text(n, "bridge");

		if (!json_is_true(part(n, "managed")))
			continue;
		add_list(&subnets, part(n, "subnets"), "no subnet");
		buf_printf(&endpoints, "%s endpoint%s", output_text(n, "endpoints"),
			   plural(n, "endpoints"));
		output_row(&t, (const char *[]) {output_text(n, "name"), bridge, buf_text(&subnets),
						 buf_text(&endpoints)});
	}
	add_table(out, "networks", &t);
}

static void add_identities(struct buf *out, const json_t *list)
{
	CLEANUP_TABLE struct output_table t = {.columns = 4};
	size_t i;
	json_t *id;

	json_array_foreach(list, i, id) {
		CLEANUP_BUF struct buf endpoints = BUF_INIT, isolated = BUF_INIT,
				       audited = BUF_INIT;

		buf_printf(&endpoints, "%s endpoint%s", output_text(id, "endpoints"),
			   plural(id, "endpoints"));
		buf_str(&isolated, "isolated: ");
		add_list(&isolated, part(id, "isolated"), "no");
		if (json_array_size(part(id, "audited"))) {
			buf_str(&audited, "audited: ");
			add_list(&audited, part(id, "audited"), "");
		}
		output_row(&t, (const char *[]) {output_text(id, "name"), buf_text(&endpoints),
						 buf_text(&isolated), buf_text(&audited)});
	}
	add_table(out, "identities", &t);
}

static void add_endpoints(struct buf *out, const json_t *list)
{
	CLEANUP_TABLE struct output_table t = {.columns = 5};
	size_t i;
	json_t *e;

	json_array_foreach(list, i, e)
		output_row(&t, (const char *[]) {output_text(e, "title"), output_text(e, "network"),
						 output_text(e, "addr4"), output_text(e, "addr6"),
						 output_text(e, "identity")});
	add_table(out, "endpoints", &t);
}

static void add_not_governed(struct buf *out, const json_t *list)
{
	size_t i;
	json_t *n;

	buf_printf(out, "\nnot governed%s\n", json_array_size(list) ? "" : ": nothing");
	json_array_foreach(list, i, n)
		buf_printf(out, "  %s: %s\n", output_text(n, "what"), output_text(n, "why"));
}

static void add_findings(struct buf *out, const json_t *f)
{
	const json_t *counts = part(f, "counts");
	bool some = false;

	if (!*output_text(f, "checked"))
		return;
	buf_str(out, "findings    ");
	for (int i = CHECK_SEVERITIES; i-- > 0;) {
		const char *name = check_severity_name((enum check_severity)i);

		if (!json_integer_value(part(counts, name)))
			continue;
		buf_printf(out, "%s%s %s", some ? ", " : "", output_text(counts, name), name);
		some = true;
	}
	buf_printf(out, "%s: 'quaywall check'\n", some ? "" : "none");
}

void status_print(const json_t *s, struct buf *out)
{
	buf_printf(out, "quaywall %s: %s (pid %s, since %s)\n", output_text(s, "version"),
		   state_sentence(output_text(s, "state")), output_text(s, "pid"),
		   output_text(s, "started"));
	add_engine(out, part(s, "engine"));
	add_policies(out, part(s, "policies"));
	add_trial(out, part(s, "confirm"));
	add_kernel(out, part(s, "kernel"));
	add_bridge_filter(out, part(s, "bridge_filter"));
	add_log(out, part(s, "log"));
	add_learned(out, part(s, "learned"));
	add_output(out, part(s, "output"));
	add_metrics(out, part(s, "metrics"));
	add_alerts(out, part(s, "alerts"));
	add_findings(out, part(s, "findings"));
	add_sandbox(out, part(s, "sandbox"));
	add_documents(out, part(part(s, "policies"), "documents"));
	add_networks(out, part(s, "networks"));
	add_identities(out, part(s, "identities"));
	add_endpoints(out, part(s, "endpoints"));
	add_not_governed(out, part(s, "not_governed"));
}

int verb_status(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *request = json_pack("{s:s}", "verb", "status");
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	int code = call_daemon(a, request, &answer, NULL, &err);

	if (!answer)
		return verb_fail(code, &err);
	if (a->json)
		output_json(answer);
	else
		status_print(answer, &out);
	fputs(buf_text(&out), stdout);
	return code;
}
