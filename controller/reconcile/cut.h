/*
 * cut: a changed policy applies to the flows that exist (rule 10 of the language).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/flow.h"
#include "quaywall/model.h"
#include "world.h"

/* Whether the entry's first packet would be refused now; false where it touches no container. */
bool cut_is_refused(const struct compiled *c, const struct model *m, const struct flow_entry *e);

/* Ends the flows that the world W refuses, and no other. */
int cut_refused(struct flow_table *flows, const struct world *w, size_t *ret_cut,
		struct error *err);
