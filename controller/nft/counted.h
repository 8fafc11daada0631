/*
 * counted: counters in messages of a dump. Nothing of a rule or an element is understood but its counter, its
 * comment and its verdict.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "quaywall/ruleset.h"

/* Good while it is told. */
struct counted_rule {
	const char *chain;
	const char *comment; /* or NULL */
	enum ruleset_verdict verdict;
	const char *target; /* of VERDICT_JUMP and _GOTO, or NULL */
	uint64_t packets, bytes;
};

struct counted_element {
	const char *comment; /* or NULL */
	uint64_t packets, bytes;
};

/* The counter that the attribute EXPR of an element is. False: an expression of another kind. */
bool counted_counter(const struct nlattr *expr, uint64_t *packets, uint64_t *bytes);

/* Calls EACH for the rule of MESSAGE, if it has a counter. 0 or -EBADMSG. */
int counted_rule(const struct nlmsghdr *message,
		 void (*each)(const struct counted_rule *rule, void *data), void *data);

/* Calls EACH for the elements of MESSAGE that have a counter. 0 or -EBADMSG. */
int counted_elements(const struct nlmsghdr *message,
		     void (*each)(const struct counted_element *element, void *data), void *data);
