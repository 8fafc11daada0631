/*
 * model: the engine's containers, endpoints, networks and published ports, and the host's own
 * interfaces, at one instant. Plain data; indices instead of pointers between the objects, so that a
 * model can be copied and compared. Everything that hangs from a struct model is owned by it, alone or with others.
 *
 * The docker room fills it from the engine or from a recorded snapshot, the host room adds the
 * interfaces. Nobody changes a model once it was handed on.
 *
 * A network, a container and an endpoint own what hangs from them: each text and each list is an allocation of its
 * own, as whoever builds a model by hand makes them, and `block` is NULL. Or it stands in a block: one allocation that
 * any number of models share, in any thread, and that nobody changes, ever. To change such an object make another: a
 * bitwise copy without the block that points to what is new, and model_…_share() of it.
 *
 * So of two objects of one kind `a->id == b->id`, the pointers, says that both are one block: that nothing of them differs
 * but what each model has of its own (of an endpoint its network, container and port). The docker room keeps the
 * block of what the engine tells again as it was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/addr.h"

#define MODEL_NONE	  SIZE_MAX /* an index that points nowhere */
#define MODEL_IFNAME_SIZE 16	   /* IFNAMSIZ: an interface's name with its NUL */

struct model_block;

struct model_label {
	char *key, *value;
	bool from_image; /* the image carries the same key with the same value */
};

struct model_port {
	uint8_t protocol;	 /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint16_t container_port; /* host order */
	uint16_t host_port;    /* host order; never 0: exposed but unpublished ports are left out */
	struct addr host_addr; /* 0.0.0.0 and :: mean every address of that family */
};

struct model_container {
	char *id;	/* no fixed form: 64 hex digits, or 25 characters under Swarm */
	char *name;	/* without the leading slash; "" where the engine gave none */
	char *image;	/* the reference as given to `docker run` */
	char *image_id; /* "sha256:…" */
	char *network_mode; /* HostConfig.NetworkMode: "default", "bridge", "host", "container:ID", … */
	bool running;	    /* running, paused or restarting, as the engine lists it */
	struct model_label *labels; /* sorted by key, as strcmp(3) */
	size_t nlabels;
	struct model_port *ports; /* sorted by protocol, host port, host address */
	size_t nports;
	struct model_block *block; /* NULL: nothing of it is shared */
};

struct model_network {
	char *id;
	char *name;
	char *driver; /* "bridge", "overlay", "macvlan", "host", "null", … */
	char *scope;  /* "local", "swarm", "global" */
	char *bridge; /* the bridge device of a "bridge" network, else NULL */
	bool internal;
	bool icc;	     /* com.docker.network.bridge.enable_icc; true where absent */
	bool encrypted;	     /* the option `encrypted` is present, whatever its value */
	char *gateway_mode4; /* com.docker.network.bridge.gateway_mode_ipv4, or NULL */
	char *gateway_mode6;
	struct prefix *subnets; /* IPAM.Config, both families */
	size_t nsubnets;
	struct addr *gateways;
	size_t ngateways;
	/* Of an "overlay" network: its VXLAN network identifiers, one for each subnet, and the nodes that have a part
	 * in it by now, this one included, as the engine knows them. Both sorted, none twice. */
	uint32_t *vnis;
	size_t nvnis;
	struct addr *peers;
	size_t npeers;
	struct model_label *labels; /* sorted by key */
	size_t nlabels;
	struct model_block *block; /* NULL: nothing of it is shared */
};

struct model_endpoint {
	char *id;	  /* EndpointID: the key of everything; an address can change owners */
	size_t network;	  /* index into networks */
	size_t container; /* index into containers; MODEL_NONE for lb-*, ingress-sbox and the like */
	char *name;	  /* as the network lists it */
	char *key; /* whose it is, by the engine: a container's id, "lb-…" and the like; NULL where no engine said so */
	struct addr addr4, addr6; /* family 0 where it has none */
	bool has_mac;
	uint8_t mac[6];
	/* The host's end of its veth pair, the port of the network's bridge that its frames come in by;
	 * "" where that is not known. The host room finds it. */
	char port[MODEL_IFNAME_SIZE];
	struct model_block *block; /* NULL: nothing of it is shared */
};

/* An interface of the host, in the namespace that quaywall governs. */
struct model_interface {
	char *name;
	unsigned index;
	bool bridge;
	struct prefix *addrs; /* with the host bits: the interface's own addresses */
	size_t naddrs;
};

struct model {
	char *engine_id;      /* /info ID; "" where unknown */
	char *engine_name;    /* "Docker Engine", "Podman Engine", … from /version Components */
	char *engine_version; /* as /version has it, distribution suffix and all */
	char *api_version;    /* the version spoken */
	struct model_network *networks; /* sorted by id */
	size_t nnetworks;
	struct model_container *containers; /* sorted by id */
	size_t ncontainers;
	struct model_endpoint *endpoints; /* sorted by id */
	size_t nendpoints;
	struct model_interface *interfaces; /* sorted by name; none where the host was not read */
	size_t ninterfaces;
	/* The UDP ports of the overlay networks' VXLAN devices here, ascending, host order; none where there is no such
	 * device, or the host was not read. The host room finds them. */
	uint16_t *vxlan_ports;
	size_t nvxlan_ports;
};

struct model *model_new(void);
/* It shares what M shares already, and gets blocks for the rest. */
struct model *model_copy(const struct model *m);
void model_free(struct model *m);

/* The same object once more: of its block, or of a new one with a copy of what hangs from it, sorted. */
struct model_container model_container_share(const struct model_container *c);
struct model_network model_network_share(const struct model_network *n);
struct model_endpoint model_endpoint_share(const struct model_endpoint *e);
/* Frees what hangs from the object, shared or not. */
void model_container_done(struct model_container *c);
void model_network_done(struct model_network *n);
void model_endpoint_done(struct model_endpoint *e);

/* Frees the interfaces and leaves none: the host room reads them anew. */
void model_clear_interfaces(struct model *m);
/* Whether the host is the same in both: its interfaces (where COUNTS is no NULL, those of which it says so), and the ports
 * of VXLAN. */
bool model_same_host(const struct model *a, const struct model *b,
		     bool (*counts)(const struct model_interface *i, const void *data),
		     const void *data);

/* Whether the engine says the same of both: of a network without its endpoints, of an endpoint whatever network it is in
 * and whichever port it has. All of it sorted. */
bool model_same_container(const struct model_container *a, const struct model_container *b);
bool model_same_network(const struct model_network *a, const struct model_network *b);
bool model_same_endpoint(const struct model_endpoint *a, const struct model_endpoint *b);

/* Whether there is an overlay network. */
bool model_has_overlay(const struct model *m);
bool model_network_is_overlay(const struct model_network *n);

/* The network whose identifier VNI is, or NULL. */
const struct model_network *model_network_of_vni(const struct model *m, uint32_t vni);

/* The UDP port to which overlay networks send, unless their swarm has another. */
#define MODEL_VXLAN_PORT 4789

/* Sorts the VXLAN ports, and leaves one of each. */
void model_sort_vxlan_ports(struct model *m);

/* Sorts the interfaces, or the endpoints, alone. */
void model_sort_interfaces(struct model *m);
void model_sort_endpoints(struct model *m);

/* Sorts every list as the comments above say and mends the indices. */
void model_sort(struct model *m);

/* Index into the sorted list; MODEL_NONE if absent. */
size_t model_find_container(const struct model *m, const char *id);
size_t model_find_network(const struct model *m, const char *id);
size_t model_find_endpoint(const struct model *m, const char *id);

/* Whether the key is one of Compose's or Swarm's, which say who a container is. */
bool model_label_is_identity(const char *key);

/* The value of a label, or NULL. TRUSTED leaves out labels that came from the image and not from who
 * started the container: the image carries the same, and it was not Compose that set it. */
const char *model_container_label(const struct model_container *c, const char *key, bool trusted);

/* The container whose network namespace C uses: C itself, or X for `network_mode: container:X`
 * (X by id or name); MODEL_NONE where X is not there, or behind more than 64 others. */
size_t model_netns_owner(const struct model *m, size_t c);

/* Compose's or Swarm's project and service of a container, from trusted labels alone; NULL where it
 * has none. Both strings stay the model's (a Swarm service without its stack prefix is a suffix). */
const char *model_container_project(const struct model_container *c);
const char *model_container_service(const struct model_container *c);

/* Appends the name a person uses: "shop/db (shop-db-1)" for a Compose or Swarm container, else its
 * name, else the first 12 characters of its id; fit for a terminal (see utf8_clean()). */
struct buf;
void model_container_title(const struct model_container *c, struct buf *out);

/* A network that quaywall governs in the host's own hooks: driver "bridge" with a bridge device. */
bool model_network_is_managed(const struct model_network *n);

/* The addresses of an endpoint: IPv4, IPv6 and the link-local one of its MAC (which engines before 28 make
 * of the IPv4 address). Returns how many. */
size_t model_endpoint_addrs(const struct model_endpoint *e, struct addr ret[static 3]);
/* Adds to RET, which is not normalised then, the addresses of E that the endpoint of its id has not in IS. */
void model_endpoint_left(const struct model_endpoint *e, const struct model *is,
			 struct ranges *ret);

/* The name that the bridge of NETWORK of M has now, where no interface has the one that the engine tells:
 * that of the interface which had its name BEFORE. NULL: it is as told, or that is not known. */
const char *model_bridge_renamed(const struct model *m, size_t network, const struct model *before);

static inline void model_cleanup(struct model **m)
{
	model_free(*m);
}
#define CLEANUP_MODEL __attribute__((cleanup(model_cleanup)))
