#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

void episode_done(struct episode *e)
{
	free(e->examples);
	*e = (struct episode) {.count = 0};
}

void episode_add(struct episode *e, const struct alert_event *event)
{
	if (e->count && event->ms - e->last_ms >= ALERT_QUIET_S * 1000u)
		episode_done(e);
	if (!e->count)
		e->first = event->at;
	e->count++;
	e->last = event->at;
	e->last_ms = event->ms;
}

/* The time begins with an event, so what goes on for twice as long never falls between two of them. */
bool episode_reaches(struct episode *e, const struct alert_limit *limit, uint64_t ms)
{
	if (!e->in_window || ms - e->began_ms >= (uint64_t)limit->seconds * 1000) {
		e->began_ms = ms;
		e->in_window = 0;
	}
	if (e->in_window < limit->count)
		e->in_window++;
	return limit->count && e->in_window >= limit->count;
}

static void target_of(struct alert_target *t, const struct alert_event *event)
{
	source_copy(t->name, sizeof(t->name), event->to);
	source_copy(t->address, sizeof(t->address), event->to_address);
	source_copy(t->ports, sizeof(t->ports), event->ports);
}

void episode_keep_example(struct episode *e, const struct alert_event *event)
{
	struct alert_target target;

	if (e->nexamples == ALERT_EXAMPLES)
		return;
	target_of(&target, event);
	for (size_t i = 0; i < e->nexamples; i++)
		if (!strcmp(e->examples[i].address, target.address) &&
		    !strcmp(e->examples[i].ports, target.ports))
			return;
	if (!e->examples)
		e->examples = mem_new(ALERT_EXAMPLES, sizeof(*e->examples));
	e->examples[e->nexamples++] = target;
}

bool episode_is_due(const struct episode *e, uint32_t at_once, uint64_t ms)
{
	return e->told < at_once || ms - e->told_ms >= ALERT_AGAIN_S * 1000u;
}
