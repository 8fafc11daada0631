/*
 * kernel: the tables that the kernel holds, as far as is known, and how they become what is wanted.
 *
 * Between two transactions they are what the caller has compiled, and can be compiled again: so they are not kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"
#include "quaywall/nft.h"
#include "quaywall/ruleset.h"
#include "tightens.h"

enum kernel_held {
	KERNEL_KEPT,	    /* `applied` and `bridge` are what the kernel holds */
	KERNEL_AS_COMPILED, /* what the caller's compiled set gives: both pointers are NULL */
	KERNEL_UNSURE,	    /* neither: it has to be read. Likewise */
};

struct compiled;
struct compile_step;

struct kernel {
	struct nft *nft;
	enum kernel_held held;
	bool has_bridge; /* there is a bridge table. Without KERNEL_KEPT, where there is the other one */
	bool can_own;		 /* the kernel has the flags owner and persist */
	bool owner;		 /* the table is ours alone, by those flags */
	struct ruleset *applied; /* `inet quaywall`; NULL: no table */
	struct ruleset *bridge;	 /* `bridge quaywall`, likewise */
	char *bridge_error;	 /* why that is not what is wanted, or NULL */
	unsigned long transactions;
	unsigned long restored;	   /* of these, how many found the tables changed by others */
	const struct ranges *left; /* addresses whose flows the caller ends behind what is applied
				      now, or NULL. He sets it, and takes it back. */
	bool blind; /* the tables cannot be read, as others write all the time: what is applied now
		       replaces them whole. The caller sets it, and takes it back. */
};

/* What is wanted. */
struct kernel_wanted {
	struct ruleset *inet;
	struct ruleset *bridge; /* NULL: there is to be none */
};

/* What was done. */
struct kernel_change {
	size_t steps; /* 0: nothing was to do */
	enum tightens tightens;
};

int kernel_open(struct kernel *k, bool owner, struct error *err);
void kernel_done(struct kernel *k);

/* Reads both tables anew, and keeps them. */
int kernel_read(struct kernel *k, struct error *err);

/* Whether there are tables, as far as is known. */
bool kernel_has_table(const struct kernel *k);
bool kernel_has_bridge(const struct kernel *k);

/* What is kept is what C compiles to: it need not be kept. */
void kernel_forget(struct kernel *k);
/* Keeps it again, C being what it was forgotten for, or what that became by kernel_follow(). */
int kernel_recall(struct kernel *k, const struct compiled *c, struct error *err);

/* Whether a step of the compiled set can be applied alone: the kernel holds what is compiled, all of it. */
bool kernel_can_follow(const struct kernel *k);

/* Makes both tables what is wanted, in one transaction. When someone wrote meanwhile, it reads and compares
 * anew, a few times. On success what is wanted is the kernel's (the pointers become NULL); else it stays
 * the caller's, and the tables are what they were.
 *
 * A kernel may lack nftables for bridges. So where it refuses the two, it is asked for the inet table
 * alone; bridge_error then says why not both, and until that is over each goes in a transaction of its own. */
int kernel_apply(struct kernel *k, struct kernel_wanted *w, struct kernel_change *ret,
		 struct error *err);

/* Applies the step S, which the compiled set has made, in one transaction. Where that is refused, as when someone wrote
 * meanwhile, it is to be read what the kernel holds, which has not changed. */
int kernel_follow(struct kernel *k, struct compile_step *s, struct kernel_change *ret,
		  struct error *err);

/* Adds elements to dynamic sets of TABLE, which are in no ruleset. */
int kernel_add_elements(struct kernel *k, const struct ruleset *table, const struct ruleset_diff *d,
			struct error *err);

/* Where nothing is wanted yet, what was read is: makes the tables again what they were at the last reading,
 * and takes ownership of them. What is not of our making cannot be kept: a table that held such things
 * is left as it is now. */
int kernel_keep(struct kernel *k, struct error *err);

/* Deletes both tables. */
int kernel_flush(struct kernel *k, struct error *err);

void kernel_wanted_done(struct kernel_wanted *w);

#define CLEANUP_WANTED __attribute__((cleanup(kernel_wanted_done)))
