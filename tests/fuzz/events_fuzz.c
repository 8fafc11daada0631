/*
 * Any bytes as the engine's stream of events, in any pieces: the first byte decides where the stream is
 * cut. Never a crash; and the events are the same however the bytes arrive.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../controller/docker/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *or_nothing(const char *text)
{
	return text ? text : "-";
}

/* What was understood of each line, a line each. */
static int note(void *data, const char *line, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct buf *out = data;
	struct event e;

	if (!line) {
		buf_str(out, "too long\n");
	} else if (event_read(line, len, &e, &err) < 0) {
		buf_printf(out, "error: %s\n", error_text(&err));
	} else {
		buf_printf(out, "%d %s %s %d\n", e.kind, or_nothing(e.id), or_nothing(e.container),
			   e.overlay);
		event_done(&e);
	}
	return 0;
}

/* Pieces of 1 to SEED + 1 bytes, in an order that SEED gives. */
static void feed(const char *bytes, size_t len, uint32_t seed, struct buf *out)
{
	struct events_lines lines = {0};
	uint32_t state = seed;

	while (len > 0) {
		size_t piece = 1 + state % (seed + 1);

		if (piece > len)
			piece = len;
		events_feed(&lines, bytes, piece, note, out);
		bytes += piece;
		len -= piece;
		state = state * 1103515245 + 12345;
	}
	events_lines_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_BUF struct buf cut = BUF_INIT, whole = BUF_INIT;
	struct events_lines lines = {0};

	if (len == 0)
		return 0;
	feed((const char *)data + 1, len - 1, data[0], &cut);
	events_feed(&lines, (const char *)data + 1, len - 1, note, &whole);
	events_lines_done(&lines);
	if (strcmp(buf_text(&cut), buf_text(&whole)) != 0) {
		fprintf(stderr, "in pieces:\n%s\nat once:\n%s\n", buf_text(&cut), buf_text(&whole));
		abort();
	}
	return 0;
}
