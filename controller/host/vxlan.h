/*
 * vxlan: the VXLAN devices whose datagrams this namespace carries, wherever the devices themselves are: the engine makes
 * them here and moves each into the namespace of its overlay network.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdint.h>

#include "quaywall/error.h"

struct vxlan {
	char name[IFNAMSIZ];
	uint32_t vni;
	uint16_t port; /* host order */
};

/* Calls EACH for the devices in all namespaces that have an id here. Of a namespace that goes meanwhile, or may not be
 * looked at, there are none. */
int vxlan_each(struct mnl_socket *s, void (*each)(const struct vxlan *v, void *data), void *data,
	       struct error *err);
