/*
 * session-internal: what session.c (the course of a connection), follow.c (events) and answers.c share.
 */
#pragma once

#include "session.h"

#include "events.h"
#include "http.h"
#include "inventory.h"
#include "jobs.h"
#include "rechecks.h"
#include "trouble.h"
#include "version.h"

struct session {
	const struct docker_options *options;
	bool follow;
	struct http *http;
	struct inventory *inventory;
	struct version version;
	char *engine_id;

	struct jobs first, urgent, background, bindings;
	struct rechecks rechecks;
	struct errand *errands;
	unsigned running;	  /* jobs whose requests are under way */
	unsigned running_listing; /* of which of a listing */
	unsigned running_slow;	  /* for bindings, beside those */
	unsigned drops;		  /* containers that were found gone, since they were swept */
	uint64_t clock;		  /* counts requests and events */

	struct events_lines lines;
	unsigned long events, repaired;
	int64_t stream_due; /* the stream's answer must have come by then; 0: it has */

	bool listing;		      /* a full listing is under way */
	bool listing_again;	      /* another one is due at its end */
	size_t listing_left;	      /* its jobs that are not answered yet */
	unsigned long listing_events; /* `events` when it began */
	bool listing_announced;	      /* events had announced what was not read yet then */
	bool listing_found;	      /* something new */
	bool listing_ended;	      /* since session_ended_listing() was asked */
	bool listed;		      /* one was completed */
	bool trim;		      /* and what it was read from was not given back yet */
	int64_t list_began;
	int64_t list_due;    /* when the next one is to begin, besides the watcher's own */
	bool overflowed;     /* more was to be asked than is worth it: the next one finds all */
	bool second_listing; /* and so does the one behind it */
	struct trouble trouble;

	bool changed; /* since the last model */
	int64_t changed_at;
	bool hasty; /* the next model is not to wait for what is under way */

	int failed; /* the session is over: why */
	struct error error;
};

int64_t session_now(void); /* milliseconds */

/* Ends the session; takes the text. Only the first failure counts, the rest are its consequences. */
void session_fail(struct session *s, int code, struct error *why);
/* Whether REPLY has status 200: 0, or why not. */
int session_check(const struct http_reply *reply, struct error *err);
/* The same; if not, that ends the session. */
bool session_expect(struct session *s, const struct http_reply *reply);

/* There is something new for the next model. */
void session_note_change(struct session *s);
/* And it opens or closes something by itself, whatever else is still to come. */
void session_note_urgent(struct session *s);

/* A container was found gone. */
void session_note_drop(struct session *s);

/* Has everything listed within MS milliseconds, or sooner if it is to be anyway. */
void session_list_within(struct session *s, int64_t ms);

/* A part could not be read. The rest goes on, and everything is listed again before long. Takes the text. */
void session_note_trouble(struct session *s, struct error *why);

/* ---- follow.c ---- */

/* Bytes of the event stream. */
void follow_feed(struct session *s, const char *bytes, size_t len);
/* Reads a container again, and its images; DATA is the session. */
void follow_recheck(void *data, const char *id);
/* The container ID has an endpoint, but the engine's list does not know it. */
void follow_missing(void *data, const char *id);
/* Queues JOB, as a part of the listing if one is under way and LISTING says so. Where too much waits, one
 * listing takes its place. */
void follow_add(struct session *s, enum job_kind kind, const char *id, bool listing);

/* ---- answers.c ---- */

/* The answer to JOB. Whether it said something new. */
bool answers_take(struct session *s, const struct job *job, const struct http_reply *reply);
bool answers_take_bindings(struct session *s, const struct job *job,
			   const struct http_reply *reply);
