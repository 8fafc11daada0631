/*
 * When the checks are made, and who hears of what they find.
 *
 * A change of what is in force has them made a moment later; everything once in a few minutes. Both rest for as many
 * times as long as they took, so that neither this host nor its engine has more than a little to do with them.
 */
#include "daemon.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "describe.h"

#define DEBOUNCE_MS  1000
#define RESTS	     50	    /* times as long as it took: 2 % of a CPU */
#define LEAST_REST   2000   /* ms */
#define POSTURE_REST 10000  /* ms, between two questions to the engine */
#define EVERY_MS     300000 /* without any change */
#define FRESH_MS     30000  /* what is older is looked at again for who asks */
#define TOLD_MAX     100    /* findings of one run that are told one by one */

/* ---- who hears of it ---- */

struct telling {
	struct daemon *d;
	size_t told, left_out;
};

static char *sentence(const struct check_finding *f, const char *state)
{
	return mem_printf("%s %s: %s: %s", check_severity_name(f->severity), state, f->subject,
			  f->check->title);
}

static json_t *event_json(const struct check_finding *f, const char *state, const char *text)
{
	return json_pack("{s:s, s:o, s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "event",
			 "finding", "time", describe_time(time(NULL)), "state", state, "text",
			 reconcile_json_text(text), "severity", check_severity_name(f->severity),
			 "id", f->check->id, "group", f->check->group, "title", f->check->title,
			 "subject", reconcile_json_text(f->subject), "evidence",
			 reconcile_json_text(f->evidence), "remedy",
			 reconcile_json_text(f->remedy));
}

/* What is good practice, and most containers lack, is nothing to read at each start of one. */
static enum log_level level_of(const struct check_finding *f, bool appeared)
{
	if (f->severity == CHECK_INFO)
		return LOG_LEVEL_DEBUG;
	return appeared && f->severity >= CHECK_MEDIUM ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
}

static void tell(struct telling *t, const struct check_finding *f, bool appeared)
{
	const char *state = appeared ? "appeared" : "gone";
	CLEANUP_FREE char *text = sentence(f, state);
	CLEANUP_JSON json_t *event = NULL;
	CLEANUP_FREE char *line = NULL;

	if (t->told == TOLD_MAX) {
		t->left_out++;
		return;
	}
	t->told++;
	log_line(level_of(f, appeared), appeared ? "finding" : "finding gone", "severity",
		 check_severity_name(f->severity), "id", f->check->id, "subject", f->subject,
		 "text", f->check->title, NULL);
	event = event_json(f, state, text);
	line = json_dumps(event, JSON_COMPACT);
	if (!line)
		return;
	control_tell(&t->d->control, SEEN_LOGGED, line);
	daemon_outlet_tell(t->d, OUTPUT_REFUSED, event, line);
}

/* ---- what came and went ---- */

static void on_change(const struct check_finding *f, bool appeared, void *data)
{
	tell(data, f, appeared);
}

static void tell_changes(struct daemon *d, const struct check_report *before)
{
	struct checking *c = &d->checking;
	struct telling t = {.d = d};

	check_report_changes(before, &c->report, &c->unsure, on_change, &t);
	if (t.left_out) {
		CLEANUP_FREE char *n = mem_printf("%zu", t.left_out);

		log_line(LOG_LEVEL_WARNING, "more findings came or went: 'quaywall check' has them",
			 "count", n, NULL);
	}
}

/* ---- a run ---- */

static void settle(struct checking *c, struct checker_result *r)
{
	uint64_t now = loop_now(), rest = r->took_us / 1000 * RESTS;

	c->rest_until = now + (rest > LEAST_REST ? rest : LEAST_REST);
	if (r->posture_us) {
		rest = r->posture_us / 1000 * RESTS;
		c->posture_rest_until = now + (rest > POSTURE_REST ? rest : POSTURE_REST);
	}
	free(c->posture);
	c->posture = r->posture;
	r->posture = NULL;
	json_decref(c->overlay);
	c->overlay = r->overlay;
	r->overlay = NULL;
	if (r->asked)
		c->asked_at = c->started;
}

/* When the next one is due. */
static void schedule(struct daemon *d)
{
	struct checking *c = &d->checking;
	uint64_t now = loop_now();
	uint64_t rest = c->rest_until > now ? c->rest_until - now : 0;

	if (c->behind && c->posture_rest_until > now)
		loop_timer_hasten(&c->due, c->posture_rest_until - now + 1);
	if (c->wanted && !c->checker)
		loop_timer_hasten(&c->due, rest > DEBOUNCE_MS ? rest : DEBOUNCE_MS);
	else if (!c->due.due)
		loop_timer_set_loose(&c->due, EVERY_MS);
}

static void close_checker(struct daemon *d)
{
	loop_remove(&d->loop, &d->checking.source);
	d->checking.checker = NULL;
}

static void checker_ready(void *data, short revents)
{
	struct daemon *d = data;
	struct checking *c = &d->checking;
	struct checker *done = c->checker;
	struct checker_result r;
	struct check_report before = c->report;

	(void)revents;
	close_checker(d);
	checker_take(done, &r);
	c->report = r.report;
	r.report = (struct check_report) {.findings = {.items = NULL}};
	c->at = r.at;
	free(c->answer);
	c->answer = r.answer;
	r.answer = NULL;
	settle(c, &r);
	tell_changes(d, &before);
	check_report_done(&before);
	checker_result_done(&r);
	mem_trim();
	schedule(d);
}

static uint64_t containers_of(const struct model *m)
{
	uint64_t hash = SOURCES_HASH_INIT;

	for (size_t i = 0; i < m->ncontainers; i++)
		if (m->containers[i].running)
			hash = sources_hash(hash, m->containers[i].id, strlen(m->containers[i].id));
	return hash;
}

/* Whether what the engine said is of other containers, or a while ago. It has its rest first. */
static bool asks(struct checking *c, const struct model *m)
{
	uint64_t now = loop_now(), containers = containers_of(m);
	bool differ = !c->asked_at || c->containers != containers;

	c->behind = differ && now < c->posture_rest_until;
	if (now < c->posture_rest_until || (!differ && now - c->asked_at < FRESH_MS))
		return false;
	c->containers = containers;
	return true;
}

static void start(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct checking *c = &d->checking;
	struct checker_input in = {
		.options = d->options,
		.sources = sources_copy(d->world.sources),
		.model = model_copy(d->world.model),
		.posture = c->posture,
		.asks = asks(c, d->world.model),
		.state_folder = mem_strdup(d->state_folder),
		.diag = c->diag,
		.followed = d->learning.followed,
	};

	c->wanted = false;
	c->started = loop_now();
	c->posture = NULL;
	if (checker_start(&in, &c->checker, &err) < 0) {
		daemon_note(&c->error, error_text(&err));
		log_line(LOG_LEVEL_WARNING, "the checks are not made", "cause", c->error, NULL);
		loop_timer_set(&c->due, EVERY_MS);
		return;
	}
	daemon_note(&c->error, NULL);
	c->source = (struct loop_source) {
		.fd = checker_fd(c->checker), .events = POLLIN, .ready = checker_ready, .data = d};
	loop_add(&d->loop, &c->source);
}

void daemon_check_open(struct daemon *d)
{
	if (!d->options->snapshot)
		d->checking.diag = host_diag_open();
}

void daemon_check_due(void *data)
{
	struct daemon *d = data;

	if (d->checking.checker || d->skeleton || !d->world.compiled || !d->world.sources)
		return;
	start(d);
}

void daemon_check_soon(struct daemon *d)
{
	d->checking.wanted = true;
	schedule(d);
}

void daemon_check_done(struct daemon *d)
{
	struct checking *c = &d->checking;
	struct checker *running = c->checker;

	if (running)
		close_checker(d);
	if (checker_stop(running))
		host_diag_close(c->diag);
	check_report_done(&c->report);
	check_report_done(&c->unsure);
	json_decref(c->overlay);
	free(c->posture);
	free(c->answer);
	free(c->error);
}

/* ---- who asks ---- */

static bool is_pending(const struct checking *c)
{
	return c->checker || c->wanted || c->behind || !c->at;
}

void daemon_check_answer(struct daemon *d, struct buf *out)
{
	struct checking *c = &d->checking;

	if (c->at && !c->checker && loop_now() - c->started >= FRESH_MS)
		daemon_check_soon(d);
	buf_printf(out, "{\"pending\":%s", is_pending(c) ? "true" : "false");
	if (c->answer)
		buf_printf(out, ",%s", c->answer + 1);
	else
		buf_char(out, '}');
}

json_t *daemon_check_json(const struct daemon *d)
{
	const struct checking *c = &d->checking;
	size_t counts[CHECK_SEVERITIES], open = 0;
	json_t *by = json_object();

	check_report_count(&c->report, counts);
	for (int i = CHECK_SEVERITIES; i-- > 0; open += counts[i])
		json_object_set_new(by, check_severity_name((enum check_severity)i),
				    json_integer((json_int_t)counts[i]));
	return json_pack("{s:o, s:o, s:I, s:I, s:b, s:o}", "checked", describe_time(c->at),
			 "counts", by, "suppressed", (json_int_t)(c->report.findings.len - open),
			 "not_checked", (json_int_t)c->report.gaps.len, "pending", is_pending(c),
			 "error", reconcile_json_text(c->error));
}
