#include "daemon.h"

#include <netinet/in.h>
#include <poll.h>
#include <search.h>
#include <stdlib.h>
#include <time.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "record.h"

#define GATHER_MS  50 /* events are read in batches: most of an event's cost is being woken for it */
#define MORE_MS	   1  /* the loop serves others between */
#define RETRY_MS   10000 /* there was no memory */
#define SAY_MS	   1000
#define LIVING_MAX 65536

/* After a loss the flows of then are looked for soon, after more of them at most so often: a walk through a large table
 * takes 100 ms, a few of them in each turn of the loop. */
#define REPAIR_MS      1000
#define REPAIR_REST_MS 10000
#define WALK_TURN_US   5000

/* Of one CPU: 8 %, gathered for 2.5 s. Below half of it lines are left out, which are the most of the cost. */
#define BUDGET_PERMILLE 80
#define BUDGET_US	200000
#define BUDGET_LINES_US (BUDGET_US / 2)
#define KEPT_LINES	16 /* of a batch, for who watches later */
#define BUDGET_STEP	16 /* the clock is looked at once in so many events */

/* ---- what it may cost ---- */

struct batch {
	struct daemon *d;
	struct cut_view view;
	struct timespec now;
	bool wants_lines;
	unsigned kept;	  /* lines, where nobody wants them now */
	int64_t began_us; /* of the thread's CPU time */
	unsigned since;	  /* events since the clock was looked at */
	int64_t left_us;
};

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void refill(struct accepted *a)
{
	uint64_t now = loop_now(), since = now - a->refilled_ms;

	if (!a->refilled_ms || since > BUDGET_US / BUDGET_PERMILLE)
		a->budget_us = BUDGET_US;
	else
		a->budget_us += (int64_t)since * BUDGET_PERMILLE;
	if (a->budget_us > BUDGET_US)
		a->budget_us = BUDGET_US;
	a->refilled_ms = now;
}

static bool is_told(const struct daemon *d)
{
	return control_has_streams(&d->control, SEEN_FLOWS) || daemon_outlet_wants_flows(d);
}

static struct batch batch_begin(struct daemon *d)
{
	struct batch b = {.d = d, .began_us = cpu_us()};

	refill(&d->accepted);
	b.left_us = d->accepted.budget_us;
	b.wants_lines = is_told(d);
	if (d->world.compiled)
		b.view = cut_view_of(d->world.compiled, d->host);
	clock_gettime(CLOCK_REALTIME, &b.now);
	return b;
}

static int64_t left_us(struct batch *b)
{
	if (b->since++ % BUDGET_STEP == 0)
		b->left_us = b->d->accepted.budget_us - (cpu_us() - b->began_us);
	return b->left_us;
}

/* What was read while there was nothing left makes no debt: the rest is as long for it. */
static void batch_end(struct batch *b)
{
	struct accepted *a = &b->d->accepted;

	a->budget_us -= cpu_us() - b->began_us;
	if (a->budget_us < 0)
		a->budget_us = 0;
}

/* ---- which flows there are ---- */

static int compare_ids(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return (x > y) - (x < y);
}

/* 0 is no pointer that a tree can hold. */
static void *key_of(const struct flow_entry *e)
{
	return (void *)((uintptr_t)e->id + 1);
}

static bool has_id(struct flow_ids *ids, const struct flow_entry *e)
{
	return tfind(key_of(e), &ids->tree, compare_ids);
}

/* False where it was there. */
static bool add_id(struct flow_ids *ids, const struct flow_entry *e)
{
	if (has_id(ids, e))
		return false;
	if (ids->n >= LIVING_MAX)
		return true;
	if (!tsearch(key_of(e), &ids->tree, compare_ids))
		abort(); /* out of memory */
	ids->n++;
	return true;
}

static void remove_id(struct flow_ids *ids, const struct flow_entry *e)
{
	if (!has_id(ids, e))
		return;
	tdelete(key_of(e), &ids->tree, compare_ids);
	ids->n--;
}

static void keep_id(void *node)
{
	(void)node;
}

static void forget(struct flow_ids *ids)
{
	tdestroy(ids->tree, keep_id);
	*ids = (struct flow_ids) {NULL, 0};
}

/* ---- one flow ---- */

static void tell(struct batch *b, const struct flow *f, const struct flow_event *event,
		 enum record_state state, const struct verdict *v)
{
	CLEANUP_JSON json_t *record = NULL;

	record = record_of_event(b->view.compiled, f, v, event, state, &b->now);
	daemon_seen_tell(b->d, SEEN_FLOWS, record);
}

/* What began before conntrack saw it is told as conntrack has it, but is to make no rule for a client's port. */
static void learn(struct batch *b, const struct flow_entry *entry, const struct flow *flow,
		  const struct verdict *verdict, bool ends)
{
	struct flow_entry e = *entry;
	struct flow f = *flow;
	struct verdict v = *verdict;

	if (!flow_entry_turn(&e) || (e.midway && !cut_verdict(&b->view, &e, &f, &v)))
		return;
	if (v.verdict != FLOW_DENY && !ends)
		daemon_learn_flow(b->d, &f, v.verdict);
	else if (v.verdict != FLOW_DENY && e.protocol == IPPROTO_TCP && !e.answered)
		daemon_learn_unanswered(b->d, &f);
}

static void take(struct batch *b, const struct flow_event *event, enum record_state state)
{
	struct accepted *a = &b->d->accepted;
	int64_t left = left_us(b);
	struct verdict v;
	struct flow f;

	if (!b->view.compiled)
		return;
	if (left <= 0) {
		a->not_judged++;
		return;
	}
	if (!cut_verdict(&b->view, &event->entry, &f, &v))
		return;
	*(state == RECORD_ENDS ? &a->ended : &a->begun) += 1;
	a->found += state == RECORD_FOUND;
	learn(b, &event->entry, &f, &v, state == RECORD_ENDS);
	if (left > BUDGET_LINES_US && (b->wants_lines || b->kept++ < KEPT_LINES))
		tell(b, &f, event, state, &v);
	else if (b->wants_lines)
		a->not_told++;
}

static void take_event(const struct flow_event *event, void *data)
{
	struct batch *b = data;
	struct accepted *a = &b->d->accepted;

	if (event->kind == FLOW_ENDS) {
		remove_id(&a->living, &event->entry);
		remove_id(&a->walked, &event->entry);
		if (a->walk)
			add_id(&a->gone, &event->entry);
	} else if (!add_id(&a->living, &event->entry)) {
		return; /* found by a look, which was before this was read */
	} else if (a->walk) {
		add_id(&a->walked, &event->entry);
	}
	take(b, event, event->kind == FLOW_ENDS ? RECORD_ENDS : RECORD_BEGINS);
}

/* Those who watch know that they do not see everything; once a second is enough. */
static void say_left_out(struct accepted *a)
{
	if (a->not_told + a->not_judged != a->said && !a->say.due)
		loop_timer_set(&a->say, SAY_MS);
}

void daemon_accepted_say(void *data)
{
	struct daemon *d = data;
	struct accepted *a = &d->accepted;
	uint64_t all = a->not_told + a->not_judged;
	CLEANUP_JSON json_t *event =
		json_pack("{s:s, s:I}", "event", "counted", "flows", (json_int_t)(all - a->said));
	CLEANUP_FREE char *line = json_dumps(event, JSON_COMPACT);

	control_tell(&d->control, SEEN_FLOWS, line);
	daemon_outlet_tell(d, OUTPUT_ALL, event, line);
	a->said = all;
}

/* ---- what no event told ---- */

static void repair_soon(struct accepted *a)
{
	uint64_t since = loop_now() - a->repaired_ms;
	uint64_t rest = a->repaired_ms && since < REPAIR_REST_MS ? REPAIR_REST_MS - since : 0;

	a->walks_again = a->walk != NULL;
	if (!a->walk && !a->repair.due)
		loop_timer_set(&a->repair, rest > REPAIR_MS ? rest : REPAIR_MS);
}

static void take_living(const struct flow_entry *e, void *data)
{
	struct batch *b = data;
	struct accepted *a = &b->d->accepted;
	struct flow_event event = {.kind = FLOW_BEGINS, .entry = *e};

	if (has_id(&a->gone, e))
		return;
	/* A walk that is begun anew shows it again. */
	if (add_id(&a->walked, e) && add_id(&a->living, e))
		take(b, &event, RECORD_FOUND);
}

static void end_walk(struct accepted *a)
{
	flow_walk_end(a->walk);
	a->walk = NULL;
	forget(&a->walked);
	forget(&a->gone);
}

/* What has gone without a word is known no more. */
static void finish_walk(struct accepted *a)
{
	forget(&a->living);
	a->living = a->walked;
	a->walked = (struct flow_ids) {NULL, 0};
	end_walk(a);
	a->repaired_ms = loop_now();
	a->rest_ms = a->walk_us / BUDGET_PERMILLE;
	if (a->walks_again)
		repair_soon(a);
}

static void fail_walk(struct accepted *a, const struct error *err)
{
	end_walk(a);
	a->repaired_ms = loop_now();
	log_line(LOG_LEVEL_WARNING, "flows that exist are not told", "cause", error_text(err),
		 NULL);
}

/* The flows that exist: those that began before anybody listened, or whose event was lost. What both began and ended
 * unseen stays so. Some pieces in each turn of the loop: of a full table it takes a second. */
static void walk_on(struct daemon *d)
{
	struct accepted *a = &d->accepted;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	uint64_t began = loop_now_us();
	struct batch b = batch_begin(d);
	int r = 1;

	while (r == 1 && loop_now_us() - began < WALK_TURN_US)
		r = flow_walk_on(a->walk, take_living, &b, &err);
	batch_end(&b);
	a->walk_us += loop_now_us() - began;
	if (r == 1)
		loop_timer_set(&a->repair, MORE_MS);
	else if (r == 0)
		finish_walk(a);
	else
		fail_walk(a, &err);
	say_left_out(a);
}

static void begin_walk(struct daemon *d)
{
	struct accepted *a = &d->accepted;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	a->walk_us = 0;
	a->walks_again = false;
	if (flow_walk_begin(-1, &a->walk, &err) < 0)
		fail_walk(a, &err);
	else
		walk_on(d);
}

/* Whose they are only the engine tells: before, they would be taken for known and never be told. */
void daemon_accepted_repair(void *data)
{
	struct daemon *d = data;

	d->accepted.waits = !d->world.compiled || d->skeleton;
	if (!d->accepted.events || d->accepted.waits)
		end_walk(&d->accepted);
	else if (d->accepted.walk)
		walk_on(d);
	else
		begin_walk(d);
}

/* Of who comes and goes, each coming is a look: together they get no more of the time than events do. */
static void look_soon(struct accepted *a)
{
	uint64_t since = loop_now() - a->repaired_ms;
	uint64_t rest = since < a->rest_ms ? a->rest_ms - since : 0;

	loop_timer_set(&a->repair, rest > MORE_MS ? rest : MORE_MS);
}

/* ---- the subscription ---- */

static void stop(struct daemon *d)
{
	struct accepted *a = &d->accepted;

	if (a->events)
		loop_remove(&d->loop, &a->source);
	flow_events_close(a->events);
	a->events = NULL;
	end_walk(a);
	forget(&a->living);
	loop_timer_clear(&a->due);
	loop_timer_clear(&a->repair);
}

static void failed(struct daemon *d, const struct error *err)
{
	bool is_new = !d->accepted.error;

	daemon_note(&d->accepted.error, error_text(err));
	loop_timer_set(&d->accepted.due, RETRY_MS);
	if (is_new)
		log_line(LOG_LEVEL_WARNING, "flows that pass are not followed", "cause",
			 error_text(err), NULL);
}

/* Nothing is read yet: more may come, and is read with it. */
static void ready(void *data, short revents)
{
	struct daemon *d = data;

	(void)revents;
	loop_remove(&d->loop, &d->accepted.source);
	loop_timer_set(&d->accepted.due, GATHER_MS);
}

static void start(struct daemon *d)
{
	struct accepted *a = &d->accepted;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (flow_events_open(-1, &a->events, &err) < 0) {
		failed(d, &err);
		return;
	}
	daemon_note(&a->error, NULL);
	a->source = (struct loop_source) {
		.fd = flow_events_fd(a->events), .events = POLLIN, .ready = ready, .data = d};
	loop_add(&d->loop, &a->source);
	loop_timer_clear(&a->due);
	/* Once who asked for it is there to be told. */
	look_soon(a);
}

static bool is_permitted(const struct daemon *d)
{
	return d->world.settings && d->world.settings->flows != FLOWS_NEVER;
}

static bool is_wanted(const struct daemon *d)
{
	return is_permitted(d) &&
	       (d->world.settings->flows == FLOWS_ALWAYS || daemon_learn_wants_flows(d) ||
		daemon_alert_wants_flows(d) || is_told(d));
}

/* Who watches them was told otherwise when he began. */
static void say_permitted(struct daemon *d)
{
	bool forbidden = d->world.settings && !is_permitted(d);
	CLEANUP_JSON json_t *watching = NULL;
	CLEANUP_FREE char *line = NULL;

	if (forbidden == d->accepted.forbidden)
		return;
	d->accepted.forbidden = forbidden;
	watching = daemon_seen_watching(d, true);
	line = json_dumps(watching, JSON_COMPACT);
	control_tell(&d->control, SEEN_FLOWS, line);
}

void daemon_accepted_follow(struct daemon *d)
{
	struct accepted *a = &d->accepted;

	if (!is_wanted(d)) {
		daemon_note(&a->error, NULL);
		stop(d);
	} else if (!a->events && !a->due.due) {
		start(d);
	}
	say_permitted(d);
	if (a->waits)
		loop_timer_set(&a->repair, MORE_MS);
}

json_t *daemon_accepted_watched(struct daemon *d)
{
	struct accepted *a = &d->accepted;

	if (!is_permitted(d))
		return json_pack("{s:s}", "error", "flows: never, as the settings say");
	if (!a->events && !a->due.due)
		start(d);
	return json_pack("{s:o}", "error", reconcile_json_text(a->error));
}

/* Reads what has come, but no longer than the loop can do without. */
static void read_events(struct daemon *d)
{
	struct accepted *a = &d->accepted;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct batch b = batch_begin(d);
	bool lost;
	int r = flow_events_read(a->events, take_event, &b, &lost, &err);

	batch_end(&b);
	if (lost) {
		a->losses++;
		repair_soon(a);
	}
	if (r < 0) {
		stop(d);
		failed(d, &err);
	} else if (r > 0) {
		loop_timer_set(&a->due, MORE_MS);
	} else {
		loop_add(&d->loop, &a->source);
	}
	say_left_out(a);
}

void daemon_accepted_due(void *data)
{
	struct daemon *d = data;

	if (!is_wanted(d) || !d->accepted.events)
		daemon_accepted_follow(d);
	else
		read_events(d);
}

void daemon_accepted_done(struct daemon *d)
{
	stop(d);
	free(d->accepted.error);
}

json_t *daemon_accepted_json(const struct daemon *d)
{
	const struct accepted *a = &d->accepted;

	return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "followed", a->events != NULL,
			 "error", reconcile_json_text(a->error), "begun", (json_int_t)a->begun,
			 "ended", (json_int_t)a->ended, "found", (json_int_t)a->found, "not_told",
			 (json_int_t)a->not_told, "not_judged", (json_int_t)a->not_judged, "losses",
			 (json_int_t)a->losses);
}
