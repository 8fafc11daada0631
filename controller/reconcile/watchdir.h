/*
 * watchdir: notices when what a path leads to has changed, by inotify(7).
 *
 * Watched are the directory itself, and each step on the way to it (for its one name), so that it
 * may not exist yet, or be replaced by rename or by pointing a symlink elsewhere (as configuration
 * managers do). Entries of the directory that are symlinks are followed likewise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"

struct watchdir_name {
	int wd;
	char *name; /* NULL: any */
};

struct watchdir {
	int fd; /* -1 before the first watchdir_reset() */
	struct {
		struct watchdir_name *items;
		size_t len, cap;
	} names;
};

#define WATCHDIR_INIT                             \
	{                                         \
		.fd = -1, .names = { NULL, 0, 0 } \
	}

/* Forgets all watches and opens a fresh descriptor. To be called before the paths are read, so that
 * a change during the reading is noticed. 0 or a negative errno. */
int watchdir_reset(struct watchdir *w, struct error *err);
void watchdir_add(struct watchdir *w, const char *path); /* a directory or a file; may be absent */

/* Reads what is there; whether any of it concerns the paths. */
bool watchdir_dispatch(struct watchdir *w);
void watchdir_done(struct watchdir *w);
