#include "quaywall/model.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

struct model *model_new(void)
{
	return mem_new(1, sizeof(struct model));
}

/* ---- copy ---- */

static void *copy_array(const void *items, size_t n, size_t size)
{
	void *copy;

	if (n == 0)
		return NULL;
	copy = mem_new(n, size);
	memcpy(copy, items, n * size);
	return copy;
}

/* Each copy_* turns a bitwise copy into one that owns what hangs from it. */

static struct model_label *copy_labels(const struct model_label *labels, size_t n)
{
	struct model_label *copy = copy_array(labels, n, sizeof(*labels));

	for (size_t i = 0; i < n; i++) {
		copy[i].key = mem_strdup(copy[i].key);
		copy[i].value = mem_strdup(copy[i].value);
	}
	return copy;
}

static void copy_container(struct model_container *c)
{
	c->id = mem_strdup(c->id);
	c->name = mem_strdup(c->name);
	c->image = mem_strdup(c->image);
	c->image_id = mem_strdup(c->image_id);
	c->network_mode = mem_strdup(c->network_mode);
	c->labels = copy_labels(c->labels, c->nlabels);
	c->ports = copy_array(c->ports, c->nports, sizeof(*c->ports));
}

static void copy_network(struct model_network *n)
{
	n->id = mem_strdup(n->id);
	n->name = mem_strdup(n->name);
	n->driver = mem_strdup(n->driver);
	n->scope = mem_strdup(n->scope);
	n->bridge = mem_strdup(n->bridge);
	n->gateway_mode4 = mem_strdup(n->gateway_mode4);
	n->gateway_mode6 = mem_strdup(n->gateway_mode6);
	n->subnets = copy_array(n->subnets, n->nsubnets, sizeof(*n->subnets));
	n->gateways = copy_array(n->gateways, n->ngateways, sizeof(*n->gateways));
	n->vnis = copy_array(n->vnis, n->nvnis, sizeof(*n->vnis));
	n->peers = copy_array(n->peers, n->npeers, sizeof(*n->peers));
	n->labels = copy_labels(n->labels, n->nlabels);
}

static void copy_endpoint(struct model_endpoint *e)
{
	e->id = mem_strdup(e->id);
	e->name = mem_strdup(e->name);
}

static void copy_interface(struct model_interface *i)
{
	i->name = mem_strdup(i->name);
	i->addrs = copy_array(i->addrs, i->naddrs, sizeof(*i->addrs));
}

struct model *model_copy(const struct model *m)
{
	struct model *copy = copy_array(m, 1, sizeof(*m));

	copy->engine_id = mem_strdup(m->engine_id);
	copy->engine_name = mem_strdup(m->engine_name);
	copy->engine_version = mem_strdup(m->engine_version);
	copy->api_version = mem_strdup(m->api_version);
	copy->networks = copy_array(m->networks, m->nnetworks, sizeof(*m->networks));
	for (size_t i = 0; i < m->nnetworks; i++)
		copy_network(&copy->networks[i]);
	copy->containers = copy_array(m->containers, m->ncontainers, sizeof(*m->containers));
	for (size_t i = 0; i < m->ncontainers; i++)
		copy_container(&copy->containers[i]);
	copy->endpoints = copy_array(m->endpoints, m->nendpoints, sizeof(*m->endpoints));
	for (size_t i = 0; i < m->nendpoints; i++)
		copy_endpoint(&copy->endpoints[i]);
	copy->interfaces = copy_array(m->interfaces, m->ninterfaces, sizeof(*m->interfaces));
	for (size_t i = 0; i < m->ninterfaces; i++)
		copy_interface(&copy->interfaces[i]);
	copy->vxlan_ports = copy_array(m->vxlan_ports, m->nvxlan_ports, sizeof(*m->vxlan_ports));
	return copy;
}

/* ---- free ---- */

static void free_labels(struct model_label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(labels[i].key);
		free(labels[i].value);
	}
	free(labels);
}

static void free_container(struct model_container *c)
{
	free(c->id);
	free(c->name);
	free(c->image);
	free(c->image_id);
	free(c->network_mode);
	free_labels(c->labels, c->nlabels);
	free(c->ports);
}

static void free_network(struct model_network *n)
{
	free(n->id);
	free(n->name);
	free(n->driver);
	free(n->scope);
	free(n->bridge);
	free(n->gateway_mode4);
	free(n->gateway_mode6);
	free(n->subnets);
	free(n->gateways);
	free(n->vnis);
	free(n->peers);
	free_labels(n->labels, n->nlabels);
}

void model_clear_interfaces(struct model *m)
{
	for (size_t i = 0; i < m->ninterfaces; i++) {
		free(m->interfaces[i].name);
		free(m->interfaces[i].addrs);
	}
	free(m->interfaces);
	m->interfaces = NULL;
	m->ninterfaces = 0;
}

static bool same_interface(const struct model_interface *a, const struct model_interface *b)
{
	if (a->index != b->index || a->bridge != b->bridge || a->naddrs != b->naddrs ||
	    strcmp(a->name, b->name) != 0)
		return false;
	for (size_t i = 0; i < a->naddrs; i++)
		if (a->addrs[i].len != b->addrs[i].len ||
		    !addr_equal(&a->addrs[i].addr, &b->addrs[i].addr))
			return false;
	return true;
}

bool model_same_host(const struct model *a, const struct model *b)
{
	if (a->ninterfaces != b->ninterfaces || a->nvxlan_ports != b->nvxlan_ports)
		return false;
	for (size_t i = 0; i < a->ninterfaces; i++)
		if (!same_interface(&a->interfaces[i], &b->interfaces[i]))
			return false;
	for (size_t i = 0; i < a->nvxlan_ports; i++)
		if (a->vxlan_ports[i] != b->vxlan_ports[i])
			return false;
	return true;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	free(m->engine_id);
	free(m->engine_name);
	free(m->engine_version);
	free(m->api_version);
	for (size_t i = 0; i < m->nnetworks; i++)
		free_network(&m->networks[i]);
	free(m->networks);
	for (size_t i = 0; i < m->ncontainers; i++)
		free_container(&m->containers[i]);
	free(m->containers);
	for (size_t i = 0; i < m->nendpoints; i++) {
		free(m->endpoints[i].id);
		free(m->endpoints[i].name);
	}
	free(m->endpoints);
	model_clear_interfaces(m);
	free(m->vxlan_ports);
	free(m);
}
