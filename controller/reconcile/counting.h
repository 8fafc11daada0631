/*
 * counting: the counters of rules are read from time to time, whoever asks for metrics, so that it is known which rules nobody
 * needs any more (last_hits.h). Kept in the state folder: within a minute where a rule is new or was hit after a long time,
 * else once an hour, and at a clean end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "last_hits.h"
#include "loop.h"

struct counting {
	struct last_hits last;
	bool changed;	/* since it was written */
	uint64_t taken; /* when a reading was taken over, ms; 0: none of this daemon */
	struct loop_timer read_timer, write_timer;
	char *error; /* why it is not kept */
};
