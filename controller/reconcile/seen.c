/*
 * seen: reads what the rules log, and tells it with names. Only who watches, and `--last`, ask for it: nothing of it
 * decides anything, and where the group cannot be had, everything else goes on.
 */
#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "record.h"

#define RETRY_MS 10000 /* another program has the group, or there was no memory */

/* ---- the last ones ---- */

static void ring_keep(struct seen_ring *r, char *line)
{
	free(r->lines[r->next]);
	r->lines[r->next] = line;
	r->next = (r->next + 1) % SEEN_LAST;
}

static void ring_print(const struct seen_ring *r, struct buf *out)
{
	for (size_t i = 0; i < SEEN_LAST; i++) {
		const char *line = r->lines[(r->next + i) % SEEN_LAST];

		if (line)
			buf_printf(out, "%s\n", line);
	}
}

static void ring_done(struct seen_ring *r)
{
	for (size_t i = 0; i < SEEN_LAST; i++)
		free(r->lines[i]);
}

void daemon_seen_tell(struct daemon *d, unsigned kind, const json_t *record)
{
	char *line = json_dumps(record, JSON_COMPACT);

	if (!line)
		return;
	control_tell(&d->control, kind, line);
	daemon_outlet_tell(d, kind == SEEN_LOGGED ? OUTPUT_LOGGED : OUTPUT_ALL, record, line);
	if (kind == SEEN_LOGGED)
		ring_keep(&d->seen.logged, mem_strdup(line));
	ring_keep(&d->seen.all, line);
}

/* ---- one packet ---- */

#define PEERS_EVERY_MS 3000 /* strangers may send as much as they like */

/* The engine tells by no event that a node has become a peer. */
static void look_for_peers(struct daemon *d)
{
	uint64_t now = loop_now();

	if (!d->docker || (d->seen.stranger && now - d->seen.stranger < PEERS_EVERY_MS))
		return;
	d->seen.stranger = now;
	docker_relist(d->docker);
}

static const char *name_of(const struct daemon *d, uint32_t index)
{
	return index ? host_interface_name(d->host, index) : NULL;
}

static void take_packet(const struct flow_packet *p, void *data)
{
	struct daemon *d = data;
	struct record_interfaces names = {
		.in = name_of(d, p->in),
		.out = name_of(d, p->out),
		.port = name_of(d, p->phys_in),
	};
	CLEANUP_JSON json_t *record = NULL;
	struct timespec now;

	daemon_left_out_packet(d, p);
	if (record_is_stranger(p))
		look_for_peers(d);
	if (!d->world.compiled)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	record = record_of_packet(d->world.compiled, p, &names, &now);
	if (!record)
		return;
	d->seen.packets++;
	daemon_seen_tell(d, SEEN_LOGGED, record);
	daemon_learn_logged(d, p, &names);
	daemon_alert_packet(d, p, &names, record);
}

/* ---- the group ---- */

static void close_log(struct daemon *d)
{
	struct seen *s = &d->seen;

	if (!s->log)
		return;
	loop_remove(&d->loop, &s->source);
	daemon_left_out_end(d);
	s->lost += flow_log_lost(s->log);
	flow_log_close(s->log);
	s->log = NULL;
}

static void failed(struct daemon *d, const struct error *err)
{
	bool is_new = !d->seen.error;

	daemon_note(&d->seen.error, error_text(err));
	loop_timer_set(&d->seen.retry, RETRY_MS);
	if (is_new)
		log_line(LOG_LEVEL_WARNING, "refused packets are not told", "cause",
			 error_text(err), NULL);
}

static void log_ready(void *data, short revents)
{
	struct daemon *d = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	(void)revents;
	if (flow_log_read(d->seen.log, take_packet, d, &err) == 0)
		return;
	close_log(d);
	failed(d, &err);
}

static void open_log(struct daemon *d, uint16_t group)
{
	struct seen *s = &d->seen;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (flow_log_open(-1, group, &s->log, &err) < 0) {
		failed(d, &err);
		return;
	}
	daemon_note(&s->error, NULL);
	s->group = group;
	s->source = (struct loop_source) {
		.fd = flow_log_fd(s->log), .events = POLLIN, .ready = log_ready, .data = d};
	loop_add(&d->loop, &s->source);
	daemon_left_out_begin(d);
}

void daemon_seen_follow(struct daemon *d)
{
	const struct settings *settings = d->world.settings;
	bool wanted = settings && settings->log_rate;

	if (d->seen.log && (!wanted || settings->log_group != d->seen.group))
		close_log(d);
	if (!wanted) {
		daemon_note(&d->seen.error, NULL);
		loop_timer_clear(&d->seen.retry);
	} else if (!d->seen.log && !d->seen.retry.due) {
		open_log(d, settings->log_group);
	}
}

void daemon_seen_due(void *data)
{
	daemon_seen_follow(data);
}

void daemon_seen_done(struct daemon *d)
{
	close_log(d);
	ring_done(&d->seen.logged);
	ring_done(&d->seen.all);
	free(d->seen.error);
}

uint64_t daemon_seen_lost(const struct daemon *d)
{
	const struct seen *s = &d->seen;

	return s->lost + (s->log ? flow_log_lost(s->log) : 0);
}

json_t *daemon_seen_json(const struct daemon *d)
{
	const struct seen *s = &d->seen;

	return json_pack(
		"{s:o, s:o, s:I, s:I, s:I}", "group", s->log ? json_integer(s->group) : json_null(),
		"error", reconcile_json_text(s->error), "packets", (json_int_t)s->packets, "lost",
		(json_int_t)daemon_seen_lost(d), "left_out", (json_int_t)s->left_out.total);
}

/* ---- who watches ---- */

static void add_line(struct buf *out, json_t *value)
{
	CLEANUP_FREE char *line = json_dumps(value, JSON_COMPACT);

	buf_printf(out, "%s\n", line);
	json_decref(value);
}

json_t *daemon_seen_watching(struct daemon *d, bool all)
{
	const struct settings *s = d->world.settings;
	json_t *watching =
		json_pack("{s:s, s:o, s:o}", "event", "watching", "group",
			  d->seen.log ? json_integer(d->seen.group) : json_null(), "error",
			  s && !s->log_rate ? json_string("log.rate is 0: nothing is logged")
					    : reconcile_json_text(d->seen.error));

	if (all)
		json_object_set_new(watching, "flows", daemon_accepted_watched(d));
	return watching;
}

unsigned daemon_seen_stream(void *data, const json_t *request, struct buf *beginning)
{
	struct daemon *d = data;
	const char *verb = json_string_value(json_object_get(request, "verb"));
	bool all = json_is_true(json_object_get(request, "all"));

	if (!verb || strcmp(verb, "watch"))
		return 0;
	ring_print(all ? &d->seen.all : &d->seen.logged, beginning);
	/* From here on it is live. */
	add_line(beginning, daemon_seen_watching(d, all));
	return all ? SEEN_LOGGED | SEEN_FLOWS : SEEN_LOGGED;
}
