/*
 * ports: which port of a bridge an endpoint's frames come in by.
 *
 * The engine does not tell. A port is the endpoint's if it is an end of a veth pair, in the network's bridge,
 * and the other end has the endpoint's MAC. A container that may change its own MAC can claim another's
 * so; therefore a port that was once bound stays with its endpoint as long as both are there, and what
 * two claim is nobody's.
 */
#pragma once

#include <stdint.h>

#include "links.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

struct binding {
	const char *endpoint; /* EndpointID, in the block */
	struct model_block *block;
	unsigned port; /* index of the link, or 0 */
	bool hides;    /* it had no port when we began, and may show another's MAC */
	size_t place;  /* where the link was in the table */
};

struct ports {
	struct binding *items; /* sorted by endpoint */
	size_t len;
	bool missing; /* some endpoint of a bridge has none */
	bool begun;   /* ports_bind() was called */
};

/* Fills the ports of M's endpoints, sorted by id; REQUESTS is a socket of NETLINK_ROUTE. Asks the kernel only
 * about ports that nobody has, of bridges where an endpoint has none. */
int ports_bind(struct ports *p, const struct links *l, struct mnl_socket *requests, struct model *m,
	       struct error *err);

/* Whether ports_bind() could give an endpoint of M, whose ports it filled last, another one. Changes nothing. True where it
 * is not known. */
bool ports_differ(const struct ports *p, const struct links *l, struct mnl_socket *requests,
		  struct model *m);

void ports_done(struct ports *p);
