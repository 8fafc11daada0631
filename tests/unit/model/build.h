/*
 * build: the smallest model in which a test can place what it asks for.
 */
#pragma once

#include "quaywall/mem.h"
#include "quaywall/model.h"

static inline size_t build_container(struct model *m, const char *id, const char *name)
{
	struct model_container *c;

	m->containers = realloc(m->containers, (m->ncontainers + 1) * sizeof(*m->containers));
	c = &m->containers[m->ncontainers];
	*c = (struct model_container) {
		.id = mem_strdup(id),
		.name = mem_strdup(name),
		.image = mem_strdup("image"),
		.image_id = mem_strdup("sha256:1"),
		.network_mode = mem_strdup("default"),
		.running = true,
	};
	return m->ncontainers++;
}

static inline void build_label(struct model_container *c, const char *key, const char *value,
			       bool from_image)
{
	c->labels = realloc(c->labels, (c->nlabels + 1) * sizeof(*c->labels));
	c->labels[c->nlabels++] =
		(struct model_label) {mem_strdup(key), mem_strdup(value), from_image};
}

static inline void build_port(struct model_container *c, uint8_t protocol, uint16_t host_port,
			      const char *host_addr)
{
	struct model_port port = {
		.protocol = protocol, .container_port = 80, .host_port = host_port};

	addr_parse(host_addr, &port.host_addr);
	c->ports = realloc(c->ports, (c->nports + 1) * sizeof(*c->ports));
	c->ports[c->nports++] = port;
}

static inline size_t build_network(struct model *m, const char *id, const char *bridge)
{
	m->networks = realloc(m->networks, (m->nnetworks + 1) * sizeof(*m->networks));
	m->networks[m->nnetworks] = (struct model_network) {
		.id = mem_strdup(id),
		.name = mem_printf("net-%s", id),
		.driver = mem_strdup("bridge"),
		.scope = mem_strdup("local"),
		.bridge = mem_strdup(bridge),
		.icc = true,
	};
	return m->nnetworks++;
}

static inline void build_endpoint(struct model *m, const char *id, size_t network, size_t container)
{
	m->endpoints = realloc(m->endpoints, (m->nendpoints + 1) * sizeof(*m->endpoints));
	m->endpoints[m->nendpoints++] = (struct model_endpoint) {
		.id = mem_strdup(id),
		.network = network,
		.container = container,
		.name = mem_strdup(id),
	};
}

static inline void build_interface(struct model *m, const char *name, const char *addr)
{
	struct model_interface *i;

	m->interfaces = realloc(m->interfaces, (m->ninterfaces + 1) * sizeof(*m->interfaces));
	i = &m->interfaces[m->ninterfaces++];
	*i = (struct model_interface) {
		.name = mem_strdup(name),
		.index = 1,
		.addrs = mem_new(1, sizeof(*i->addrs)),
		.naddrs = addr != NULL,
	};
	if (addr)
		prefix_parse(addr, i->addrs);
}
