/*
 * decode: a message of ctnetlink as a flow.
 */
#pragma once

#include <libmnl/libmnl.h>

#include "quaywall/flow.h"

/* *RET_ORIG: the attribute CTA_TUPLE_ORIG in MESSAGE, which names the entry to the kernel. False where
 * the message does not hold both tuples, or speaks of a family other than IPv4 and IPv6. */
bool decode_entry(const struct nlmsghdr *message, struct flow_entry *ret,
		  const struct nlattr **ret_orig);
