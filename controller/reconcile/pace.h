/*
 * pace: how often the same thing is done and told, when somebody undoes it again and again.
 *
 * The first time is at once. From then on there are rests between, which grow to PACE_REST_MS and no
 * further: what was undone is never left so for longer, and yet a fight with another program takes a
 * part of one CPU at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_REST_MS  32    /* the longest rest: with the work itself, it is done within 50 ms */
#define PACE_QUIET_MS 1000  /* after so long without, the next time counts as the first */
#define PACE_TELL_MS  60000 /* between two lines of the log on the same thing */

struct pace {
	uint64_t last; /* when it was done, in ms of loop_now(); 0: never */
	uint64_t rest; /* ms */
	uint64_t told;
	unsigned long untold; /* times since then */
};

/* In how many ms after NOW it may be done. */
uint64_t pace_wait(const struct pace *p, uint64_t now);

/* It was done. */
void pace_done(struct pace *p, uint64_t now);

/* There is something to tell. Returns how many times it happened since it was told last, this one
 * among them; 0: told lately, ask again. */
unsigned long pace_tell(struct pace *p, uint64_t now);

/* Of what pace_tell() kept back: the same, with nothing new; 0 where there is nothing. */
unsigned long pace_tell_rest(struct pace *p, uint64_t now);
