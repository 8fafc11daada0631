/*
 * internal: what the files of the nft room share.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "quaywall/nft.h"

#define FAMILIES      16 /* above each NFPROTO_* */
#define TABLE_PERSIST 4u /* NFT_TABLE_F_PERSIST, in the kernel's headers since 6.9 */

struct nft {
	struct mnl_socket *requests;
	struct mnl_socket *monitor; /* open from the beginning, so of the same namespace */
	uint32_t seq;		    /* of the last message sent */
	bool watching;		    /* the monitor is a member of the group */
	bool missed; /* the monitor was off for a while and a foreign change came then */
	struct nft_writer writer; /* of the last foreign change */
	bool owner;		  /* tables are created and adopted with owner and persist */
	/* Of the one table in each family that a caller has to do with: */
	bool dormant[FAMILIES]; /* it was found switched off */
	char *owned[FAMILIES];	/* its name, once it is known to be ours, or NULL */
};

/* Takes the monitor out of the group: a subscriber makes a bulk transaction many times slower.
 * *RET: the generation before what follows. */
int monitor_pause(struct nft *n, uint32_t *ret, struct error *err);

/* Puts it back. If the generation moved by more than one transaction of ours since BEFORE, someone else
 * wrote meanwhile. */
int monitor_resume(struct nft *n, uint32_t before, struct error *err);

struct table_state {
	bool exists;
	uint32_t flags; /* NFT_TABLE_F_* */
	uint32_t owner; /* the port id of the socket that owns it, or 0 */
};

int table_query(struct nft *n, const char *table, uint8_t family, struct table_state *ret,
		struct error *err);
