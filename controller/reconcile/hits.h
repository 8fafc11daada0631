/*
 * hits: what the kernel's counters counted since the daemon started, by policy line and by verdict.
 *
 * A counter in the kernel goes with its container, or begins anew with its rule, where a metric may only grow. So each
 * reading is compared with the one before, and what came is added up. Of a set from which a container went nothing is
 * added in that reading: less than there was, never more. The first reading only says where the counting begins.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/compile.h"
#include "quaywall/nft.h"

enum hits_action { HITS_ALLOW, HITS_AUDIT, HITS_REFUSE };

/* A line of a policy, or a default, in one direction. */
struct hits_rule {
	char *comment; /* of the rule or element: "FILE:LINE NAME", "defaults.unknown" */
	bool egress;
	enum hits_action action;
	uint64_t packets, bytes;
	uint64_t counted; /* packets: what the kernel's counters had in the last reading */
	bool present;	  /* the rules have it still */
};

#define HITS_COUNTERS_MAX 65536 /* counters that are told apart */
#define HITS_RULES_MAX	  8192

struct hits_counter; /* one of a reading */

struct hits_reading {
	struct hits_counter *items; /* sorted by key, once the reading is over */
	size_t len, cap;
};

/* All 0 is an empty one. */
struct hits {
	struct hits_reading before, now;
	struct {
		struct hits_rule *items; /* sorted */
		size_t len, cap;
	} rules;
	uint64_t verdicts[COMPILE_COUNTED]; /* packets, by the chains of compile_counted_chain() */
	bool began;			    /* there was a reading */
	size_t left_out; /* counters and rules of the last reading that found no place */
};

/* One reading: begin, each counter, end. One that failed is begun anew, or not. */
void hits_begin(struct hits *h);
void hits_add(struct hits *h, const struct nft_count *count);
void hits_end(struct hits *h);
void hits_done(struct hits *h);

/* "shop.yaml:5 sql" as file, line and the rest; a comment that is no place is all rest. *RET_FILE and *RET_LINE, to be freed by
 * the caller, are "" then. The rest points into COMMENT. */
const char *hits_place(const char *comment, char **ret_file, char **ret_line);
