/*
 * tightens: which flows a change of `inet quaywall` may refuse that passed before, told by what changed.
 */
#pragma once

#include "quaywall/addr.h"
#include "quaywall/ruleset.h"

enum tightens {
	TIGHTENS_NONE,
	TIGHTENS_LEFT, /* of those alone that are, or were translated to be, from or to addresses that are left */
	TIGHTENS_ANY,
};

/* LEFT: addresses that endpoints have left; normalised, or NULL. */
enum tightens tightens_of(const struct ruleset_diff *d, const struct ranges *left);
