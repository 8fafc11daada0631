/*
 * seen: what is told of packets and flows, with names: to whoever watches, and the last of it to who comes later; and
 * the reader of the packets that the rules log.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/compile.h"
#include "quaywall/flow.h"
#include "loop.h"

#define SEEN_LAST 256 /* how many are kept, for who comes later */

/*
 * Packets that were refused or audited and not logged, as the rate was used up: those that the chains count, without
 * those that came by the log. Between the two is the time that a packet takes, so what was counted is compared a
 * moment later; what is counted from the first packet on until nothing comes any more is a burst.
 */
struct left_out {
	struct loop_timer timer;
	uint64_t read[COMPILE_COUNTED];	  /* the chains' counters, as read last */
	uint64_t counted, received, told; /* in this burst */
	uint64_t lost;			  /* by the socket, up to its beginning */
	uint64_t total;			  /* since the start */
};

/* Kinds of lines, for clients with a stream. */
#define SEEN_LOGGED 1u /* packets that rules log, and what else everybody is told */
#define SEEN_FLOWS  2u /* flows that the rules let pass */

/* From `next` on the oldest; NULL: not that many yet. */
struct seen_ring {
	char *lines[SEEN_LAST];
	size_t next;
};

struct seen {
	struct flow_log *log;
	uint16_t group;
	char *error; /* why the group is not read, though it is to be */
	struct loop_source source;
	struct loop_timer retry;
	struct seen_ring logged, all;
	uint64_t packets; /* that were told */
	uint64_t lost;	  /* by connections of before */
	struct left_out left_out;
	uint64_t
		stranger; /* when the engine was last asked for peers, as one of none of them was refused; or 0 */
};
