/*
 * classes: what rules say of addresses, from which classes of ends are made.
 */
#pragma once

#include "compile-internal.h"

/* One side of a rule, as far as it speaks of addresses. */
struct mark {
	const struct policy_rule *rule;
	bool to;
	const struct policy_peer *peers;
	size_t npeers;
	struct ranges blocks;
};

struct marks {
	struct mark *items; /* by rule and side */
	size_t len, cap;
};

struct compile_classes {
	const struct compiled *c;
	struct marks marks;
	struct ranges outside,
		sources;     /* every outside address; those that a packet can come from */
	struct ranges local; /* what `publish: local` lets in; empty where that does not matter */
};

/* The set of marks whose blocks hold A, as bytes. */
void mark_addr(const struct marks *marks, const struct addr *a, uint8_t *ret);

void members_add(struct compile_members *ret, const struct flow_end *end, size_t class);
/* The class behind the last one. */
size_t members_next_class(const struct compile_members *m);
