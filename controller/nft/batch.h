/*
 * batch: one transaction as bytes, with what it takes to tell which object the kernel refused.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "internal.h"

/* Room that batch_message() leaves behind a header: the longest attribute and the names beside it are more than any
 * message that we build. All of it is zeroed. */
#define BATCH_ROOM 66560

/* What a message is about. All may be none. */
struct origin {
	const char *what; /* "set", "rule of chain", … */
	const char *name;
	const char *comment;
	const struct ruleset_element **elements; /* of a message with elements: those in it */
	size_t len;
};

struct sent {
	size_t offset; /* of the message in the data */
	struct origin origin;
};

struct batch {
	char *data;
	size_t len, cap;
	uint32_t first; /* sequence number of items[0] */
	struct {
		struct sent *items;
		size_t len, cap;
	} sent;
};

/* Begins a batch that N will send. */
void batch_begin(struct batch *b, struct nft *n);

/* A message header of the nf_tables TYPE at the end of the batch, with BATCH_ROOM behind it for the
 * attributes. Good until the next one is asked for. */
struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint8_t family, uint16_t flags,
			       const struct origin *origin);

/* Tells how many elements the last message turned out to hold. */
void batch_elements(struct batch *b, size_t len);

/* Sends the batch in one piece and reads the acknowledgements. COMMIT: else it is only tried, as
 * `nft --check` does. 0, or what the kernel said of the first message that it refused. */
int batch_send(struct batch *b, struct nft *n, bool commit, struct error *err);

void batch_done(struct batch *b);

#define CLEANUP_BATCH __attribute__((cleanup(batch_done)))
