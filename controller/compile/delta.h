/*
 * delta: what two models of one engine differ in, where that is a few endpoints.
 */
#pragma once

#include "compile-internal.h"

struct delta {
	const struct model *was, *is;
	/* For each container and endpoint of WAS: its place in IS, where nothing that concerns it changed; else
	 * MODEL_NONE. */
	size_t *containers, *endpoints;
	struct index_list gone; /* endpoints of WAS that IS has not, or has otherwise; ascending */
	struct index_list come; /* endpoints of IS, likewise */
	struct index_list left, joined; /* containers, likewise: also those without endpoints */
};

/* Whether the model of C and IS differ, by what rules can tell, in containers and their endpoints alone, and only in as many
 * as are a matter of a few. RET is to be freed in any case. */
bool delta_find(const struct compiled *c, const struct model *is, struct delta *ret);
void delta_done(struct delta *d);

#define CLEANUP_DELTA __attribute__((cleanup(delta_done)))
