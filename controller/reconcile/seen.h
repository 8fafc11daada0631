/*
 * seen: the packets that the rules log, with names: the last of them, and whoever watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/flow.h"
#include "loop.h"

#define SEEN_LAST 256 /* how many are kept, for who comes later */

struct seen {
	struct flow_log *log;
	uint16_t group;
	char *error; /* why the group is not read, though it is to be */
	struct loop_source source;
	struct loop_timer retry;
	char *last
		[SEEN_LAST]; /* a ring of lines, from NEXT on the oldest; NULL: not that many yet */
	size_t next;
	uint64_t packets; /* that were told */
	uint64_t lost;	  /* by connections of before */
};
