/*
 * ends: what a person calls an end of a flow -> the ends that this stands for.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

struct ends {
	struct flow_end *items; /* endpoints without an address: see ends_in_family() */
	size_t len, cap;
};

/* TEXT: a container's name, id or unique id prefix, PROJECT/SERVICE, an address, or "host". -EINVAL
 * with the reason in ERR where it stands for nothing. */
int ends_resolve(const struct compiled *c, const struct model *m, const char *text,
		 struct ends *ret, struct error *err);

/* Adds the endpoints of the container C (or of the one whose network it uses) on managed networks.
 */
void ends_add_container(struct ends *e, const struct model *m, size_t c);
void ends_done(struct ends *e);

/* The address of END in FAMILY; family 0 where it has none. The host has one in each: any (family 0
 * too, so *RET_HAS tells). */
struct addr ends_in_family(const struct model *m, const struct flow_end *end, uint8_t family,
			   bool *ret_has);

#define CLEANUP_ENDS __attribute__((cleanup(ends_done)))
