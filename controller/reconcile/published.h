/*
 * published: which container a port of the host leads to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/compile.h"
#include "quaywall/model.h"

struct published {
	size_t container;
	uint8_t protocol;
	uint16_t host_port, container_port;
	bool loopback_only; /* on no address that somebody outside can reach */
};

/* Whether the container C publishes HOST_PORT. */
bool published_find(const struct model *m, size_t c, uint8_t protocol, uint16_t host_port,
		    struct published *ret);

/* The flow from FROM through P. Only from outside is it judged as published: between containers,
 * and from the host, the published port is another road to the container's own. False where there
 * is none: the container itself, or one without an address. */
bool published_flow(const struct model *m, const struct flow_end *from, const struct published *p,
		    struct flow *ret);
