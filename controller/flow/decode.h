/*
 * decode: netfilter's messages as flows and packets.
 */
#pragma once

#include <libmnl/libmnl.h>

#include "quaywall/flow.h"

/* A message of ctnetlink. *RET_ORIG: the attribute CTA_TUPLE_ORIG in MESSAGE, which names the entry to the kernel.
 * False where the message does not hold both tuples, or speaks of a family other than IPv4 and IPv6. */
bool decode_entry(const struct nlmsghdr *message, struct flow_entry *ret,
		  const struct nlattr **ret_orig);

/* The same of the message's attributes alone, LEN bytes, as they stand nested in one of NFLOG. */
bool decode_attributes(const void *attributes, size_t len, struct flow_entry *ret,
		       const struct nlattr **ret_orig);

/* A message of conntrack's events. False as above, and where it tells of neither a beginning nor an end. */
bool decode_event(const struct nlmsghdr *message, struct flow_event *ret);

/* Where a packet stands in the row of those that its group was given. */
struct log_place {
	bool known;
	uint32_t number;
};

/* A message of NFLOG. False where it is none of a packet. */
bool decode_logged(const struct nlmsghdr *message, struct flow_packet *ret,
		   struct log_place *ret_place);
