/*
 * handover: addresses that change their owners.
 *
 * The engine gives the address of a container that has gone to the next one at once. What the old owner's
 * flows were allowed is not the new one's, even where it may open the same ones itself: so they are ended
 * when the endpoint goes, and before its address is another's.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/addr.h"
#include "quaywall/flow.h"
#include "quaywall/model.h"

/* Adds to RET the addresses that an endpoint of WAS held on a managed network and does not hold in IS. */
void handover_find(const struct model *was, const struct model *is, struct ranges *ret);

/* A copy of M in which whoever holds one of GONE is unknown; NULL where nobody does. */
struct model *handover_between(const struct model *m, const struct ranges *gone);

/* Whether the flow is, or was translated to be, from or to one of GONE; for flow_find(). */
bool handover_touches(const struct flow_entry *e, void *gone);
