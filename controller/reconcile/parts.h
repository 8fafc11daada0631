/*
 * parts: what one identity may send to another, divided by ports into what is judged alike.
 */
#pragma once

#include <jansson.h>

#include "quaywall/compile.h"

/* A pair of ends that are asked for all that they stand for; each flow's ports are filled in. */
struct parts_flows {
	struct flow *items;
	size_t len, cap;
};

struct parts;

struct parts *parts_new(void);
void parts_free(struct parts *p);

/* Asks each of FLOWS about the ports FIRST to LAST, which are judged alike (0 and 0: a protocol without ports), and
 * adds them to the part that is answered so. Ports come in ascending order. Returns how many were asked. */
size_t parts_ask(struct parts *p, const struct compiled *c, struct parts_flows *flows,
		 uint8_t protocol, uint16_t first, uint16_t last);

/* Asks each of FLOWS, which go through published ports, about the host's PORT. */
size_t parts_ask_published(struct parts *p, const struct compiled *c,
			   const struct parts_flows *flows, uint8_t protocol, uint16_t port);

/* [{"verdict", "ports", "limited", "by"}]: see the README. WHOLE: the parts together are every protocol and port. */
json_t *parts_json(const struct parts *p, bool whole);

/* "none" without a part, the verdict of the only one, else "ports". */
const char *parts_verdict(const struct parts *p);
