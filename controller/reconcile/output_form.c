/*
 * The forms of a line: JSON as it is, RFC 5424 for syslog, the journal's native protocol.
 *
 * What a container calls itself stands in them: nothing of it may begin a new field or line.
 */
#include "output.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define FACILITY 3 /* daemon */

enum { WARNING = 4, NOTICE = 5, INFO = 6 }; /* severities of syslog(3) */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is_event(const json_t *record)
{
	return *text_of(record, "event") != '\0';
}

static int severity_of(const json_t *record)
{
	if (!strcmp(text_of(record, "event"), "alert"))
		return WARNING;
	if (is_event(record) || !strcmp(text_of(record, "verdict"), "accepted"))
		return INFO;
	return NOTICE;
}

/* ---- for people ---- */

static void add_end(struct buf *out, const json_t *end)
{
	bool outside = !strcmp(text_of(end, "kind"), "outside");

	buf_str(out, outside ? "world" : text_of(end, "title"));
	if (*text_of(end, "address"))
		buf_printf(out, " %s", text_of(end, "address"));
}

/* "refused shop/web (shop-web-1) 172.18.0.3 -> host 172.18.0.1 22/tcp: shop isolates egress and no rule allows it" */
static void add_sentence(struct buf *out, const json_t *record)
{
	if (is_event(record)) {
		buf_str(out, *text_of(record, "text") ? text_of(record, "text")
						      : text_of(record, "event"));
		return;
	}
	buf_printf(out, "%s ", text_of(record, "verdict"));
	add_end(out, json_object_get(record, "from"));
	buf_str(out, " -> ");
	add_end(out, json_object_get(record, "to"));
	buf_printf(out, " %s", text_of(record, "ports"));
	if (*text_of(record, "why"))
		buf_printf(out, ": %s", text_of(record, "why"));
}

/* ---- syslog ---- */

/* What RFC 5424 allows in a header's field: no space, nothing but ASCII. */
static void add_word(struct buf *out, const char *text, size_t max)
{
	size_t n = 0;

	for (; *text && n < max; text++, n++)
		buf_char(out, *text > ' ' && *text < 0x7f ? *text : '_');
	if (!n)
		buf_char(out, '-');
}

/* <29>1 2026-11-24T10:02:00.123Z host quaywall 4711 flow - {...} */
static void form_syslog(const json_t *record, const char *line, const char *host, struct buf *out)
{
	buf_printf(out, "<%d>1 ", FACILITY * 8 + severity_of(record));
	add_word(out, text_of(record, "time"), 32);
	buf_char(out, ' ');
	add_word(out, host, 255);
	buf_printf(out, " quaywall %d ", (int)getpid());
	add_word(out, is_event(record) ? text_of(record, "event") : "flow", 32);
	buf_printf(out, " - %s", line);
}

/* ---- the journal ---- */

/* KEY=VALUE, or where VALUE has more than one line: KEY, the length in 8 bytes, VALUE. */
static void add_field(struct buf *out, const char *key, const char *value)
{
	uint64_t len = strlen(value);

	if (!len)
		return;
	buf_str(out, key);
	if (strchr(value, '\n')) {
		buf_char(out, '\n');
		for (int i = 0; i < 8; i++)
			buf_char(out, (char)(len >> (8 * i) & 0xff));
	} else {
		buf_char(out, '=');
	}
	buf_add(out, value, len);
	buf_char(out, '\n');
}

static void add_end_fields(struct buf *out, const json_t *end, const char *name,
			   const char *address)
{
	add_field(out, name,
		  !strcmp(text_of(end, "kind"), "outside") ? "world" : text_of(end, "title"));
	add_field(out, address, text_of(end, "address"));
}

static void form_journal(const json_t *record, const char *line, struct buf *out)
{
	static const char *const keys[][2] = {
		{"event", "QUAYWALL_EVENT"},	 {"kind", "QUAYWALL_KIND"},
		{"verdict", "QUAYWALL_VERDICT"}, {"ports", "QUAYWALL_PORTS"},
		{"why", "QUAYWALL_WHY"},	 {"logged_by", "QUAYWALL_LOGGED_BY"},
	};
	CLEANUP_BUF struct buf sentence = BUF_INIT;
	char severity[2] = {(char)('0' + severity_of(record)), '\0'};

	add_sentence(&sentence, record);
	add_field(out, "MESSAGE", buf_text(&sentence));
	add_field(out, "PRIORITY", severity);
	add_field(out, "SYSLOG_IDENTIFIER", "quaywall");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		add_field(out, keys[i][1], text_of(record, keys[i][0]));
	add_end_fields(out, json_object_get(record, "from"), "QUAYWALL_FROM",
		       "QUAYWALL_FROM_ADDRESS");
	add_end_fields(out, json_object_get(record, "to"), "QUAYWALL_TO", "QUAYWALL_TO_ADDRESS");
	add_field(out, "QUAYWALL_JSON", line);
}

void output_form(enum output_to to, const json_t *record, const char *line, const char *host,
		 struct buf *out)
{
	switch (to) {
	case OUTPUT_NONE:
		return;
	case OUTPUT_FILE:
		buf_printf(out, "%s\n", line);
		return;
	case OUTPUT_SYSLOG:
		form_syslog(record, line, host, out);
		return;
	case OUTPUT_JOURNAL:
		form_journal(record, line, out);
		return;
	}
}
