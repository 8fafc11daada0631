/*
 * cut: a changed policy applies to the flows that exist (rule 10 of the language).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/flow.h"
#include "quaywall/host.h"
#include "quaywall/model.h"
#include "kernel.h"
#include "world.h"

/* What flows are judged by. */
struct cut_view {
	const struct compiled *compiled;
	struct host *host; /* whose routes tell by which interface a flow goes; or NULL */
	bool by_interface; /* some rule asks for it */
};

/* The flow that the entry's first packet began, without the outside's interface. False where it touches no
 * container. */
bool cut_flow_of(const struct compiled *c, const struct flow_entry *e, struct flow *ret);

struct cut_view cut_view_of(const struct compiled *c, struct host *h);

/* Whether the entry's first packet would be refused now; false where it touches no container. */
bool cut_is_refused(const struct cut_view *v, const struct flow_entry *e);

/* The same; *RET is the flow that was judged. */
bool cut_judge(const struct cut_view *v, const struct flow_entry *e, struct flow *ret);

/* How the rules of now judge it; false where it touches no container. Where nothing tells the interface that rules ask
 * for, it is judged as by none. */
bool cut_verdict(const struct cut_view *v, const struct flow_entry *e, struct flow *ret,
		 struct verdict *ret_verdict);

/* Whether an answer of the refused flow would begin a flow that nothing refuses and no rule names. */
bool cut_can_come_back(const struct compiled *c, const struct flow_entry *e);

/* Ends the flows that the world W refuses, and no other. What their ends still send as answers is dropped by
 * the kernel's table. *RET_CUT, set in any case, is how many were ended. */
int cut_refused(struct flow_table *flows, struct kernel *k, struct host *h, const struct world *w,
		size_t *ret_cut, struct error *err);
