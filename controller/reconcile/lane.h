/*
 * lane: work that may have to wait, for a disk or for the network, done one item after the other by a thread of
 * its own, so that the daemon's loop never does.
 *
 * What waits is bounded by number and bytes. The thread is started after the daemon gave up its rights, so it has
 * none that the loop has not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"

struct lane;

/* Does ITEM, in the lane's thread, and may wait by lane_pause(). */
typedef void lane_take(void *data, struct lane *lane, const char *item, size_t len);

struct lane_size {
	size_t items, bytes; /* that may wait, besides the one in work */
};

int lane_start(struct lane_size size, lane_take *take, void *data, struct lane **ret,
	       struct error *err);

/* A copy of ITEM waits for its turn. False: too much waits already. Not to be called by the lane's thread. */
bool lane_put(struct lane *l, const char *item, size_t len);
size_t lane_waiting(struct lane *l);

/* For TAKE alone: sleeps. False, at once or sooner than MS, where the lane ends. */
bool lane_pause(struct lane *l, unsigned ms);
bool lane_ends(struct lane *l);

/* Lets go on for MS, drops what still waits then, and ends. *RET_DROPPED (may be NULL): how much that was. False where
 * the thread hangs in the kernel: it and what it works with must be left alone. NULL is fine. */
bool lane_stop(struct lane *l, unsigned ms, size_t *ret_dropped);
