/*
 * addr: IP addresses, prefixes, ranges and hardware addresses.
 *
 * Addresses are kept in network order in one struct for both families, so that comparing the bytes is
 * comparing the numbers. A family of 0 is 'no address'.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "quaywall/buf.h"

struct addr {
	uint8_t family;	   /* AF_INET, AF_INET6, or 0 for none */
	uint8_t bytes[16]; /* network order; the first 4 for AF_INET, the rest zero */
};

struct prefix {
	struct addr addr; /* host bits are zero where prefix_parse made it */
	uint8_t len;	  /* 0 to 32 or 128 */
};

struct addr_range {
	struct addr first, last; /* of one family, both included, first <= last */
};

/* Sorted by family and first address, disjoint and not adjacent, once ranges_normalise() ran. */
struct ranges {
	struct addr_range *items;
	size_t len, cap;
};

#define ADDR_TEXT_SIZE 64 /* enough for every text that the functions below write */

size_t addr_size(uint8_t family);			      /* bytes: 4 or 16 */
int addr_compare(const struct addr *a, const struct addr *b); /* family, then number */

static inline bool addr_is_set(const struct addr *a)
{
	return a->family != 0;
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* "192.0.2.1" or "2001:db8::1", as inet_pton(3) takes them. -EINVAL otherwise; *RET untouched then. */
int addr_parse(const char *text, struct addr *ret);

/* Writes the canonical text (RFC 5952) and returns BUF. */
char *addr_format(const struct addr *a, char buf[static ADDR_TEXT_SIZE]);

bool addr_is_link_local(const struct addr *a); /* 169.254.0.0/16, fe80::/10 */
bool addr_is_multicast(const struct addr *a);  /* 224.0.0.0/4 or limited broadcast, ff00::/8 */
bool addr_is_unspecified(const struct addr *a);

/* The IPv6 link-local address that the kernel forms from a 48-bit MAC (RFC 4291, modified EUI-64). */
struct addr addr_link_local(const uint8_t mac[static 6]);

/* "ADDRESS/LEN", or an address alone (its full length). Host bits may be set: they are kept in
 * RET->addr, so that the caller can name the right form; prefix_mask() clears them. */
int prefix_parse(const char *text, struct prefix *ret);
char *prefix_format(const struct prefix *p, char buf[static ADDR_TEXT_SIZE]);
struct prefix prefix_mask(const struct prefix *p);
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_contains_prefix(const struct prefix *outer, const struct prefix *inner);
struct addr_range prefix_range(const struct prefix *p);

/* "02:42:ac:12:00:02"; any case. -EINVAL otherwise. */
int mac_parse(const char *text, uint8_t ret[static 6]);
char *mac_format(const uint8_t mac[static 6], char buf[static ADDR_TEXT_SIZE]);

void ranges_add(struct ranges *r, struct addr_range item);
void ranges_add_addr(struct ranges *r, const struct addr *a);
void ranges_add_prefix(struct ranges *r, const struct prefix *p);
void ranges_add_all(struct ranges *r, uint8_t family); /* every address of the family */
void ranges_normalise(struct ranges *r);
/* Takes from R what OTHER holds. Both normalised before, R after. */
void ranges_subtract(struct ranges *r, const struct ranges *other);
/* What both hold, as a fresh normalised list. Both normalised before. */
struct ranges ranges_intersect(const struct ranges *a, const struct ranges *b);
bool ranges_contain(const struct ranges *r, const struct addr *a); /* normalised */
void ranges_done(struct ranges *r);

#define CLEANUP_RANGES __attribute__((cleanup(ranges_done)))
