/*
 * accepted: the flows that the rules let pass, as conntrack tells of them, with names and with the line that let them.
 *
 * Followed only while somebody has a use for it, for it costs the kernel and the daemon something with every flow. It
 * takes a bounded part of one CPU: beyond it flows are counted and not told, and beyond more of it not even judged. Both
 * are said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "quaywall/flow.h"
#include "loop.h"

struct flow_ids {
	void *tree; /* of tsearch(3) */
	size_t n;
};

struct accepted {
	struct flow_events *events; /* NULL: not followed */
	char *error;		    /* why not, though it is to be */
	struct loop_source source;
	struct loop_timer due;	  /* what has come is to be read; or another try is to be made */
	struct loop_timer repair; /* the next look through conntrack, or the next piece of one */
	bool forbidden;		  /* by the settings, as who watches was told */
	bool waits;	       /* for the engine's first listing, to look at the flows that exist */
	struct loop_timer say; /* how many were left out */
	uint64_t repaired_ms;  /* when, last; 0: never */
	uint64_t rest_ms;      /* until the next: in proportion to what the last took */
	struct flow_ids living; /* of flows that were told of and not ended */
	struct flow_walk *walk; /* a look that has begun */
	struct flow_ids walked; /* what it found so far, and what began meanwhile */
	struct flow_ids gone;	/* ended meanwhile: a piece may be older than the end */
	uint64_t walk_us;	/* that it took so far */
	bool walks_again;	/* an event was lost meanwhile */

	int64_t budget_us; /* what is left of the CPU's time */
	uint64_t refilled_ms;

	uint64_t begun, ended; /* flows that touch a container */
	uint64_t found;	       /* of them, those that were there, and told of by no event */
	uint64_t not_told;     /* of them, those that were counted only */
	uint64_t not_judged;   /* events that were not even looked at */
	uint64_t said;	       /* of the two, how many watchers know of */
	uint64_t losses;       /* times that the kernel had more than it could deliver */
};
