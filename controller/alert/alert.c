#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define HASH_INIT 14695981039346656037u

struct alert_table {
	struct alert_limits limits;
	uint64_t seed; /* so that nobody can choose targets that look like one */
	struct source containers[ALERT_SOURCES], others[ALERT_SOURCES];
	uint64_t minute_ms; /* when the minute began that `in_minute` counts */
	uint32_t in_minute;
	uint64_t suppressed;
};

/* One event, while it is looked at. */
struct turn {
	struct alert_table *table;
	struct source *source;
	const struct alert_event *event;
	void (*raise)(void *data, const struct alert *alert);
	void *data;
};

const char *alert_kind_name(enum alert_kind kind)
{
	static const char *const names[] = {
		[ALERT_SCAN] = "scan",
		[ALERT_FLOOD] = "flood",
		[ALERT_SPOOFING] = "spoofing",
		[ALERT_NEW_FLOW] = "new-flow",
	};

	return names[kind];
}

struct alert_table *alert_table_new(const struct alert_limits *limits)
{
	struct alert_table *t = mem_new(1, sizeof(*t));

	t->limits = *limits;
	if (t->limits.scan.count > ALERT_TARGETS_MAX)
		t->limits.scan.count = ALERT_TARGETS_MAX;
	t->seed = HASH_INIT ^ (uint64_t)(uintptr_t)t;
	return t;
}

void alert_table_free(struct alert_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < ALERT_SOURCES; i++) {
		source_done(&t->containers[i]);
		source_done(&t->others[i]);
	}
	free(t);
}

uint64_t alert_suppressed(const struct alert_table *t)
{
	return t->suppressed;
}

/* ---- telling ---- */

static bool may_tell(struct alert_table *t, uint64_t ms)
{
	if (!t->in_minute || ms - t->minute_ms >= 60000) {
		t->minute_ms = ms;
		t->in_minute = 0;
	}
	if (t->in_minute == ALERT_A_MINUTE)
		return false;
	t->in_minute++;
	return true;
}

static void fill(struct alert *a, const struct episode *e, const struct alert_event *event)
{
	a->inside = event->inside;
	source_copy(a->from, sizeof(a->from), event->from);
	source_copy(a->from_address, sizeof(a->from_address), event->from_address);
	source_copy(a->to.name, sizeof(a->to.name), event->to);
	source_copy(a->to.address, sizeof(a->to.address), event->to_address);
	source_copy(a->to.ports, sizeof(a->to.ports), event->ports);
	a->count = e->count;
	a->first = e->first;
	a->last = e->last;
	a->nexamples = e->nexamples;
	if (e->nexamples)
		memcpy(a->examples, e->examples, e->nexamples * sizeof(*a->examples));
}

/* A, whose kind is set, unless its episode was told already. */
static void tell(const struct turn *turn, uint32_t at_once, struct alert *a)
{
	struct episode *e = &turn->source->episodes[a->kind];

	if (!episode_is_due(e, at_once, turn->event->ms))
		return;
	if (!may_tell(turn->table, turn->event->ms)) {
		turn->table->suppressed += !e->suppressed;
		e->suppressed = true;
		return;
	}
	e->suppressed = false;
	a->again = e->told >= at_once;
	e->told++;
	e->told_ms = turn->event->ms;
	fill(a, e, turn->event);
	turn->raise(turn->data, a);
}

static struct episode *take(const struct turn *turn, enum alert_kind kind)
{
	struct episode *e = &turn->source->episodes[kind];

	episode_add(e, turn->event);
	episode_keep_example(e, turn->event);
	return e;
}

/* ---- kinds ---- */

static uint64_t target_hash(const struct alert_table *t, const struct alert_event *event)
{
	return source_hash(source_hash(t->seed, event->to_address), event->ports);
}

static void look_for_scan(const struct turn *turn)
{
	const struct alert_limit *limit = &turn->table->limits.scan;
	const struct episode *e;
	struct alert a = {.kind = ALERT_SCAN, .seconds = limit->seconds};

	if (!limit->count)
		return;
	e = take(turn, ALERT_SCAN);
	a.different = source_try(turn->source, limit, target_hash(turn->table, turn->event),
				 turn->event->ms);
	/* What goes on more slowly than at the beginning is still the same scan. */
	if (a.different >= limit->count || (e->told && a.different > 1))
		tell(turn, 1, &a);
}

static void look_for_flood(const struct turn *turn)
{
	const struct alert_limit *limit = &turn->table->limits.flood;
	struct alert a = {.kind = ALERT_FLOOD, .seconds = limit->seconds};

	if (!limit->count || !turn->event->inside)
		return;
	if (episode_reaches(take(turn, ALERT_FLOOD), limit, turn->event->ms))
		tell(turn, 1, &a);
}

static void look_for_spoofing(const struct turn *turn)
{
	const struct alert_limit limit = {ALERT_SPOOFED_FRAMES, 60};
	struct alert a = {.kind = ALERT_SPOOFING, .seconds = limit.seconds};

	if (!turn->table->limits.spoofing || !turn->event->inside)
		return;
	if (episode_reaches(take(turn, ALERT_SPOOFING), &limit, turn->event->ms))
		tell(turn, 1, &a);
}

/* Each is new only once. */
static void tell_new_flow(const struct turn *turn)
{
	struct alert a = {.kind = ALERT_NEW_FLOW};

	take(turn, ALERT_NEW_FLOW);
	tell(turn, ALERT_NEW_FLOWS, &a);
}

void alert_take(struct alert_table *t, const struct alert_event *event,
		void (*raise)(void *data, const struct alert *alert), void *data)
{
	const char *key = event->inside ? event->from : event->from_address;
	struct turn turn = {.table = t, .event = event, .raise = raise, .data = data};
	char name[ALERT_NAME_SIZE];

	source_copy(name, sizeof(name), key);
	turn.source = source_find(event->inside ? t->containers : t->others, ALERT_SOURCES,
				  source_hash(t->seed, name), name);
	turn.source->last_ms = event->ms;
	switch (event->kind) {
	case ALERT_REFUSED:
		look_for_scan(&turn);
		look_for_flood(&turn);
		return;
	case ALERT_SPOOFED:
		look_for_spoofing(&turn);
		return;
	case ALERT_PASSED_NEW:
		tell_new_flow(&turn);
		return;
	}
}
