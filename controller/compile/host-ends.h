/*
 * host-ends: the host as an end of flows.
 *
 * The host is all its addresses, and a rule can name one by a CIDR. Of addresses that no rule tells apart
 * one stands for all.
 */
#pragma once

#include "quaywall/compile.h"

struct flow_ends {
	struct flow_end *items;
	size_t len, cap;
};

/* Adds the host's ends: one of each kind of address, or a single one without address where none is
 * known. */
void host_ends(const struct compiled *c, struct flow_ends *ret);

void flow_ends_done(struct flow_ends *e);

#define CLEANUP_FLOW_ENDS __attribute__((cleanup(flow_ends_done)))
