/*
 * The sets of the table bridge quaywall. Each container adds its elements; what depends on policies is in the
 * rules.
 */
#pragma once

#include "ruleset-internal.h"

/* own4, own6	 port . MAC . address: the endpoint's own, and 0.0.0.0 (who has no address yet)
 * own_blocks4, own_blocks6   the same for `addresses:`; only where a document has any */
#define SET_BOUND	   "bound"	 /* port . MAC */
#define SET_BOUND_PORTS	   "bound_ports" /* port */
#define SET_TARGETS	   "targets" /* port . IPv6 address, as it stands in neighbour discovery */
#define SET_TARGET_BLOCKS  "target_blocks"  /* the same for `addresses:` */
#define SET_LINK_TARGETS   "link_targets"   /* fe80::/10, as there */
#define SET_TAKEN6	   "taken6"	    /* link-local addresses of endpoints and bridges */
#define SET_TAKEN_TARGETS  "taken_targets"  /* the same, as there */
#define SET_MACS	   "macs"	    /* of endpoints */
#define SET_SUBNET_TARGETS "subnet_targets" /* subnets6, as there */

#define CHAIN_SPOOFED "refuse_spoofed"
#define CHAIN_AUDITED "audit_spoofed"

void write_bridge_sets(const struct writer *w);
