/*
 * events: the engine's stream of events, cut into lines, and the one line read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"

#define EVENTS_LINE_MAX (4u << 20) /* bytes: a container's labels, all of which an event carries */

struct events_lines {
	struct buf rest; /* the beginning of a line */
	bool skipping;	 /* the line was too long; its end is still to come */
};

/* Takes LEN bytes, in pieces of any size, and calls EACH for every complete line. A line that is too long
 * is skipped and reported once as NULL: an event was lost. EACH returns a negative errno to stop; it is
 * passed on. */
int events_feed(struct events_lines *l, const char *bytes, size_t len,
		int (*each)(void *data, const char *line, size_t len), void *data);
void events_lines_done(struct events_lines *l);

enum event_kind {
	EVENT_OTHER, /* nothing that concerns us */
	EVENT_CONTAINER,
	EVENT_DESTROY,	  /* a container that will never come back */
	EVENT_NETWORK,	  /* created, updated, destroyed */
	EVENT_CONNECT,	  /* a container's endpoint came */
	EVENT_DISCONNECT, /* or went */
};

/* Labels are laid over a container event's attributes, so of those nothing is taken. */
struct event {
	enum event_kind kind;
	char *id;	 /* the container's, or the network's */
	char *container; /* EVENT_CONNECT, EVENT_DISCONNECT; or NULL */
	bool overlay;	 /* the network's driver, likewise */
};

/* -EPROTO for a line that is no event. *RET is to be given to event_done() after success. */
int event_read(const char *line, size_t len, struct event *ret, struct error *err);
void event_done(struct event *e);

/* The filter for GET /events, as JSON. Execs' and health checks' actions are left out: several for each
 * check, they would push everything else out of the engine's queue of 1024. */
extern const char events_filter[];
