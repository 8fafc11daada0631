/*
 * follow: what compile_follow() needs to know before it changes anything.
 */
#pragma once

#include "delta.h"

struct follow {
	struct compiled *c;
	struct delta delta;
	struct compiled
		next;	  /* C with the model to come, as far as it is needed: borrows what stays */
	size_t *projects; /* how many containers each has then */
	/* Of delta.come: whose they are; no title where they are nobody's. */
	struct identity_key *keys;
	struct index_list vanishing; /* identities that lose all members, ascending */
	struct index_list
		fresh; /* of keys: the first of each identity that is not there, or vanishes */
};

/* Whether the set can follow to MODEL: that is looked at first, and C not changed. To be ended in any case. */
bool follow_begin(struct follow *f, struct compiled *c, const struct model *model);
void follow_end(struct follow *f);

#define CLEANUP_FOLLOW __attribute__((cleanup(follow_end)))
