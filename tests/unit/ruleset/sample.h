/*
 * sample: rulesets that the tests of the rooms ruleset and nft share.
 */
#pragma once

#include "quaywall/ruleset.h"

/* Every kind of field, expression, flag and verdict, IPv4 and IPv6. Sorted; the caller frees. */
struct ruleset *sample_full(void);

/* A table with one chain, one map and one set of N addresses. Sorted; the caller frees. */
struct ruleset *sample_big(size_t n);

/* An element of S from text as nft prints it, but with '|' between fields and numbers for protocols; in
 * an interval, '-' stands between first and last: "br-a|172.18.0.2", "10.0.0.0-10.0.0.9|6|80-90".
 * VERDICT, CHAIN and COMMENT may be none. */
void sample_element(struct ruleset_set *s, const char *text, enum ruleset_verdict verdict,
		    const char *chain, const char *comment);

/* A rule of C made of EXPRS, which ends with VERDICT (VERDICT_NONE: with none) to CHAIN. */
void sample_rule(struct ruleset_chain *c, const char *comment, const struct ruleset_expr *exprs,
		 size_t n, enum ruleset_verdict verdict, const char *chain);

/* A prefix from its text. */
struct prefix sample_prefix(const char *text);
