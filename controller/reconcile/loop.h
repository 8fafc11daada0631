/*
 * loop: file descriptors and timers in one poll(2).
 *
 * Sources and timers are embedded in what they belong to; the loop only points at them, so they
 * must be removed before they go. Both may be added and removed from within a callback.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/error.h"

#define LOOP_SOURCES_MAX 64
#define LOOP_TIMERS_MAX	 64

struct loop_source {
	int fd;
	short events; /* of poll(2) */
	void (*ready)(void *data, short revents);
	void *data;
};

struct loop_timer {
	uint64_t due;	/* in ms of CLOCK_MONOTONIC; 0: not armed */
	uint64_t loose; /* likewise: from then on with what else wakes the loop; 0: not before */
	void (*expired)(void *data);
	void *data;
};

struct loop {
	struct loop_source *sources[LOOP_SOURCES_MAX];
	size_t nsources;
	struct loop_timer *timers[LOOP_TIMERS_MAX];
	size_t ntimers;
	uint64_t woke_us; /* when the turn that goes on found something to do, by loop_now_us() */
	bool stop;
};

uint64_t loop_now(void);    /* ms of CLOCK_MONOTONIC, never 0 */
uint64_t loop_now_us(void); /* us of it */

/* False where there is no room. */
bool loop_add(struct loop *l, struct loop_source *s);
void loop_remove(struct loop *l, struct loop_source *s); /* one that was not added is fine */
bool loop_add_timer(struct loop *l, struct loop_timer *t);
void loop_remove_timer(struct loop *l, struct loop_timer *t);

void loop_timer_set(struct loop_timer *t, uint64_t ms); /* from now; replaces an earlier time */
/* In about MS: with whatever wakes the loop from nine tenths of it on, by itself at twelve tenths. What is done again and again
 * while nothing happens wakes an idle daemon together with the engine's listing so, not besides. */
void loop_timer_set_loose(struct loop_timer *t, uint64_t ms);
/* Keeps the sooner of the two, where it is armed already. */
void loop_timer_hasten(struct loop_timer *t, uint64_t ms);
void loop_timer_clear(struct loop_timer *t);

/* Waits for one round of events or timers and serves them. 0 or a negative errno. */
int loop_turn(struct loop *l, struct error *err);
