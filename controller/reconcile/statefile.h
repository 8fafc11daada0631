/*
 * statefile: files of the state folder: what must outlive the daemon.
 *
 * A file is replaced as a whole (write, fsync, rename, fsync of the folder), so that a SIGKILL or a power cut at any
 * instant leaves the old content or the new one. Its content is one JSON document in one line, and below it
 * "sum 0123456789abcdef", a checksum over everything before: what is cut short or altered is refused, never half
 * believed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"

/* Makes the folder DIR (not its parents); one that is there is fine. */
int statefile_make_folder(const char *dir, struct error *err);

/* Writes NAME into the folder DIR, which is made if need be. On failure what was there before is there still. Without
 * SYNC the disk is not waited for, and a power cut soon after can leave a file that the checksum refuses. */
int statefile_write(const char *dir, const char *name, const struct buf *text, bool sync,
		    struct error *err);
/* Appends the whole file to RET. 0, -ENOENT where nothing was ever written, -EFBIG beyond MAX bytes, or another negative
 * errno; each with ERR. */
int statefile_read(const char *dir, const char *name, size_t max, struct buf *ret,
		   struct error *err);
/* Forgets: takes no room on the disk. One that is not there is fine. */
int statefile_remove(const char *dir, const char *name, struct error *err);

/* Ends TEXT, one line without its end, with its checksum. */
void statefile_add_sum(struct buf *text);
/* *RET is how long the document is, if the line below it is its checksum; else false. */
bool statefile_check_sum(const char *data, size_t len, size_t *ret);
