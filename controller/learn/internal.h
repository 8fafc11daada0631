/*
 * internal: what the files of the learn room share.
 */
#pragma once

#include "quaywall/learn.h"

/* Two pairs, or what blurs of them, as a table tells them apart. */
enum pair_blur {
	BLUR_NOTHING,
	BLUR_ADDR,	/* the address outside does not count */
	BLUR_ADDR_PORT, /* nor does the port */
	BLUR_OWNER, /* only the container counts that the pair is of: who sends, where that is one */
};
#define BLURS 4

uint64_t pair_hash(const struct learn_pair *p, enum pair_blur blur, uint64_t seed);
bool pair_is_same(const struct learn_pair *a, const struct learn_pair *b, enum pair_blur blur);

/* The end outside, or NULL. */
struct learn_end *pair_outside(struct learn_pair *p);
size_t pair_bytes(const struct learn_pair *p); /* of its names */
struct learn_pair pair_copy(const struct learn_pair *p);
void pair_done(struct learn_pair *p);

/* The private block (10.0.0.0/8 and the like) that holds A; false: it is none's. */
bool pair_block_of(const struct addr *a, struct prefix *ret);

/* A name as tables keep them: not empty, at most LEARN_NAME_MAX bytes, UTF-8. */
bool pair_name_fits(const char *name);

/* Adds a pair as it was kept, with its counts; the table makes copies. False where one like it is there already, or it
 * finds no place. */
bool table_restore(struct learn_table *t, const struct learn_pair *p);
void table_set_left_out(struct learn_table *t, uint64_t n);
