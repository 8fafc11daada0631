#include "daemon.h"

#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "notify.h"

static json_t *refusal(enum reconcile_exit code, const char *text)
{
	return json_pack("{s:i, s:o}", "exit", code, "error", reconcile_json_text(text));
}

static json_t *result(enum reconcile_exit code, json_t *value)
{
	return json_pack("{s:i, s:o}", "exit", code, "result", value);
}

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

static json_t *request_status(struct daemon *d, const json_t *request)
{
	bool fine;

	(void)request;
	/* As it is now, not as it was a minute ago. */
	daemon_bridge_filter(d);
	fine = daemon_is_fine(d);
	return result(fine ? QUAYWALL_FINE : QUAYWALL_FINDINGS, daemon_status(d));
}

static json_t *request_explain(struct daemon *d, const json_t *request)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct explain_query q = {
		.from = text_of(request, "from"),
		.to = text_of(request, "to"),
		.port = text_of(request, "port"),
	};
	json_t *answer = NULL;

	if (!q.from || !q.to)
		return refusal(QUAYWALL_USAGE, "explain needs \"from\" and \"to\"");
	if (!d->world.compiled || d->skeleton)
		return refusal(QUAYWALL_UNREACHABLE, "the engine has not been listed yet");
	if (reconcile_explain(d->world.compiled, d->world.model, &q, &answer, &err) < 0)
		return refusal(QUAYWALL_USAGE, error_text(&err));
	return result(strcmp(text_of(answer, "verdict"), "allow") ? QUAYWALL_FINDINGS
								  : QUAYWALL_FINE,
		      answer);
}

static json_t *request_graph(struct daemon *d, const json_t *request)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct graph_query q = {
		.from = text_of(request, "from"),
		.to = text_of(request, "to"),
	};
	json_t *answer = NULL;

	if (!d->world.compiled || d->skeleton)
		return refusal(QUAYWALL_UNREACHABLE, "the engine has not been listed yet");
	if (reconcile_graph(d->world.compiled, d->world.model, &q, &answer, &err) < 0)
		return refusal(QUAYWALL_USAGE, error_text(&err));
	reconcile_graph_traffic(answer, d->world.compiled, d->learning.table);
	return result(QUAYWALL_FINE, answer);
}

bool daemon_request_prepared(void *data, const json_t *request, struct buf *answer)
{
	struct daemon *d = data;
	const char *verb = text_of(request, "verb");

	if (!verb || strcmp(verb, "check") != 0 || !d->world.compiled || d->skeleton)
		return false;
	buf_printf(answer, "{\"exit\":%d,\"result\":", QUAYWALL_FINE);
	daemon_check_answer(d, answer);
	buf_char(answer, '}');
	return true;
}

/* Once there is something to tell, it is prepared. */
static json_t *request_check(struct daemon *d, const json_t *request)
{
	(void)d;
	(void)request;
	return refusal(QUAYWALL_UNREACHABLE, "the engine has not been listed yet");
}

/* Of who asks, and of what conntrack knows. */
static json_t *warnings_json(struct daemon *d, const json_t *request)
{
	struct reconcile_session own;
	bool known = reconcile_session_parse(text_of(request, "session"), &own);

	if (!d->world.compiled || d->skeleton)
		return json_array();
	return reconcile_session_warnings(d->world.compiled, d->world.model, d->flows,
					  known ? &own : NULL);
}

static json_t *problems_json(const struct policy_problems *p)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	policy_problems_print(p, &text);
	return reconcile_json_text(buf_text(&text));
}

/* The seconds of a trial; 0: none is asked for. */
static bool take_confirm(const json_t *request, unsigned *ret)
{
	const json_t *confirm = json_object_get(request, "confirm");
	json_int_t seconds = json_integer_value(confirm);

	if (confirm &&
	    (!json_is_integer(confirm) || seconds < 1 || seconds > RECONCILE_CONFIRM_MAX))
		return false;
	*ret = (unsigned)seconds;
	return true;
}

static json_t *reload_json(const struct daemon *d, bool good)
{
	return json_pack("{s:b, s:o, s:I, s:o}", "loaded", good, "problems",
			 problems_json(&d->problems), "documents",
			 (json_int_t)(d->world.policies ? d->world.policies->ndocuments : 0),
			 "confirm", daemon_trial_json(d));
}

static json_t *request_reload(struct daemon *d, const json_t *request)
{
	unsigned long failures = d->failures;
	json_t *answer;
	unsigned trial_s;
	bool good;

	if (!take_confirm(request, &trial_s))
		return refusal(QUAYWALL_USAGE,
			       "\"confirm\" is no number of seconds (at most a week)");
	notify_reloading();
	good = daemon_reload(d, trial_s);
	notify_send("READY=1\nSTATUS=%s", d->load_error ? d->load_error : "enforcing");
	if (!good && !policy_problems_errors(&d->problems))
		return refusal(d->failures > failures ? QUAYWALL_UNREACHABLE : QUAYWALL_USAGE,
			       d->load_error);
	answer = reload_json(d, good);
	json_object_set_new(answer, "warnings", good ? warnings_json(d, request) : json_array());
	return result(good ? QUAYWALL_FINE : QUAYWALL_USAGE, answer);
}

static json_t *request_confirm(struct daemon *d, const json_t *request)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	enum reconcile_exit code = daemon_confirm(d, &err);

	(void)request;
	if (code != QUAYWALL_FINE)
		return refusal(code, error_text(&err));
	return result(QUAYWALL_FINE, json_pack("{s:b, s:I, s:o}", "confirmed", 1, "documents",
					       (json_int_t)d->world.policies->ndocuments, "error",
					       reconcile_json_text(d->trial_error)));
}

static json_t *request_flush(struct daemon *d, const json_t *request)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)request;
	if (daemon_flush(d, &err) < 0)
		return refusal(QUAYWALL_UNREACHABLE, error_text(&err));
	return result(QUAYWALL_FINE, json_pack("{s:b}", "flushed", 1));
}

/* What the kernel would have to be told now to hold what is wanted: only drift can show here. */
static json_t *request_plan(struct daemon *d, const json_t *request)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *plan;
	bool changes;

	if (!d->world.compiled)
		return refusal(QUAYWALL_UNREACHABLE, "the engine has not been listed yet");
	if (kernel_read(&d->kernel, &err) < 0)
		return refusal(QUAYWALL_UNREACHABLE, error_text(&err));
	plan = reconcile_plan(d->world.compiled, d->kernel.applied, d->kernel.bridge);
	changes = json_integer_value(json_object_get(plan, "changes")) > 0;
	if (!changes)
		kernel_forget(&d->kernel);
	json_object_set_new(plan, "warnings", warnings_json(d, request));
	return result(changes ? QUAYWALL_FINDINGS : QUAYWALL_FINE, plan);
}

/* A stream, which the control room begins before it asks here, unless there are too many. */
static json_t *request_watch(struct daemon *d, const json_t *request)
{
	(void)d;
	(void)request;
	return refusal(QUAYWALL_UNREACHABLE, "too many watch already");
}

static json_t *request_learn(struct daemon *d, const json_t *request)
{
	(void)request;
	if (!d->learning.table || !d->world.model || d->skeleton)
		return refusal(QUAYWALL_UNREACHABLE, "the engine has not been listed yet");
	return result(QUAYWALL_FINE, daemon_learn_answer(d));
}

static json_t *request_learn_for(struct daemon *d, const json_t *request)
{
	const json_t *seconds = json_object_get(request, "seconds");
	json_int_t n = json_integer_value(seconds);

	if (!json_is_integer(seconds) || n < 1 || n > RECONCILE_LEARN_MAX)
		return refusal(QUAYWALL_USAGE,
			       "\"seconds\" is no number of seconds (at most 30 days)");
	if (d->world.settings && d->world.settings->flows == FLOWS_NEVER)
		return refusal(QUAYWALL_USAGE,
			       "the settings say `flows: never`, so nothing that passes is seen");
	daemon_learn_for(d, (unsigned)n);
	return result(QUAYWALL_FINE, daemon_learn_json(d));
}

static json_t *request_learn_forget(struct daemon *d, const json_t *request)
{
	(void)request;
	daemon_learn_forget(d);
	return result(QUAYWALL_FINE, daemon_learn_json(d));
}

static const struct request {
	const char *verb;
	bool for_root; /* it changes something */
	json_t *(*serve)(struct daemon *d, const json_t *request);
} requests[] = {
	{"status", false, request_status},	{"explain", false, request_explain},
	{"graph", false, request_graph},	{"check", false, request_check},
	{"plan", false, request_plan},		{"reload", true, request_reload},
	{"confirm", true, request_confirm},	{"flush", true, request_flush},
	{"watch", false, request_watch},	{"learn", false, request_learn},
	{"learn-for", true, request_learn_for}, {"learn-forget", true, request_learn_forget},
};

json_t *daemon_request(void *data, const json_t *request, uid_t uid)
{
	struct daemon *d = data;
	const char *verb = text_of(request, "verb");
	char who[16];

	for (size_t i = 0; verb && i < ARRAY_SIZE(requests); i++) {
		if (strcmp(requests[i].verb, verb))
			continue;
		snprintf(who, sizeof(who), "%u", uid);
		if (requests[i].for_root && uid != 0)
			return refusal(QUAYWALL_UNREACHABLE, "only root may do that");
		if (requests[i].for_root)
			log_line(LOG_LEVEL_INFO, "asked by the control socket", "verb", verb, "uid",
				 who, NULL);
		return requests[i].serve(d, request);
	}
	return refusal(QUAYWALL_USAGE, "unknown verb");
}
