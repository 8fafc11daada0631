/*
 * jobs: what is still to be asked of the engine.
 *
 * Queues, one before the other: the networks that an event names, for who is in none of them is refused;
 * what else an event made out of date; what a full listing wants. An object that waits already is not
 * queued twice; one whose request is under way is, as its answer may be older than the event.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum job_kind {
	JOB_NETWORK_LIST,
	JOB_CONTAINER_LIST,
	JOB_NETWORK,
	JOB_CONTAINER,
	JOB_IMAGE,
	JOB_BINDINGS, /* a container's own document, which the engine may hold back for long */
};

struct job {
	enum job_kind kind;
	char *id;	/* NULL for the lists */
	bool listing;	/* a part of the full listing */
	uint64_t asked; /* when its request was sent */
};

struct jobs {
	struct job **items;
	size_t begin, len, cap; /* items[begin..len) wait */
};

/* Queues a job unless one of the same kind and id waits. Whether it was queued. */
bool jobs_add(struct jobs *j, enum job_kind kind, const char *id, bool listing);
/* The first one, which is the caller's then; NULL: none waits. */
struct job *jobs_take(struct jobs *j);
bool jobs_wait(const struct jobs *j); /* whether there are any */
size_t jobs_count(const struct jobs *j);
void jobs_done(struct jobs *j);
void job_free(struct job *job);
