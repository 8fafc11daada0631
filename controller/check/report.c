#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"

static const char *const severities[CHECK_SEVERITIES] = {
	[CHECK_INFO] = "info", [CHECK_LOW] = "low",	      [CHECK_MEDIUM] = "medium",
	[CHECK_HIGH] = "high", [CHECK_CRITICAL] = "critical",
};

const char *check_severity_name(enum check_severity s)
{
	return severities[s];
}

bool check_severity_parse(const char *text, enum check_severity *ret)
{
	for (size_t i = 0; i < CHECK_SEVERITIES; i++) {
		if (strcmp(severities[i], text) != 0)
			continue;
		*ret = (enum check_severity)i;
		return true;
	}
	return false;
}

void check_report_done(struct check_report *r)
{
	for (size_t i = 0; i < r->gaps.len; i++) {
		free(r->gaps.items[i].ids);
		free(r->gaps.items[i].why);
	}
	texts_free(r->texts);
	free(r->findings.items);
	free(r->gaps.items);
	*r = (struct check_report) {.findings = {.items = NULL}};
}

void check_report_add(struct check_report *r, const char *id, enum check_severity severity,
		      const char *subject, const char *evidence, const char *remedy)
{
	struct check_finding f = {
		.check = check_find(id),
		.severity = severity,
		.subject = texts_keep(&r->texts, subject),
		.evidence = texts_keep(&r->texts, evidence),
		.remedy = texts_keep(&r->texts, remedy),
	};

	if (!f.check)
		abort(); /* every id that is used stands in the catalogue: a test runs each */
	MEM_PUSH(&r->findings, f);
}

void report_take(struct check_report *r, const char *id, char *subject, char *evidence,
		 char *remedy)
{
	check_report_add(r, id, check_find(id)->severity, subject, evidence, remedy);
	free(subject);
	free(evidence);
	free(remedy);
}

void check_report_gap_of(struct check_report *r, const char *group, const char *ids,
			 const char *why)
{
	struct check_gap gap = {group, mem_strdup(ids), mem_strdup(why)};

	MEM_PUSH(&r->gaps, gap);
}

void check_report_gap(struct check_report *r, const char *group, const char *why)
{
	check_report_gap_of(r, group, NULL, why);
}

bool check_report_has_gap(const struct check_report *r, const struct check *check)
{
	for (size_t i = 0; i < r->gaps.len; i++) {
		const struct check_gap *g = &r->gaps.items[i];

		if (!strcmp(g->group, check->group) &&
		    (!g->ids || check_list_has(g->ids, NULL, check->id)))
			return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct check_finding *x = a, *y = b;
	int diff = (int)y->severity - (int)x->severity;

	if (!diff)
		diff = strcmp(x->check->id, y->check->id);
	if (!diff)
		diff = strcmp(x->subject, y->subject);
	return diff ? diff : strcmp(x->evidence, y->evidence);
}

void report_sort(struct check_report *r)
{
	texts_close(r->texts);
	if (r->findings.len)
		qsort(r->findings.items, r->findings.len, sizeof(*r->findings.items), compare);
}

/* Names come from labels and images, and may be any bytes. */
static json_t *text_json(const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT;

	if (!text)
		return json_null();
	utf8_clean(text, &clean);
	return json_string(buf_text(&clean));
}

static json_t *finding_json(const struct check_finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o}", "id", f->check->id,
			 "group", f->check->group, "severity", severities[f->severity], "title",
			 f->check->title, "subject", text_json(f->subject), "evidence",
			 text_json(f->evidence), "why", f->check->why, "remedy",
			 text_json(f->remedy), "suppressed", text_json(f->suppressed));
}

json_t *check_report_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->findings.len; i++)
		json_array_append_new(list, finding_json(&r->findings.items[i]));
	return list;
}

void check_report_count(const struct check_report *r, size_t ret[static CHECK_SEVERITIES])
{
	for (size_t i = 0; i < CHECK_SEVERITIES; i++)
		ret[i] = 0;
	for (size_t i = 0; i < r->findings.len; i++)
		if (!r->findings.items[i].suppressed)
			ret[r->findings.items[i].severity]++;
}

static json_t *counts_json(const struct check_report *r, size_t *ret_all)
{
	size_t counts[CHECK_SEVERITIES];
	json_t *object = json_object();

	check_report_count(r, counts);
	*ret_all = 0;
	for (size_t i = CHECK_SEVERITIES; i-- > 0;) {
		json_object_set_new(object, severities[i], json_integer((json_int_t)counts[i]));
		*ret_all += counts[i];
	}
	return object;
}

/* null: all of the group. */
static json_t *ids_json(const char *ids)
{
	json_t *list = ids ? json_array() : json_null();

	for (const char *at = ids; at && *at; at += *at == ',') {
		size_t len = strcspn(at, ",");

		json_array_append_new(list, json_stringn(at, len));
		at += len;
	}
	return list;
}

static json_t *gaps_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->gaps.len; i++) {
		const struct check_gap *g = &r->gaps.items[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:o}", "group", g->group, "checks",
						ids_json(g->ids), "why", text_json(g->why)));
	}
	return list;
}

json_t *check_report_answer(const struct check_report *r, time_t at)
{
	CLEANUP_BUF struct buf checked = BUF_INIT;
	size_t open;
	json_t *counts = counts_json(r, &open);

	buf_time(&checked, at);
	return json_pack("{s:i, s:s, s:o, s:I, s:o, s:o}", "version", 1, "checked",
			 buf_text(&checked), "counts", counts, "suppressed",
			 (json_int_t)(r->findings.len - open), "findings", check_report_json(r),
			 "not_checked", gaps_json(r));
}

/* ---- reading a posture ---- */

const json_t *posture_get(const json_t *posture, ...)
{
	va_list keys;
	const char *key;

	va_start(keys, posture);
	while (posture && (key = va_arg(keys, const char *)))
		posture = json_object_get(posture, key);
	va_end(keys);
	return json_is_null(posture) ? NULL : posture;
}

bool posture_lists(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *one = json_string_value(json_array_get(list, i));

		if (one && !strcmp(one, text))
			return true;
	}
	return false;
}

const char *posture_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t posture_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
