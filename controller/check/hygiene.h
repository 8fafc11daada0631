/*
 * hygiene: what the files of the group `hygiene` share.
 */
#pragma once

#include "internal.h"

/* Rules that nothing has used for as long as the settings say. */
void hygiene_unused(const struct check_input *in, struct check_report *ret);
