/*
 * kinds: what nft and the kernel call the kinds of things that a ruleset holds; encoding and decoding
 * read the same tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/ruleset.h"

/* The number of a field's type in nft, by which `nft list` knows how to print a key. A concatenation
 * puts them one behind the other, 6 bits each. */
uint32_t kind_type(enum ruleset_field f);
/* Of two fields with one type the first: FIELD_ND_TARGET for any integer. */
bool kind_field(uint32_t type, enum ruleset_field *ret);
#define KIND_TYPE_BITS 6

/* What nft notes in a set about the byte order of a key: 0 unknown, 1 the host's, 2 the network's. */
uint32_t kind_byte_order(enum ruleset_field f);

/* How a part of a packet gets into a register. */
enum kind_source { SOURCE_META, SOURCE_PAYLOAD, SOURCE_CT };

struct kind_load {
	enum kind_source source;
	uint32_t key;	 /* NFT_META_*, NFT_PAYLOAD_*_HEADER or NFT_CT_* */
	uint32_t offset; /* of a payload; of what is conntrack's, the direction */
	uint32_t size;	 /* of a payload, and what a register takes of the others */
};

const struct kind_load *kind_load(enum ruleset_load load);
bool kind_load_of(const struct kind_load *l, enum ruleset_load *ret);

#define ETHER_TYPE_OFFSET 12 /* in an Ethernet header */
/* ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 */
#define LINK_GROUP_MASK                            \
	{                                          \
		0xff, 0xff, 0xff, 0xff, 0xff, 0xf0 \
	}
#define LINK_GROUP                                 \
	{                                          \
		0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 \
	}

#define NEXTHDR_OFFSET	 6  /* in an IPv6 header */
#define HOPLIMIT_OFFSET	 7  /* likewise */
#define ND_TARGET_OFFSET 48 /* behind it, and behind 8 bytes of an ICMPv6 header */

#define VNI_OFFSET 12 /* behind a UDP header, and behind 4 bytes of VXLAN's */

#define FRAGMENT_HEADER 44 /* the extension header of a fragment */
#define FRAGMENT_OFFSET 2  /* in an IPv6 fragment header, of the 13 bits of the offset */
#define FRAGMENT_MASK      \
	{                  \
		0xff, 0xf8 \
	}

/* Where an IP header holds its addresses. */
uint32_t kind_address_offset(uint8_t family, bool source);
