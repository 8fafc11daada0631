/*
 * describe: a judged flow as JSON, for `explain` and `watch`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/compile.h"
#include "quaywall/model.h"
#include "published.h"

/* F as it was judged; with a port, it stands for the ports from F->port to LAST. */
json_t *describe_flow(const struct compiled *c, const struct model *m, const struct flow *f,
		      uint16_t last, const struct verdict *v);

/* Parts of it. LAST as above. */
json_t *describe_end(const struct compiled *c, const struct model *m, const struct flow_end *end);
json_t *describe_ports(const struct flow *f, uint16_t last);
json_t *
describe_directions(unsigned bits); /* ["ingress", "egress"], of POLICY_INGRESS | POLICY_EGRESS */
json_t *describe_addr(const struct addr *a); /* null where it is not set */
json_t *describe_time(time_t t);	     /* RFC 3339, in UTC; null for 0, which is never */

/* FLOW, as described of F, takes the road through the host's port P. */
void describe_through_port(json_t *flow, const struct flow *f, const struct published *p);

/* Whether two descriptions differ in nothing but the addresses. */
bool describe_is_alike(const json_t *a, const json_t *b);
bool describe_is_refused(const json_t *flow);

/* "shop.yaml:12 allow: web -> db", or the sentence of compile_consent_print(). */
void describe_consent(const struct flow_consent *consent, bool egress, struct buf *out);

const char *describe_verdict(enum flow_verdict v); /* "allow", "audit", "deny" */
