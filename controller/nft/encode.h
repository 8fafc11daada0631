/*
 * encode: objects of a ruleset as netlink messages. Each function appends to a batch.
 */
#pragma once

#include <stdint.h>

#include "batch.h"
#include "quaywall/ruleset.h"

struct target {
	const char *table;
	uint8_t family;
};

/* FLAGS are NFT_TABLE_F_*, NLM are flags of the message. */
void encode_add_table(struct batch *b, const struct target *t, uint32_t flags, uint16_t nlm);
void encode_delete_table(struct batch *b, const struct target *t);

void encode_add_limit(struct batch *b, const struct target *t, const struct ruleset_limit *limit);
void encode_delete_limit(struct batch *b, const struct target *t,
			 const struct ruleset_limit *limit);

/* ID is unique in the batch. */
void encode_add_set(struct batch *b, const struct target *t, const struct ruleset_set *s,
		    uint32_t id);
void encode_delete_set(struct batch *b, const struct target *t, const struct ruleset_set *s);

/* The elements that C adds or deletes, in as many messages as it takes. */
void encode_elements(struct batch *b, const struct target *t, const struct ruleset_change *c);

void encode_add_chain(struct batch *b, const struct target *t, const struct ruleset_chain *c);
void encode_delete_chain(struct batch *b, const struct target *t, const struct ruleset_chain *c);

void encode_add_rules(struct batch *b, const struct target *t, const struct ruleset_chain *c);
void encode_flush_rules(struct batch *b, const struct target *t, const struct ruleset_chain *c);
