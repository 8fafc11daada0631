#include "session-internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "node.h"

#include "quaywall/mem.h"

#define REQUEST_SECONDS	     30
#define OBJECT_SECONDS	     10 /* of a request for one object, for which the rest need not wait */
#define RUNNING_MAX	     8	/* requests at a time */
#define RUNNING_FIRST_MAX    12 /* and so many with the networks of events, which wait for nothing */
#define RUNNING_SLOW_MAX     4	/* beside them */
#define RUNNING_LISTING_MAX  4	/* of which for a listing, so that events do not wait for it */
#define SETTLE_MS	     5	/* a model waits so long for answers that are under way */
#define SINCE_SECONDS	     2
#define LIST_REST_MS	     1000 /* from one listing to the next, however much asks for one */
#define IMAGES_AGAIN_MAX     16	  /* images that a listing reads again */
#define ENGINE_MESSAGE_SHOWN 300  /* bytes */
#define DROPS		     256 /* containers that are gone, until what is kept of them is looked through */

/* A job whose request is under way. */
struct errand {
	struct errand *next;
	struct session *session;
	struct job *job;
};

int64_t session_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void session_note_change(struct session *s)
{
	if (s->changed)
		return;
	s->changed = true;
	s->changed_at = session_now();
}

void session_note_urgent(struct session *s)
{
	session_note_change(s);
	s->hasty = true;
}

/* ---- failing ---- */

void session_note_trouble(struct session *s, struct error *why)
{
	error_wrap(why, -EPROTO, "%s", s->options->url);
	session_list_within(s, trouble_note(&s->trouble, why, session_now()));
}

void session_fail(struct session *s, int code, struct error *why)
{
	if (s->failed)
		return;
	s->failed = code;
	s->error = *why;
	*why = (struct error)ERROR_INIT;
}

/* The engine's own words, {"message": "…"}, or nothing. */
static void add_message(const struct http_reply *reply, struct buf *out)
{
	CLEANUP_JSON json_t *json = json_loadb(reply->body, reply->len, 0, NULL);
	const char *message = json_string_value(json_object_get(json, "message"));

	if (!message)
		return;
	buf_str(out, ": ");
	for (size_t n = 0; *message && n < ENGINE_MESSAGE_SHOWN; message++, n++)
		buf_char(out, (unsigned char)*message < ' ' ? ' ' : *message);
}

int session_check(const struct http_reply *reply, struct error *err)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	int code = reply->code;

	if (code < 0)
		return error_set(err, code, "GET %s: %s", reply->path, reply->why);
	if (reply->status == 200)
		return 0;
	add_message(reply, &message);
	code = reply->status == 401 || reply->status == 403 ? -EACCES : -EPROTO;
	return error_set(err, code, "GET %s: HTTP status %ld%s", reply->path, reply->status,
			 buf_text(&message));
}

bool session_expect(struct session *s, const struct http_reply *reply)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = session_check(reply, &err);

	if (r < 0)
		session_fail(s, r, &err);
	return r == 0;
}

/* ---- jobs ---- */

static void end_listing(struct session *s)
{
	s->listing = false;
	s->listing_ended = true;
	if (!s->listed)
		session_note_change(s); /* even where there is nothing, that is worth a model */
	else if (s->listing_found && !s->listing_announced && s->events == s->listing_events)
		s->repaired++;
	s->listed = true;
	trouble_end_listing(&s->trouble);
	inventory_prune_images(s->inventory);
	rechecks_forget_missing(&s->rechecks);
	s->trim = true;
	if (s->listing_again)
		session_list_within(s, 0);
}

/* Takes ERRAND off the session's list. Returns its job. */
static struct job *end_errand(struct session *s, struct errand *errand)
{
	struct errand **at = &s->errands;
	struct job *job = errand->job;

	while (*at != errand)
		at = &(*at)->next;
	*at = errand->next;
	free(errand);
	return job;
}

/* When what is under way was asked for first; else when the next request will be. */
static uint64_t oldest_asked(const struct session *s)
{
	uint64_t oldest = s->clock + 1;

	for (const struct errand *e = s->errands; e; e = e->next)
		if (e->job->asked < oldest)
			oldest = e->job->asked;
	return oldest;
}

void session_note_drop(struct session *s)
{
	if (++s->drops < DROPS)
		return;
	s->drops = 0;
	inventory_sweep_containers(s->inventory, oldest_asked(s));
}

static void on_answer(void *data, const struct http_reply *reply)
{
	struct errand *errand = data;
	struct session *s = errand->session;
	struct job *job = end_errand(s, errand);
	bool found = !s->failed && answers_take(s, job, reply);

	if (found)
		session_note_change(s);
	s->running--;
	if (job->listing) {
		s->running_listing--;
		s->listing_found |= found;
		s->listing_left--;
		if (s->listing_left == 0 && !s->failed)
			end_listing(s);
	}
	job_free(job);
}

static void on_bindings(void *data, const struct http_reply *reply)
{
	struct errand *errand = data;
	struct session *s = errand->session;
	struct job *job = end_errand(s, errand);

	s->running_slow--;
	if (!s->failed && answers_take_bindings(s, job, reply))
		session_note_change(s);
	job_free(job);
}

static void add_container_filter(const char *id, struct buf *out)
{
	CLEANUP_JSON json_t *filter = json_pack("{s:[s]}", "id", id);
	CLEANUP_FREE char *text = json_dumps(filter, JSON_COMPACT);

	http_escape(text ? text : "{}", out);
}

static void add_path(const struct job *job, struct buf *out)
{
	switch (job->kind) {
	case JOB_NETWORK_LIST:
		buf_str(out, "/networks");
		break;
	case JOB_CONTAINER_LIST:
		buf_str(out, "/containers/json?all=1");
		break;
	case JOB_NETWORK:
		buf_str(out, "/networks/");
		http_escape(job->id, out);
		break;
	case JOB_CONTAINER:
		buf_str(out, "/containers/json?all=1&filters=");
		add_container_filter(job->id, out);
		break;
	case JOB_IMAGE:
		buf_str(out, "/images/");
		http_escape(job->id, out);
		buf_str(out, "/json");
		break;
	case JOB_BINDINGS:
		buf_str(out, "/containers/");
		http_escape(job->id, out);
		buf_str(out, "/json");
		break;
	}
}

static struct errand *begin_errand(struct session *s, struct job *job)
{
	struct errand *errand = mem_new(1, sizeof(*errand));

	*errand = (struct errand) {s->errands, s, job};
	s->errands = errand;
	job->asked = ++s->clock;
	return errand;
}

static void run(struct session *s, struct job *job)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct errand *errand = begin_errand(s, job);

	s->running++;
	s->running_listing += job->listing;
	add_path(job, &path);
	http_get(s->http, buf_text(&path), job->id ? OBJECT_SECONDS : REQUEST_SECONDS, on_answer,
		 errand);
}

/* In places of its own: what it asks for may take as long as a container's start. */
static void run_slow(struct session *s, struct job *job)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct errand *errand = begin_errand(s, job);

	s->running_slow++;
	add_path(job, &path);
	http_get(s->http, buf_text(&path), OBJECT_SECONDS, on_bindings, errand);
}

static void run_jobs(struct session *s)
{
	struct job *job;

	while (s->running < RUNNING_FIRST_MAX && (job = jobs_take(&s->first)))
		run(s, job);
	while (s->running < RUNNING_MAX && (job = jobs_take(&s->urgent)))
		run(s, job);
	while (s->running < RUNNING_MAX && s->running_listing < RUNNING_LISTING_MAX &&
	       (job = jobs_take(&s->background)))
		run(s, job);
	while (s->running_slow < RUNNING_SLOW_MAX && (job = jobs_take(&s->bindings)))
		run_slow(s, job);
}

static void add_image(void *data, const char *id)
{
	follow_add(data, JOB_IMAGE, id, true);
}

/* Whether it is left to a listing that begins now, or to what it does, to read something that events announced. */
static bool is_announced(const struct session *s)
{
	return s->overflowed || s->second_listing || s->running || jobs_wait(&s->first) ||
	       jobs_wait(&s->urgent) || rechecks_next(&s->rechecks) != INT64_MAX;
}

void session_list(struct session *s)
{
	if (s->listing) { /* it may have asked before what this one is for */
		s->listing_again = true;
		return;
	}
	s->listing = true;
	s->listing_again = false;
	s->list_began = session_now();
	/* The engine's list of containers lags behind its events: what was left to this listing gets a second one. */
	s->list_due = s->overflowed ? s->list_began + LIST_REST_MS : INT64_MAX;
	s->listing_announced = is_announced(s);
	s->second_listing = s->overflowed;
	s->overflowed = false;
	trouble_begin_listing(&s->trouble);
	s->listing_found = false;
	s->listing_events = s->events;
	follow_add(s, JOB_CONTAINER_LIST, NULL, true);
	follow_add(s, JOB_NETWORK_LIST, NULL, true);
	/* An image never changes, but what was read of it may have been wrong. The first listing waits for none. */
	if (s->listed)
		inventory_oldest_images(s->inventory, IMAGES_AGAIN_MAX, add_image, s);
}

void session_list_within(struct session *s, int64_t ms)
{
	int64_t due = session_now() + ms;

	if (due < s->list_began + LIST_REST_MS)
		due = s->list_began + LIST_REST_MS;
	if (due < s->list_due)
		s->list_due = due;
}

/* ---- the course ---- */

static void on_stream_begin(void *data)
{
	struct session *s = data;

	s->stream_due = 0;
	session_list(s);
}

static void on_stream_chunk(void *data, const char *bytes, size_t len)
{
	follow_feed(data, bytes, len);
}

static void on_stream_done(void *data, const struct http_reply *reply)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct session *s = data;

	if (reply->code < 0)
		error_set(&err, reply->code, "the event stream broke: %s", reply->why);
	else if (session_expect(s, reply))
		error_set(&err, -ECONNRESET, "the engine ended the event stream");
	session_fail(s, -ECONNRESET, &err);
}

/* Subscribes, and lists once the engine has answered. Its answer begins a moment before it subscribes us,
 * so a little of what was is asked for too: reading something twice does no harm. */
static void subscribe(struct session *s)
{
	static const struct http_stream stream = {on_stream_begin, on_stream_chunk, on_stream_done};
	CLEANUP_BUF struct buf path = BUF_INIT;
	long long since = (long long)time(NULL) - SINCE_SECONDS;

	/* A clock that stands before 1970 and a little would make a time that the engine cannot read. */
	if (since < 0)
		since = 0;
	buf_printf(&path, "/events?since=%lld&filters=", since);
	http_escape(events_filter, &path);
	s->stream_due = session_now() + REQUEST_SECONDS * 1000;
	http_stream(s->http, buf_text(&path), &stream, s);
}

static void on_info(void *data, const struct http_reply *reply)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct session *s = data;
	int r;

	if (!session_expect(s, reply))
		return;
	r = version_read_info(reply->body, reply->len, &s->engine_id, &err);
	if (r < 0)
		session_fail(s, r, &err);
	else if (s->follow)
		subscribe(s);
	else
		session_list(s);
}

static void on_version(void *data, const struct http_reply *reply)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct session *s = data;
	int r;

	if (!session_expect(s, reply))
		return;
	r = version_read(reply->body, reply->len, reply->libpod, &s->version, &err);
	if (r < 0) {
		session_fail(s, r, &err);
		return;
	}
	http_set_version(s->http, s->version.api_version);
	http_get(s->http, "/info", REQUEST_SECONDS, on_info, s);
}

int session_new(const struct session_options *options, struct session **ret, struct error *err)
{
	CLEANUP_SESSION struct session *s = mem_new(1, sizeof(*s));
	int r = http_new(options->docker, &s->http, err);

	if (r < 0)
		return r;
	s->options = options->docker;
	s->follow = options->follow;
	s->inventory = inventory_new();
	s->list_due = INT64_MAX;
	http_get(s->http, "/version", options->first_seconds, on_version, s);
	*ret = s;
	s = NULL;
	return 0;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	http_free(s->http);
	while (s->errands)
		job_free(end_errand(s, s->errands));
	inventory_free(s->inventory);
	version_done(&s->version);
	free(s->engine_id);
	jobs_done(&s->first);
	jobs_done(&s->urgent);
	jobs_done(&s->background);
	jobs_done(&s->bindings);
	rechecks_done(&s->rechecks);
	events_lines_done(&s->lines);
	trouble_done(&s->trouble);
	error_done(&s->error);
	free(s);
}

struct inventory *session_inventory(struct session *s)
{
	return s->inventory;
}

static bool is_settled(const struct session *s)
{
	return s->hasty || (s->running == s->running_listing && !jobs_wait(&s->first) &&
			    !jobs_wait(&s->urgent));
}

/* How long nothing needs to be done but waiting. */
static int wait_ms(const struct session *s, int ms)
{
	int64_t now = session_now(), due = INT64_MAX;

	if (s->stream_due)
		due = s->stream_due;
	if (s->listed && rechecks_next(&s->rechecks) < due)
		due = rechecks_next(&s->rechecks);
	if (s->listed && !s->listing && s->list_due < due)
		due = s->list_due;
	if (s->listed && s->changed && s->changed_at + SETTLE_MS < due)
		due = s->changed_at + SETTLE_MS;
	if (due <= now)
		return 0;
	return due - now < ms ? (int)(due - now) : ms;
}

/* The stream has no time limit, but its beginning has. */
static void check_stream(struct session *s)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (!s->stream_due || session_now() < s->stream_due)
		return;
	error_set(&err, -ETIMEDOUT, "GET /events: no answer within %d s", REQUEST_SECONDS);
	session_fail(s, -ETIMEDOUT, &err);
}

static void run_due(struct session *s)
{
	check_stream(s);
	if (!s->listed)
		return;
	rechecks_run(&s->rechecks, session_now(), follow_recheck, s);
	if (!s->listing && s->list_due <= session_now())
		session_list(s);
}

/* What a listing was read from is as large as the host. Its model is handed on by now. */
static void trim(struct session *s)
{
	if (s->trim && !s->changed)
		mem_trim();
	s->trim &= s->changed;
}

int session_turn(struct session *s, int ms, struct error *err)
{
	trim(s);
	run_due(s);
	run_jobs(s);
	http_turn(s->http, wait_ms(s, ms));
	if (s->failed)
		return error_set(err, s->failed, "%s: %s", s->options->url, error_text(&s->error));
	run_jobs(s);
	return 0;
}

void session_wakeup(struct session *s)
{
	http_wakeup(s->http);
}

bool session_is_listed(const struct session *s)
{
	return s->listed;
}

bool session_ended_listing(struct session *s)
{
	bool ended = s->listing_ended;

	s->listing_ended = false;
	return ended;
}

struct model *session_take(struct session *s)
{
	struct model *m;

	if (!s->listed || !s->changed ||
	    (!is_settled(s) && session_now() < s->changed_at + SETTLE_MS))
		return NULL;
	s->changed = s->hasty = false;
	m = inventory_model(s->inventory);
	m->engine_id = mem_strdup(s->engine_id);
	m->engine_name = mem_strdup(s->version.engine_name);
	m->engine_version = mem_strdup(s->version.engine_version);
	m->api_version = mem_strdup(s->version.api_version);
	return m;
}

unsigned long session_events(const struct session *s)
{
	return s->events;
}

unsigned long session_repaired(const struct session *s)
{
	return s->repaired;
}

const char *session_trouble(const struct session *s)
{
	return s->trouble.text;
}
