/*
 * learning: who talked to whom, as `quaywall learn` writes it down as a policy.
 *
 * Whatever is judged is learned: flows that pass while they are followed (accepted.h), which learning itself wants as
 * long as something is in audit mode or `learn --for` runs, and what the rules log. A flow that audit lets pass and
 * that is both followed and logged counts once. Kept in the state folder, written at most once a minute and at a clean
 * end; what cannot be read there is said, and begun anew.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "quaywall/buf.h"
#include "quaywall/flow.h"
#include "quaywall/learn.h"
#include "loop.h"

#define LEARNING_FILE	  "learned"
#define LEARNING_PAIRS	  8192
#define LEARNING_SIZE_MAX (16u << 20) /* of the file: a multiple of what that many pairs take */

struct learning {
	struct learn_table *table; /* NULL before daemon_learn_open() */
	time_t since;		   /* that it was begun */
	uint64_t followed;	   /* s in which flows that pass were followed, since then */
	uint64_t followed_from;	   /* ms; 0: they are not */
	time_t until; /* of the last `learn --for`; 0: none. Wall clock, as it outlives boots */
	bool changed; /* since it was written */
	bool half;    /* `audited` was logged at one end, and comes again */
	struct flow_tuple audited;
	struct loop_timer write_timer, over_timer;
	struct buf draft; /* of the file, which is written piece by piece */
	size_t drafted;	  /* pairs of it */
	char *error;	  /* why it is not kept, or was begun anew */
};
