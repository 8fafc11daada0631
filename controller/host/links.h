/*
 * links: the interfaces of a namespace, kept from rtnetlink's messages.
 *
 * A message of a dump and a notification are taken the same way, and one taken twice changes nothing.
 * So a listing and the notifications that began before it may overlap.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "quaywall/addr.h"
#include "quaywall/model.h"

struct link {
	unsigned index;
	char name[IFNAMSIZ]; /* "" while only an address of it was seen */
	bool bridge;	     /* is one */
	bool port;	     /* of a bridge */
	bool veth;	     /* is an end of a pair */
	bool learns_less;    /* a bridge with no_linklocal_learn */
	unsigned master;     /* the index of what it is a port of; 0: of none */
	struct {
		struct prefix *items;
		size_t len, cap;
	} addrs;
};

struct links {
	struct link *items; /* sorted by index */
	size_t len, cap;
	bool ports_moved; /* a port came, went, or went up or down; who looks clears it */
};

/* The link with INDEX, or NULL: mostly it is where it was when it was looked for last, at *PLACE, or one place before.
 * *PLACE is where it is now. */
const struct link *links_find_again(const struct links *l, unsigned index, size_t *place);

/* Takes a RTM_{NEW,DEL}{LINK,ADDR}; others are passed over. Returns whether what links_list() gives
 * changed. */
bool links_apply(struct links *l, const struct nlmsghdr *message);

/* Appends to M's interfaces those that a packet can show as the one it came in or goes out by, or that
 * hold an address of the host: all but the ports of bridges with none but link-local addresses. */
void links_list(const struct links *l, struct model *m);

/* The name of the link with the index, or NULL; the index of the one with the name, or 0. */
const char *links_name(const struct links *l, unsigned index);
unsigned links_index(const struct links *l, const char *name);

void links_done(struct links *l);

#define CLEANUP_LINKS __attribute__((cleanup(links_done)))
