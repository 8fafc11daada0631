/*
 * Events say what to read again, and change nothing that this does not find again. So it does not matter that they can
 * come twice, late, or in an order of their own.
 */
#include "session-internal.h"

#include <errno.h>

#define RECHECK_MS  1000 /* by then the engine's list of containers has caught up with an event */
#define WAITING_MAX 512	 /* objects; a listing answers for them all in hardly more time */

static void overflow(struct session *s)
{
	s->overflowed = true;
	jobs_done(&s->first);
	jobs_done(&s->urgent);
	session_list_within(s, 0);
}

static void add_urgent(struct session *s, enum job_kind kind, const char *id)
{
	struct jobs *to = kind == JOB_NETWORK ? &s->first : &s->urgent;

	if (!s->overflowed && jobs_add(to, kind, id, false) && jobs_count(to) > WAITING_MAX)
		overflow(s);
}

void follow_add(struct session *s, enum job_kind kind, const char *id, bool listing)
{
	if (!listing)
		add_urgent(s, kind, id);
	else if (jobs_add(&s->background, kind, id, true))
		s->listing_left++;
}

static void add_network(void *data, const char *id)
{
	follow_add(data, JOB_NETWORK, id, false);
}

void follow_recheck(void *data, const char *id)
{
	follow_add(data, JOB_CONTAINER, id, false);
}

void follow_missing(void *data, const char *id)
{
	struct session *s = data;

	if (s->rechecks.len < WAITING_MAX)
		rechecks_add_missing(&s->rechecks, id, session_now());
}

static void add_container(struct session *s, const char *id)
{
	follow_add(s, JOB_CONTAINER, id, false);
	if (s->overflowed)
		return; /* the listing has a second one in its wake */
	rechecks_add(&s->rechecks, id, session_now() + RECHECK_MS);
	/* Of those that were missing once most wait for nothing any more. */
	if (s->rechecks.len > WAITING_MAX)
		rechecks_forget_missing(&s->rechecks);
	if (s->rechecks.len > WAITING_MAX)
		overflow(s);
}

/* Containers of overlay networks get their way out by docker_gwbridge, of whose endpoints no event tells. */
static void add_gateway_bridge(struct session *s)
{
	const char *id = inventory_network_named(s->inventory, "docker_gwbridge");

	if (id)
		follow_add(s, JOB_NETWORK, id, false);
	else
		follow_add(s, JOB_NETWORK_LIST, NULL, false);
}

static void on_network(struct session *s, const struct event *e)
{
	follow_add(s, JOB_NETWORK, e->id, false);
	if (e->overlay)
		add_gateway_bridge(s);
	if (!e->container || !*e->container)
		return;
	/* The address may have another owner by now, so the old one goes at once. */
	if (e->kind == EVENT_DISCONNECT &&
	    inventory_detach(s->inventory, e->id, e->container, ++s->clock))
		session_note_urgent(s);
	add_container(s, e->container);
}

static void on_container(struct session *s, const struct event *e)
{
	/* At once, so that this and the disconnect before it are one model. */
	if (e->kind == EVENT_DESTROY && inventory_drop_container(s->inventory, e->id, ++s->clock))
		session_note_change(s);
	add_container(s, e->id);
	inventory_networks_of(s->inventory, e->id, add_network, s);
}

static int on_line(void *data, const char *line, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct session *s = data;
	struct event e;
	int r;

	r = line ? event_read(line, len, &e, &err)
		 : error_set(&err, -EFBIG, "GET /events: a line of more than %u MiB",
			     EVENTS_LINE_MAX >> 20);
	if (r < 0) { /* whatever it said, a listing finds it */
		session_note_trouble(s, &err);
		return 0;
	}
	if (e.kind == EVENT_CONTAINER || e.kind == EVENT_DESTROY)
		on_container(s, &e);
	else if (e.kind != EVENT_OTHER)
		on_network(s, &e);
	s->events += e.kind != EVENT_OTHER;
	event_done(&e);
	return 0;
}

void follow_feed(struct session *s, const char *bytes, size_t len)
{
	if (!s->failed)
		events_feed(&s->lines, bytes, len, on_line, s);
}
