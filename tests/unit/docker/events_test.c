#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../../controller/docker/events.h"

struct seen {
	struct buf text; /* each line in brackets; a lost one as "<lost>" */
	int stop_with;
};

static int note(void *data, const char *line, size_t len)
{
	struct seen *s = data;

	if (!line)
		buf_str(&s->text, "<lost>");
	else
		buf_printf(&s->text, "[%.*s]", (int)len, line);
	return s->stop_with;
}

static void test_lines_in_pieces_of_any_size(void **state)
{
	static const char text[] = "one\ntwo\n\nthree\nrest";

	(void)state;
	for (size_t size = 1; size <= sizeof(text); size++) {
		struct events_lines lines = {0};
		struct seen seen = {BUF_INIT, 0};

		for (size_t at = 0; at < sizeof(text) - 1; at += size) {
			size_t left = sizeof(text) - 1 - at;

			assert_int_equal(events_feed(&lines, text + at, left < size ? left : size,
						     note, &seen),
					 0);
		}
		assert_string_equal(buf_text(&seen.text), "[one][two][three]");
		events_lines_done(&lines);
		buf_done(&seen.text);
	}
}

static void test_line_too_long(void **state)
{
	CLEANUP_FREE char *chunk = mem_new(65536, 1);
	struct events_lines lines = {0};
	struct seen seen = {BUF_INIT, 0};

	(void)state;
	memset(chunk, 'x', 65536);
	for (int i = 0; i < 64; i++) /* exactly as long as may be */
		events_feed(&lines, chunk, 65536, note, &seen);
	assert_string_equal(buf_text(&seen.text), "");
	for (int i = 0; i < 10; i++)
		events_feed(&lines, chunk, 65536, note, &seen);
	assert_string_equal(buf_text(&seen.text), "<lost>");
	events_feed(&lines, "end\nnext\n", 9, note, &seen);
	assert_string_equal(buf_text(&seen.text), "<lost>[next]");
	events_lines_done(&lines);
	buf_done(&seen.text);
}

static void test_stops(void **state)
{
	struct events_lines lines = {0};
	struct seen seen = {BUF_INIT, -5};

	(void)state;
	assert_int_equal(events_feed(&lines, "a\nb\n", 4, note, &seen), -5);
	assert_string_equal(buf_text(&seen.text), "[a]");
	events_lines_done(&lines);
	buf_done(&seen.text);
}

static struct event read_line(const char *line)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct event e = {0};

	if (event_read(line, strlen(line), &e, &err) < 0)
		fail_msg("%s", error_text(&err));
	return e;
}

static void test_recorded(void **state)
{
	static const enum event_kind want[] = {EVENT_CONNECT, EVENT_CONNECT,   EVENT_CONTAINER,
					       EVENT_CONNECT, EVENT_CONTAINER, EVENT_OTHER};
	CLEANUP_FREE char *path =
		mem_printf("%s/tests/unit/docker/events-20.10.ndjson", getenv("QUAYWALL_SOURCE"));
	CLEANUP_FILE FILE *f = fopen(path, "re");
	char line[4096];

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct event e;

		assert_non_null(fgets(line, sizeof(line), f));
		e = read_line(line);
		assert_int_equal(e.kind, want[i]);
		assert_int_equal(e.overlay, i == 0);
		if (e.kind == EVENT_CONNECT)
			assert_int_equal(strlen(e.container), 64);
		if (i == 0)
			assert_string_equal(e.id, "61mk3bdrnwhcebk5z1b8yb2c7");
		event_done(&e);
	}
}

/* Labels are laid over a container event's attributes. */
static void test_labels_are_not_believed(void **state)
{
	struct event e =
		read_line("{\"Type\": \"container\", \"Action\": \"exec_start: /bin/sh\", "
			  "\"Actor\": {\"ID\": \"c1\", \"Attributes\": {\"container\": \"c2\", "
			  "\"type\": \"overlay\", \"n\": 5}}}");

	(void)state;
	assert_int_equal(e.kind, EVENT_CONTAINER);
	assert_string_equal(e.id, "c1");
	assert_null(e.container);
	assert_false(e.overlay);
	event_done(&e);
	e = read_line("{\"Type\": \"container\", \"Action\": \"destroy\", \"Actor\": "
		      "{\"ID\": \"c1\"}}");
	assert_int_equal(e.kind, EVENT_DESTROY);
	assert_string_equal(e.id, "c1");
	event_done(&e);
}

static void test_network_events(void **state)
{
	struct event e = read_line("{\"Type\": \"network\", \"Action\": \"destroy\", \"Actor\": "
				   "{\"ID\": \"n1\"}}");

	(void)state;
	assert_int_equal(e.kind, EVENT_NETWORK);
	assert_null(e.container);
	event_done(&e);
	e = read_line(
		"{\"Type\": \"network\", \"Action\": \"disconnect\", \"Actor\": {\"ID\": \"n1\", "
		"\"Attributes\": {\"container\": \"c1\"}}}");
	assert_int_equal(e.kind, EVENT_DISCONNECT);
	assert_string_equal(e.container, "c1");
	event_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_in_pieces_of_any_size),
		cmocka_unit_test(test_line_too_long),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_labels_are_not_believed),
		cmocka_unit_test(test_network_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
