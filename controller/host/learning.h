/*
 * learning: what a bridge learns from, and what it is told.
 */
#pragma once

#include <stdint.h>

#include "links.h"
#include "quaywall/error.h"
#include "quaywall/model.h"

/* Keeps the bridges of M's networks from learning from frames to 01:80:c2:00:00:0x, which they do not forward: no
 * hook sees those to …0e, and with another's MAC as their source they would turn its traffic to the sender's
 * port. Tries all; the first failure comes back. */
int learning_restrict(struct links *l, struct mnl_socket *requests, const struct model *m,
		      struct error *err);

/* Tells the bridge of PORT, a link's index, that MAC is there, whatever it learned before; as if it had learned it, so
 * it ages. -ENODEV and the like where the port has gone. */
int learning_teach(struct mnl_socket *requests, unsigned port, const uint8_t mac[static 6]);
