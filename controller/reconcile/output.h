/*
 * output: lines of what was seen, for a log collector: added to a file, or sent as datagrams to a syslog's or the
 * journal's socket.
 *
 * Everything that may wait is done by a thread of its own. What a full disk or a collector that does not read has no
 * room for is lost and counted. A file that was renamed or removed meanwhile is made anew with the next line.
 */
#pragma once

#include <stdint.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"
#include "quaywall/policy.h"

struct output;

struct output_state {
	uint64_t lines, lost;
	char *error; /* why the last line was lost; NULL: it was not. To be freed */
};

/* PATH is the file or the collector's socket. What cannot be had is tried again with each line. TROUBLE (may be NULL) is
 * called from the thread, seldom, with why lines are lost now. */
int output_open(enum output_to to, const char *path, void (*trouble)(const char *why),
		struct output **ret, struct error *err);
/* What waits is written, within half a second. */
void output_close(struct output *o);

/* One line or datagram, of output_form(). */
void output_add(struct output *o, const char *data, size_t len);
/* The file is opened anew with the next line, though it may be the same. */
void output_reopen(struct output *o);
void output_state(struct output *o, struct output_state *ret);

/* ---- output_form.c ---- */

/* RECORD, a line of `watch --json`, and LINE, which is its text, as TO takes it. HOST: this one's name. */
void output_form(enum output_to to, const json_t *record, const char *line, const char *host,
		 struct buf *out);
