/*
 * kernel: the tables that the kernel holds, as far as is known, and how they become what is wanted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"
#include "quaywall/nft.h"
#include "quaywall/ruleset.h"

struct kernel {
	struct nft *nft;
	bool can_own;		 /* the kernel has the flags owner and persist */
	bool owner;		 /* the table is ours alone, by those flags */
	struct ruleset *applied; /* `inet quaywall`; NULL: no table */
	struct ruleset *bridge;	 /* `bridge quaywall`, likewise */
	unsigned long transactions;
};

/* What a kernel_apply() did. */
struct kernel_change {
	size_t steps;  /* 0: nothing was to do */
	bool tightens; /* more than elements were added: existing flows may be refused now */
};

int kernel_open(struct kernel *k, bool owner, struct error *err);
void kernel_done(struct kernel *k);

/* Reads both tables anew. */
int kernel_read(struct kernel *k, struct error *err);

/* Makes the table of WANTED's family WANTED in one transaction. When someone wrote meanwhile, it reads and
 * compares anew, a few times. On success WANTED is the kernel's (*WANTED becomes NULL); else it
 * stays the caller's, and the table is what it was. */
int kernel_apply(struct kernel *k, struct ruleset **wanted, struct kernel_change *ret,
		 struct error *err);

/* Likewise for the bridge table, where *WANTED may be NULL: then there is to be none. */
int kernel_apply_bridge(struct kernel *k, struct ruleset **wanted, struct error *err);

/* Deletes both tables. */
int kernel_flush(struct kernel *k, struct error *err);
