/*
 * decode: messages of a dump as objects of a ruleset: the inverse of encode. What is not of our making
 * is marked unknown, so that a comparison replaces it.
 *
 * Each function adds what MESSAGE holds to R if it is of R's table, and returns 0, or -EBADMSG for a
 * message that cannot be read at all.
 */
#pragma once

#include <libmnl/libmnl.h>

#include "quaywall/ruleset.h"

int decode_limit(const struct nlmsghdr *message, struct ruleset *r);
int decode_set(const struct nlmsghdr *message, struct ruleset *r);
int decode_chain(const struct nlmsghdr *message, struct ruleset *r);

/* Sets and chains must be there already, and R sorted. */
int decode_rule(const struct nlmsghdr *message, struct ruleset *r);

/* Calls EACH for every element of a message of a set's elements. 0, or -EBADMSG. */
int decode_each_element(const struct nlmsghdr *message,
			void (*each)(const struct nlattr *element, void *data), void *data);

/* The elements of one set come in any number of messages, and in an order of the kernel's. A range over
 * one field comes as two elements, which only the end brings together. */
struct element_reading {
	struct ruleset_set *set;
	struct {
		struct boundary *items;
		size_t len, cap;
	} boundaries;
};

/* Where a range begins or ends. */
struct boundary {
	bool end; /* then it has a key alone */
	uint8_t key[RULESET_KEY_MAX];
	enum ruleset_verdict verdict;
	char *chain, *comment; /* or NULL */
};

int decode_elements(const struct nlmsghdr *message, struct element_reading *e);
void decode_elements_finish(struct element_reading *e);
void decode_elements_done(struct element_reading *e);

#define CLEANUP_ELEMENT_READING __attribute__((cleanup(decode_elements_done)))

/* The comment among nft's notes, which rules and elements keep alike, or NULL. The caller frees. */
char *decode_comment(const void *notes, size_t len);

/* False: a verdict that we never give. */
bool decode_verdict(int32_t code, enum ruleset_verdict *ret);
