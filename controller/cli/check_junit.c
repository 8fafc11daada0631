/*
 * Findings as JUnit's XML, which CI systems show as tests: a suite for each group; a case for each finding, and one for
 * each check that found nothing. What `--fail-on` lets pass has passed; what is suppressed, or could not be looked at, was
 * skipped.
 */
#include "check.h"

#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"
#include "output.h"

struct suite {
	const json_t *answer;
	const struct check_wish *wish;
	const char *group;
	struct buf cases;
	size_t tests, failures, skipped;
};

/* XML 1.0 admits no control characters, and neither U+FFFE nor U+FFFF. */
static void add_character(struct buf *out, const char *text, size_t len, uint32_t c)
{
	if (c == '&')
		buf_str(out, "&amp;");
	else if (c == '<')
		buf_str(out, "&lt;");
	else if (c == '>')
		buf_str(out, "&gt;");
	else if (c == '"')
		buf_str(out, "&quot;");
	else if (!len || c == 0xfffe || c == 0xffff || c < ' ')
		buf_char(out, c == '\n' || c == '\t' ? ' ' : '?');
	else
		buf_add(out, text, len);
}

static void add_xml(struct buf *out, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		uint32_t c = 0;
		size_t len = utf8_decode(text, left, &c);

		add_character(out, text, len, c);
		text += len ? len : 1;
		left -= len ? len : 1;
	}
}

static void begin_case(struct suite *s, const char *id, const char *subject)
{
	buf_str(&s->cases, "    <testcase classname=\"quaywall.");
	add_xml(&s->cases, s->group);
	buf_str(&s->cases, "\" name=\"");
	add_xml(&s->cases, id);
	if (*subject)
		buf_str(&s->cases, ": ");
	add_xml(&s->cases, subject);
	buf_char(&s->cases, '"');
	s->tests++;
}

static void add_element(struct buf *out, const char *name, const char *message, const char *type)
{
	buf_printf(out, "      <%s message=\"", name);
	add_xml(out, message);
	if (type)
		buf_printf(out, "\" type=\"%s", type);
	buf_char(out, '"');
}

static void add_details(struct buf *out, const json_t *f)
{
	static const char *const keys[] = {"evidence", "why", "remedy"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		buf_printf(out, "%s: ", keys[i]);
		add_xml(out, output_text(f, keys[i]));
		buf_char(out, '\n');
	}
}

static void add_finding(struct suite *s, const json_t *f)
{
	struct buf *out = &s->cases;

	begin_case(s, output_text(f, "id"), output_text(f, "subject"));
	buf_str(out, ">\n");
	if (check_is_suppressed(f)) {
		add_element(out, "skipped", output_text(f, "suppressed"), NULL);
		buf_str(out, "/>\n");
		s->skipped++;
	} else if (check_fails(s->wish, f)) {
		add_element(out, "failure", output_text(f, "title"),
			    check_severity_name(check_severity_of(f)));
		buf_char(out, '>');
		add_details(out, f);
		buf_str(out, "</failure>\n");
		s->failures++;
	} else {
		buf_printf(out,
			   "      <system-out>%s: ", check_severity_name(check_severity_of(f)));
		add_xml(out, output_text(f, "title"));
		buf_char(out, '\n');
		add_details(out, f);
		buf_str(out, "</system-out>\n");
	}
	buf_str(out, "    </testcase>\n");
}

/* Returns whether the check found something. */
static bool add_findings(struct suite *s, const char *id)
{
	const json_t *f;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(s->answer, "findings"), i, f) {
		if (strcmp(output_text(f, "id"), id) != 0)
			continue;
		add_finding(s, f);
		found = true;
	}
	return found;
}

static void add_check(const struct check *check, void *data)
{
	struct suite *s = data;

	if (strcmp(check->group, s->group) != 0 ||
	    !check_is_wanted(s->wish, check->group, check->id) || add_findings(s, check->id))
		return;
	begin_case(s, check->id, "");
	buf_str(&s->cases, "/>\n");
}

/* Of a daemon that is newer. */
static void add_foreign(struct suite *s)
{
	const json_t *f;
	size_t i;

	json_array_foreach(json_object_get(s->answer, "findings"), i, f)
		if (!strcmp(output_text(f, "group"), s->group) && !check_find(output_text(f, "id")))
			add_finding(s, f);
}

static void add_gaps(struct suite *s)
{
	const json_t *gap;
	size_t i;

	json_array_foreach(json_object_get(s->answer, "not_checked"), i, gap) {
		if (strcmp(output_text(gap, "group"), s->group) != 0)
			continue;
		begin_case(s, "not checked", "");
		buf_str(&s->cases, ">\n");
		add_element(&s->cases, "skipped", output_text(gap, "why"), NULL);
		buf_str(&s->cases, "/>\n    </testcase>\n");
		s->skipped++;
	}
}

static void add_suite(struct suite *s, struct buf *out)
{
	check_each(add_check, s);
	add_foreign(s);
	add_gaps(s);
	if (!s->tests)
		return;
	buf_str(out, "  <testsuite name=\"");
	add_xml(out, s->group);
	buf_printf(out,
		   "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" "
		   "timestamp=\"%.19s\">\n%s  </testsuite>\n",
		   s->tests, s->failures, s->skipped, output_text(s->answer, "checked"),
		   buf_text(&s->cases));
}

/* ---- groups ---- */

struct names {
	const char **items;
	size_t len, cap;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->len; i++)
		if (!strcmp(names->items[i], name))
			return;
	MEM_PUSH(names, name);
}

static void add_group_of(const struct check *check, void *data)
{
	add_name(data, check->group);
}

static void add_groups_of(struct names *names, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		add_name(names, output_text(one, "group"));
}

void check_junit(const json_t *answer, const struct check_wish *w, struct buf *out)
{
	struct names names = {NULL, 0, 0};

	check_each(add_group_of, &names);
	add_groups_of(&names, json_object_get(answer, "findings"));
	add_groups_of(&names, json_object_get(answer, "not_checked"));
	buf_str(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"quaywall check\">\n");
	for (size_t i = 0; i < names.len; i++) {
		struct suite s = {
			.answer = answer, .wish = w, .group = names.items[i], .cases = BUF_INIT};

		add_suite(&s, out);
		buf_done(&s.cases);
	}
	buf_str(out, "</testsuites>\n");
	free(names.items);
}
