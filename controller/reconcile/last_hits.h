/*
 * last_hits: when each rule of the policies was hit last, over restarts of the daemon and of the host.
 *
 * The kernel counts by lines of files, and its counters go with containers and reboots. Here a rule is known by its
 * document's name and by what it says. Any change of what its line counted since the last reading, to something above 0, is a hit:
 * where a container went meanwhile that can be one too many, never one too few. Beside it stands for how long the rule was watched
 * since: only time between two readings of one daemon in which the kernel had counters of it. A rule that no container is there
 * for, or a host that is off, does not grow old.
 *
 * Kept in the state folder: {"quaywall_hits": 1, "rules": [{"policy", "rule", "since", "last", "watched", "counted"}]}.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/error.h"
#include "quaywall/policy.h"
#include "hits.h"

#define LAST_HITS_FILE	"hits"
#define LAST_HITS_RULES 8192
#define LAST_HITS_AUDIT \
	0 /* no rule: since when the document is in audit mode; of "" the defaults */
#define LAST_HITS_SIZE_MAX (4u << 20) /* of the file: more than that many rules take */

struct last_hit {
	char *policy;
	uint64_t rule;	  /* policy_rule_key(), or LAST_HITS_AUDIT */
	time_t since;	  /* first seen */
	time_t last;	  /* 0: never */
	uint64_t watched; /* seconds, since the last hit or the beginning */
	uint64_t counted; /* packets, by the kernel, in the last reading that had the rule */
	bool present;	  /* the last reading of this daemon had it */
	bool kept;	  /* the policies have it */
};

/* All 0 is an empty one. */
struct last_hits {
	struct last_hit *items; /* by policy and rule */
	size_t len, cap;
};

void last_hits_done(struct last_hits *l);

/* Takes over a reading: H, of rules made from SET, ELAPSED seconds behind the one before (of this daemon; else 0). Rules that SET does
 * not have are forgotten; beyond LAST_HITS_RULES none is added. Returns whether there is news that should not be lost:
 * a rule that was not known, or one that was hit for the first time since a day. AUDITS: the defaults are in audit mode. */
bool last_hits_take(struct last_hits *l, const struct hits *h, const struct policy_set *set,
		    bool audits, time_t now, uint64_t elapsed);

/* As a document, to be freed by the caller, and back: -EBADMSG where it makes no sense, and *RET is untouched then. */
json_t *last_hits_json(const struct last_hits *l);
int last_hits_read(const json_t *document, struct last_hits *ret, struct error *err);

/* Reads and writes the state folder's file. */
int last_hits_load(const char *folder, struct last_hits *ret, struct error *err);
int last_hits_save(const char *folder, const struct last_hits *l, bool sync, struct error *err);
