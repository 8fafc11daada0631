/*
 * rechecks: containers that are to be read once more, later.
 *
 * The engine's list of containers lags: ports right after `network connect`, the state after the end. And a
 * network's document can know a container before that list does: then it is asked for again soon, ever
 * more slowly, until the next full listing takes over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct recheck {
	char *id;
	int64_t due;   /* milliseconds; INT64_MAX: was done, and counts the delay only */
	int64_t delay; /* of a missing one: doubles each time; 0: it was not missing */
};

struct rechecks {
	struct recheck *items;
	size_t len, cap;
};

/* Reads ID again at DUE, and not at an earlier time that was set before. */
void rechecks_add(struct rechecks *r, const char *id, int64_t due);
void rechecks_add_missing(struct rechecks *r, const char *id, int64_t now);
/* Calls EACH for those that are due. */
void rechecks_run(struct rechecks *r, int64_t now, void (*each)(void *data, const char *id),
		  void *data);
int64_t rechecks_next(const struct rechecks *r);  /* INT64_MAX: none */
void rechecks_forget_missing(struct rechecks *r); /* delays begin anew */
void rechecks_done(struct rechecks *r);
