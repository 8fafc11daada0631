/*
 * trial: what must outlive the daemon for a set of policies that is in force on trial, until it is confirmed: the
 * files of the set that was confirmed last, and until when the trial runs.
 *
 * One file, `trial` in the state folder (statefile.h). The time that a trial runs is that
 * of CLOCK_BOOTTIME, which nobody can set and which counts while the machine sleeps; it means nothing after a reboot,
 * so the boot is named beside it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"
#include "sources.h"

#define TRIAL_FILE     "trial"
#define TRIAL_SIZE_MAX (64u << 20) /* of the file; what is larger is neither written nor read */
#define TRIAL_BOOT_MAX 64

enum trial_state {
	TRIAL_NONE,    /* `known` is the set in force, or was when the daemon ended */
	TRIAL_PENDING, /* until `deadline` another set is in force; then `known` again */
	TRIAL_OVER, /* it was not confirmed in time: `known` is in force, whatever the files say */
};

struct trial {
	enum trial_state state;
	uint64_t deadline;	       /* ms of CLOCK_BOOTTIME; 0 unless pending */
	char boot[TRIAL_BOOT_MAX + 1]; /* which boot `deadline` belongs to */
	int64_t since;		       /* wall clock, for people: when it began, or was over */
	uint64_t refused;      /* TRIAL_OVER: fingerprint of the files that were not confirmed */
	struct sources *known; /* confirmed last; owned. NULL: none, nothing was enforced */
};

uint64_t trial_now(void);		       /* ms of CLOCK_BOOTTIME */
void trial_boot(char ret[TRIAL_BOOT_MAX + 1]); /* names this boot; "" where nothing tells */
uint64_t trial_left(const struct trial *t);    /* ms until the deadline; 0: it has passed */
void trial_done(struct trial *t);	       /* then a TRIAL_NONE without `known` */

/* 0, or -EILSEQ where a name is no UTF-8. */
int trial_encode(const struct trial *t, struct buf *out);
/* 0, or -EBADMSG with what is wrong in ERR; then *RET is untouched. */
int trial_decode(const char *data, size_t len, struct trial *ret, struct error *err);

/* Writes into the folder DIR, which is made if need be. On failure what was there before is
 * there still. */
int trial_write(const char *dir, const struct trial *t, struct error *err);
/* 0, -ENOENT where nothing was ever written, or another negative errno with ERR. */
int trial_read(const char *dir, struct trial *ret, struct error *err);
/* Forgets: takes no room on the disk. One that is not there is fine. */
int trial_remove(const char *dir, struct error *err);
