/*
 * exposure: who outside reaches a published port, or one of the host's network, and the services whose ports are not for
 * everybody.
 */
#pragma once

#include <stdint.h>

#include "internal.h"

/* ---- exposure.c ---- */

/* ", with the public address 203.0.113.9 of eth0": what of the host's own addresses anybody could send to. */
void exposure_add_public_addrs(const struct model *m, uint8_t family, struct buf *out);

/* ---- listening.c ---- */

void listening_run(const struct check_input *in, struct check_report *ret);

/* ---- services.c ---- */

struct service {
	uint8_t protocol; /* IPPROTO_* */
	uint16_t port;	  /* the container's */
	const char *name;
	const char *what; /* somebody who reaches it has: "a database" */
	enum check_severity severity;
	const char *source;
};

const struct service *service_find(uint8_t protocol, uint16_t port); /* NULL: none that is known */

/* ---- networks.c ---- */

void networks_run(const struct check_input *in, struct check_report *ret);

/* ---- reach.c ---- */

/* A port of the host that leads to a container: one, on all addresses that it is published on. */
struct exposed {
	size_t container, endpoint;
	const struct model_port *ports; /* the model's: one for each address */
	size_t nports;
};

bool exposed_in(const struct exposed *e,
		uint8_t family); /* on an address that is not the host's own loopback */
bool addr_is_loopback(const struct addr *a);
bool addr_is_private(
	const struct addr *a); /* of no use on the internet: RFC 1918, 6598, 4193, link-local */

/* Who reaches it from outside. */
struct reach {
	size_t passed;	  /* kinds of sources that do */
	bool everyone[2]; /* IPv4, IPv6: all addresses, whatever interface they come by */
	bool some_public; /* an address that is not private, by an interface that no rule names */
	bool named;	  /* a publish rule consents, and not the want of a policy */
	bool audited;	  /* only since audit mode refuses nothing */
	struct flow_end example;     /* one that does */
	struct flow_consent consent; /* by which */
};

struct asker; /* remembers whom to ask for an identity */
struct asker *asker_new(const struct compiled *c);
void asker_free(struct asker *a);
/* The next published port of container C behind the *NEXT ports before it. False at the end, or where none leads to an
 * endpoint that is governed. */
bool asker_next(const struct asker *a, size_t c, size_t *next, struct exposed *ret);
/* By the host's port, or DIRECT: straight to the container's port, as with a route to its address. False where that
 * would take too long. */
bool asker_ask(struct asker *a, const struct exposed *e, bool direct, struct reach *ret);
