/*
 * release: an engine's version, so that two can be held against each other.
 */
#pragma once

#include <stdbool.h>

struct release {
	unsigned long numbers[3];
	int stage; /* of what leads to it: 0 alpha, 1 beta, 2 candidate; 3: the release itself */
	unsigned long step; /* which one of that stage */
	bool vendor;	    /* a distribution's suffix: it may hold mends of later releases */
};

/* -EINVAL: TEXT is no version, or one that says nothing about what is in it (builds of developers: "dev",
 * "20.10.0-dev", and nightly ones, 0.0.0). */
int release_parse(const char *text, struct release *ret);

/* <0, 0, >0 as A is before, the same as, or behind B. A suffix counts for nothing. */
int release_compare(const struct release *a, const struct release *b);
int release_compare_numbers(const struct release *a,
			    const struct release *b); /* 26.0.0-rc1 is 26.0.0 */
