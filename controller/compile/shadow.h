/*
 * shadow: whether one rule says all that another says.
 *
 * Judged by the rules' text alone: a rule that is needless only because of the containers that exist
 * today is not needless.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/policy.h"

/* Whether every flow that LATER matches is matched by EARLIER, a rule of the same action and of DOC,
 * with no weaker effect. Where in doubt: false. */
bool shadow_covers(const struct policy_document *doc, const struct policy_rule *earlier,
		   const struct policy_rule *later);

/* The addresses of a PEER_CIDR, normalised, appended to RET (normalised or empty). */
void shadow_peer_ranges(const struct policy_peer *peer, struct ranges *ret);
