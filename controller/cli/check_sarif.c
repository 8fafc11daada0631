/*
 * Findings as SARIF 2.1.0 (OASIS, 27 March 2020), for what reads results of analysis tools.
 *
 * A finding is about something that runs, and not about a line of a file: so its place is a logical location.
 */
#include "check.h"

#include <string.h>

#include "quaywall/mem.h"
#include "output.h"

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static json_t *message(const char *text)
{
	return json_pack("{s:s}", "text", text);
}

/* What is only said is no failure; the standard gives such a result no level. */
static const char *level_of(enum check_severity s)
{
	return s >= CHECK_HIGH	   ? "error"
	       : s == CHECK_MEDIUM ? "warning"
	       : s == CHECK_LOW	   ? "note"
				   : "none";
}

/* By which readers sort: the ranges of CVSS. */
static const char *score_of(enum check_severity s)
{
	static const char *const scores[] = {
		[CHECK_INFO] = "0.0", [CHECK_LOW] = "3.0",	[CHECK_MEDIUM] = "5.5",
		[CHECK_HIGH] = "8.0", [CHECK_CRITICAL] = "9.5",
	};

	return scores[s];
}

/* ---- rules ---- */

/* Of the finding itself: the daemon may be of another version. */
static json_t *rule_json(const json_t *f)
{
	enum check_severity s = check_severity_of(f);

	return json_pack("{s:s, s:o, s:o, s:{s:s}, s:{s:s, s:[s, s]}}", "id", output_text(f, "id"),
			 "shortDescription", message(output_text(f, "title")), "fullDescription",
			 message(output_text(f, "why")), "defaultConfiguration", "level",
			 level_of(s), "properties", "security-severity", score_of(s), "tags",
			 "security", output_text(f, "group"));
}

static size_t index_of(const json_t *rules, const char *id)
{
	size_t i;
	const json_t *rule;

	json_array_foreach(rules, i, rule)
		if (!strcmp(output_text(rule, "id"), id))
			return i;
	return i;
}

/* ---- results ---- */

static json_t *suppressions_json(const json_t *f)
{
	json_t *list = json_array();

	if (check_is_suppressed(f))
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "kind", "external",
						      "status", "accepted", "justification",
						      output_text(f, "suppressed")));
	return list;
}

static json_t *result_json(const json_t *f, size_t rule)
{
	enum check_severity s = check_severity_of(f);
	const char *subject = output_text(f, "subject");
	CLEANUP_FREE char *text =
		mem_printf("%s: %s. %s. Remedy: %s", subject, output_text(f, "title"),
			   output_text(f, "evidence"), output_text(f, "remedy"));
	CLEANUP_FREE char *print = mem_printf("%s:%s", output_text(f, "id"), subject);

	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:[{s:[{s:s, s:s}]}], s:{s:s}, s:o, s:{s:s, "
			 "s:s, s:s}}",
			 "ruleId", output_text(f, "id"), "ruleIndex", (json_int_t)rule, "kind",
			 s == CHECK_INFO ? "informational" : "fail", "level", level_of(s),
			 "message", message(text), "locations", "logicalLocations",
			 "fullyQualifiedName", subject, "kind", "resource", "partialFingerprints",
			 "quaywall/v1", print, "suppressions", suppressions_json(f), "properties",
			 "severity", check_severity_name(s), "evidence", output_text(f, "evidence"),
			 "remedy", output_text(f, "remedy"));
}

/* ---- the run ---- */

static json_t *notifications_json(const json_t *gaps)
{
	json_t *list = json_array();
	const json_t *gap;
	size_t i;

	json_array_foreach(gaps, i, gap) {
		CLEANUP_FREE char *text = mem_printf(
			"not checked: %s: %s", output_text(gap, "group"), output_text(gap, "why"));

		json_array_append_new(list, json_pack("{s:s, s:o}", "level", "warning", "message",
						      message(text)));
	}
	return list;
}

void check_sarif(const json_t *answer, const struct check_wish *w, struct buf *out)
{
	json_t *rules = json_array(), *results = json_array(), *document;
	CLEANUP_FREE char *text = NULL;
	const json_t *f;
	size_t i;

	(void)w;
	json_array_foreach(json_object_get(answer, "findings"), i, f) {
		size_t rule = index_of(rules, output_text(f, "id"));

		if (rule == json_array_size(rules))
			json_array_append_new(rules, rule_json(f));
		json_array_append_new(results, result_json(f, rule));
	}
	document = json_pack(
		"{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:[{s:b, s:s, s:o}], s:o}]}", "$schema",
		SCHEMA, "version", "2.1.0", "runs", "tool", "driver", "name", "quaywall", "version",
		QUAYWALL_VERSION, "rules", rules, "invocations", "executionSuccessful", 1,
		"endTimeUtc", output_text(answer, "checked"), "toolExecutionNotifications",
		notifications_json(json_object_get(answer, "not_checked")), "results", results);
	text = json_dumps(document, JSON_INDENT(2));
	buf_printf(out, "%s\n", text);
	json_decref(document);
}
