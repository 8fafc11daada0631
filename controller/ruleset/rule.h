/*
 * rule: what the files of the ruleset room share about rules and elements.
 */
#pragma once

#include "quaywall/ruleset.h"

/* Equal in all that counts. An unknown rule is equal to none. */
bool rule_equal(const struct ruleset_rule *a, const struct ruleset_rule *b);

/* Both elements are of S, or of sets declared like it. */
bool rule_element_equal(const struct ruleset_set *s, const struct ruleset_element *a,
			const struct ruleset_element *b);

bool rule_verdict_has_chain(enum ruleset_verdict v);

/* AF_INET or AF_INET6 where E reads such a header, else 0. */
uint32_t rule_implied_family(const struct ruleset_expr *e);

/* The type of frame whose header E reads where it cannot be but one, else 0. */
uint32_t rule_implied_ether_type(const struct ruleset_expr *e);

/* The set that E looks up or fills, or NULL. */
const char *rule_set_name(const struct ruleset_expr *e);
