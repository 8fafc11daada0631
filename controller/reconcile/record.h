/*
 * record: one packet or flow that was seen, as JSON with names: what `watch` tells, and what is kept of it.
 *
 * Its keys are documented in the README and stay. What decided is asked of the evaluator and not read from the
 * rule, so a packet that was judged by rules of a moment ago may be told with those of now.
 */
#pragma once

#include <stdbool.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/compile.h"
#include "quaywall/flow.h"

/* The names of a packet's interfaces; NULL where they are not known. */
struct record_interfaces {
	const char *in, *out, *port; /* port: the bridge's, by which the frame came */
};

/* A packet that a rule of ours logged at AT (CLOCK_REALTIME), to be freed by the caller. NULL: another's rule. */
json_t *record_of_packet(const struct compiled *c, const struct flow_packet *p,
			 const struct record_interfaces *names, const struct timespec *at);

/* Whether it was logged by a chain that counts what comes there (compile_counted_chain()), and not by a rule of a policy. */
bool record_was_counted(const struct flow_packet *p);

/* Whether it is VXLAN that was refused as from or to a host that is no peer. */
bool record_is_stranger(const struct flow_packet *p);

/* The flow that the packet began, and what the rule did with it. False where that is nobody's flow: of what is spoofed or
 * of an address that nobody known holds, an answer, a fragment without ports. */
bool record_flow(const struct compiled *c, const struct flow_packet *p,
		 const struct record_interfaces *names, struct flow *ret,
		 enum flow_verdict *ret_verdict);

/* What is known of a flow that passed. */
enum record_state {
	RECORD_BEGINS,
	RECORD_FOUND, /* it was there when flows began to be followed, or its beginning was lost */
	RECORD_ENDS,
};

/* A flow that conntrack told of at AT, judged as F and V. To be freed by the caller. */
json_t *record_of_event(const struct compiled *c, const struct flow *f, const struct verdict *v,
			const struct flow_event *event, enum record_state state,
			const struct timespec *at);
