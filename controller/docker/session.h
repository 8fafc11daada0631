/*
 * session: one connection to the engine, from the first question to the first thing that goes wrong.
 *
 * It negotiates the version, refuses what cannot be governed, subscribes to the events, lists, and then
 * asks anew for whatever an event makes out of date. So an event is never applied: it only says what to
 * read again, and it does not matter how often or in which order events come. All in the caller's thread,
 * which calls session_turn() again and again.
 *
 * Addresses come from GET /networks/ID, names and labels from GET /containers/json. GET /containers/ID/json
 * blocks until a start is over: it is asked once of a container that does not run, for the ports that it
 * will publish, and nothing waits for it.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/docker.h"

struct session;

struct session_options {
	const struct docker_options *docker; /* must outlive the session */
	bool follow;			     /* events; else one listing is all */
	unsigned
		first_seconds; /* limit of the first request: the engine's listener accepts before it
				 * answers, as long as it restores its containers */
};

/* -EINVAL: the options are wrong. */
int session_new(const struct session_options *options, struct session **ret, struct error *err);
void session_free(struct session *s); /* NULL is fine */

/* What the session knows: for handing the images from one session to the next. */
struct inventory;
struct inventory *session_inventory(struct session *s);

/* Waits up to MS milliseconds for what happens next. 0, or why the session is over: -ENOTSUP for an
 * engine that cannot be governed, -EPROTO for answers that make no sense, or the connection's errno. */
int session_turn(struct session *s, int ms, struct error *err);
void session_wakeup(struct session *s); /* ends a wait of session_turn(); from any thread */

bool session_is_listed(const struct session *s); /* the first full listing is complete */
bool session_ended_listing(struct session *s);	 /* one did since this was asked last */
/* Begins a full listing, or another one at the end of that which is under way. */
void session_list(struct session *s);
/* A model of what is known, where that has changed since the last one and is listed; else NULL. */
struct model *session_take(struct session *s);

unsigned long session_events(const struct session *s); /* read so far */
unsigned long
session_repaired(const struct session *s); /* listings that found what no event announced */
/* What of the engine cannot be read, though the rest is followed; NULL: nothing. */
const char *session_trouble(const struct session *s);

static inline void session_cleanup(struct session **s)
{
	session_free(*s);
}

#define CLEANUP_SESSION __attribute__((cleanup(session_cleanup)))
