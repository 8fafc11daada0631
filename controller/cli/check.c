#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"
#include "call.h"
#include "offline.h"
#include "output.h"
#include "verbs.h"

#define FAIL_NEVER CHECK_SEVERITIES
/* The daemon looks anew soon after something changed: its answer is to be of now. */
#define PATIENCE_MS    100
#define PATIENCE       150 /* the engine has a rest of 10 s between two questions */
#define PATIENCE_FIRST 600 /* as long as an engine may take that it asks first */

/* ---- what was asked for ---- */

bool check_is_wanted(const struct check_wish *w, const char *group, const char *id)
{
	return (!w->only || check_list_has(w->only, group, id)) &&
	       !(w->skip && check_list_has(w->skip, group, id));
}

enum check_severity check_severity_of(const json_t *finding)
{
	enum check_severity s = CHECK_CRITICAL;

	check_severity_parse(output_text(finding, "severity"), &s);
	return s;
}

bool check_is_suppressed(const json_t *finding)
{
	return json_is_string(json_object_get(finding, "suppressed"));
}

bool check_fails(const struct check_wish *w, const json_t *finding)
{
	return !check_is_suppressed(finding) && (int)check_severity_of(finding) >= w->fail_on;
}

/* A group of which single checks are asked for is one that could not be looked at, too. */
static bool is_gap_wanted(const struct check_wish *w, const json_t *gap)
{
	const json_t *checks = json_object_get(gap, "checks");
	const char *group = output_text(gap, "group");

	for (size_t i = 0; i < json_array_size(checks); i++)
		if (check_is_wanted(w, group, json_string_value(json_array_get(checks, i))))
			return true;
	if (json_array_size(checks))
		return false;
	if (w->skip && check_list_has(w->skip, group, NULL))
		return false;
	for (const char *item = w->only; item; item = strchr(item, ',')) {
		CLEANUP_FREE char *name = NULL;
		const struct check *check;

		item += *item == ',';
		name = mem_strndup(item, strcspn(item, ","));
		check = check_find(name);
		if (!strcmp(check ? check->group : name, group))
			return true;
	}
	return !w->only;
}

static void keep_gaps(json_t *answer, const struct check_wish *w)
{
	json_t *list = json_object_get(answer, "not_checked");

	for (size_t i = json_array_size(list); i-- > 0;)
		if (!is_gap_wanted(w, json_array_get(list, i)))
			json_array_remove(list, i);
}

static void keep_findings(json_t *answer, const struct check_wish *w)
{
	json_t *list = json_object_get(answer, "findings"), *counts = json_object();
	json_int_t n[CHECK_SEVERITIES] = {0}, suppressed = 0;

	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *f = json_array_get(list, i);

		if (!check_is_wanted(w, output_text(f, "group"), output_text(f, "id")))
			json_array_remove(list, i);
		else if (check_is_suppressed(f))
			suppressed++;
		else
			n[check_severity_of(f)]++;
	}
	for (int i = CHECK_SEVERITIES; i-- > 0;)
		json_object_set_new(counts, check_severity_name((enum check_severity)i),
				    json_integer(n[i]));
	json_object_set_new(answer, "counts", counts);
	json_object_set_new(answer, "suppressed", json_integer(suppressed));
}

static int read_wish(const struct arguments *a, struct check_wish *ret, struct error *err)
{
	enum check_severity s;

	*ret = (struct check_wish) {
		.only = a->only, .skip = a->skip, .fail_on = CHECK_MEDIUM, .verbose = a->verbose};
	if (a->only && check_list_parse(a->only, err) < 0)
		return error_wrap(err, -EINVAL, "option '--only'");
	if (a->skip && check_list_parse(a->skip, err) < 0)
		return error_wrap(err, -EINVAL, "option '--skip'");
	if (!a->fail_on)
		return 0;
	if (!strcmp(a->fail_on, "never"))
		ret->fail_on = FAIL_NEVER;
	else if (check_severity_parse(a->fail_on, &s))
		ret->fail_on = (int)s;
	else
		return error_set(err, -EINVAL,
				 "option '--fail-on': '%s' is none (expected info, low, medium, "
				 "high, critical or never)",
				 a->fail_on);
	return 0;
}

/* ---- asking ---- */

static bool has_findings(const json_t *answer)
{
	return json_is_array(json_object_get(answer, "findings"));
}

static int ask_daemon(const struct arguments *a, json_t **ret, struct error *err)
{
	static const struct timespec pause = {.tv_nsec = PATIENCE_MS * 1000000L};
	CLEANUP_JSON json_t *request = json_pack("{s:s}", "verb", "check");
	int code = call_daemon(a, request, ret, NULL, err);

	for (int i = 0; json_is_true(json_object_get(*ret, "pending")) &&
			i < (has_findings(*ret) ? PATIENCE : PATIENCE_FIRST);
	     i++) {
		json_decref(*ret);
		*ret = NULL;
		nanosleep(&pause, NULL);
		code = call_daemon(a, request, ret, NULL, err);
	}
	if (!*ret || has_findings(*ret))
		return code;
	json_decref(*ret);
	*ret = NULL;
	error_set(err, -EAGAIN, "the daemon has not looked yet: ask again");
	return QUAYWALL_UNREACHABLE;
}

/* Of a snapshot as it was recorded. */
static int read_posture(const struct arguments *a, const struct settings *s, json_t **ret,
			struct error *err)
{
	int r = 0;

	*ret = NULL;
	if (a->snapshot)
		r = docker_snapshot_load_posture(a->snapshot, ret, err);
	else
		*ret = offline_posture(s);
	if (r == 0 && !a->snapshot)
		reconcile_seen_flows_of(s, *ret);
	if (r == 0 && !*ret)
		*ret = check_posture_without("the snapshot holds no posture");
	return r;
}

static int answer_here(const struct arguments *a, json_t **ret, struct error *err)
{
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	CLEANUP_CHECK_REPORT struct check_report report = {.findings = {.items = NULL}};
	CLEANUP_JSON json_t *posture = NULL;
	struct check_input in = {.now = time(NULL)};
	int code = offline_world(&o, a, false, err);

	if (code != QUAYWALL_FINE)
		return code;
	if (read_posture(a, o.settings, &posture, err) < 0)
		return QUAYWALL_USAGE;
	in.compiled = o.compiled;
	in.posture = posture;
	check_run(&in, &report);
	*ret = check_report_answer(&report, in.now);
	return QUAYWALL_FINE;
}

/* ---- telling ---- */

static const struct format {
	const char *name;
	void (*render)(const json_t *answer, const struct check_wish *w, struct buf *out);
} formats[] = {
	{"text", check_text},
	{"json", NULL},
	{"sarif", check_sarif},
	{"junit", check_junit},
};

static const struct format *find_format(const struct arguments *a, struct error *err)
{
	const char *name = a->format ? a->format : a->json ? "json" : "text";

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	error_set(err, -EINVAL,
		  "option '--format': '%s' is none (expected text, json, sarif or junit)", name);
	return NULL;
}

static void add_json(const json_t *value, struct buf *out)
{
	CLEANUP_FREE char *text = json_dumps(value, JSON_INDENT(2));

	buf_printf(out, "%s\n", text ? text : "null");
}

static int tell(const struct arguments *a, const struct buf *text, struct error *err)
{
	return output_write(a->output, text, err) < 0 ? QUAYWALL_USAGE : QUAYWALL_FINE;
}

static int tell_catalogue(const struct arguments *a, const struct check_wish *w, struct error *err)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP_JSON json_t *list = NULL;

	if (a->json) {
		list = check_list_json(w);
		add_json(list, &out);
	} else {
		check_list_text(w, &out);
	}
	return tell(a, &out, err);
}

static int tell_findings(const struct arguments *a, const struct check_wish *w,
			 const struct format *format, json_t *answer, struct error *err)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const json_t *finding;
	bool fails = false;
	size_t i;

	keep_findings(answer, w);
	keep_gaps(answer, w);
	json_array_foreach(json_object_get(answer, "findings"), i, finding)
		fails |= check_fails(w, finding);
	if (format->render)
		format->render(answer, w, &out);
	else
		add_json(answer, &out);
	if (tell(a, &out, err) != QUAYWALL_FINE)
		return QUAYWALL_USAGE;
	return fails ? QUAYWALL_FINDINGS : QUAYWALL_FINE;
}

int verb_check(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *answer = NULL;
	const struct format *format = find_format(a, &err);
	struct check_wish w;
	int code;

	if (!format || read_wish(a, &w, &err) < 0)
		return verb_fail(QUAYWALL_USAGE, &err);
	if (a->list)
		return verb_fail(tell_catalogue(a, &w, &err), &err);
	code = a->snapshot || a->policies ? answer_here(a, &answer, &err)
					  : ask_daemon(a, &answer, &err);
	if (answer)
		code = tell_findings(a, &w, format, answer, &err);
	return verb_fail(code, &err);
}
