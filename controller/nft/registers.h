/*
 * registers: what the instructions of a rule left in the kernel's registers, while the rule is decoded.
 */
#pragma once

#include <stdio.h>
#include <libnftnl/expr.h>

#include "quaywall/ruleset.h"

#define WORDS	   16 /* registers of 4 bytes */
#define WORD_BYTES 4

enum held { HELD_NOTHING, HELD_META, HELD_PAYLOAD, HELD_CT, HELD_FIB, HELD_FRAGMENT, HELD_RT };

/* What a register holds, from its first word on. */
struct slot {
	enum held held;
	uint32_t key; /* NFT_META_*, NFT_PAYLOAD_*, NFT_CT_* */
	uint32_t offset, size;
	bool directed; /* of NFT_CT_*: offset is the direction */
	bool masked;
	uint8_t mask[16];
};

/* A rule being read. */
struct reading {
	const struct ruleset *r;
	struct ruleset_rule *rule;
	struct slot slots[WORDS];
	const struct slot *range; /* compared with the first port of a range, whose last follows */
	uint16_t first;
};

/* The register REG, which is NULL for a number that is none. */
struct slot *registers_slot(struct reading *d, uint32_t reg);

/* A comparison of a register with a value, or with two: the expression that it makes is added to the
 * rule. False: none of ours. */
bool compare_read(struct reading *d, const struct nftnl_expr *e);
bool compare_read_range(struct reading *d, const struct nftnl_expr *e);
