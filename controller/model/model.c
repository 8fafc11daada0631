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

/* Of a bitwise copy: one that owns what hangs from it. */
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
		copy->networks[i] = model_network_share(&m->networks[i]);
	copy->containers = copy_array(m->containers, m->ncontainers, sizeof(*m->containers));
	for (size_t i = 0; i < m->ncontainers; i++)
		copy->containers[i] = model_container_share(&m->containers[i]);
	copy->endpoints = copy_array(m->endpoints, m->nendpoints, sizeof(*m->endpoints));
	for (size_t i = 0; i < m->nendpoints; i++)
		copy->endpoints[i] = model_endpoint_share(&m->endpoints[i]);
	copy->interfaces = copy_array(m->interfaces, m->ninterfaces, sizeof(*m->interfaces));
	for (size_t i = 0; i < m->ninterfaces; i++)
		copy_interface(&copy->interfaces[i]);
	copy->vxlan_ports = copy_array(m->vxlan_ports, m->nvxlan_ports, sizeof(*m->vxlan_ports));
	return copy;
}

/* ---- free ---- */

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

bool model_same_host(const struct model *a, const struct model *b,
		     bool (*counts)(const struct model_interface *i, const void *data),
		     const void *data)
{
	size_t i = 0, n = 0;

	if (a->nvxlan_ports != b->nvxlan_ports)
		return false;
	for (size_t p = 0; p < a->nvxlan_ports; p++)
		if (a->vxlan_ports[p] != b->vxlan_ports[p])
			return false;
	for (;;) {
		while (counts && i < a->ninterfaces && !counts(&a->interfaces[i], data))
			i++;
		while (counts && n < b->ninterfaces && !counts(&b->interfaces[n], data))
			n++;
		if (i == a->ninterfaces || n == b->ninterfaces)
			return i == a->ninterfaces && n == b->ninterfaces;
		if (!same_interface(&a->interfaces[i++], &b->interfaces[n++]))
			return false;
	}
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
		model_network_done(&m->networks[i]);
	free(m->networks);
	for (size_t i = 0; i < m->ncontainers; i++)
		model_container_done(&m->containers[i]);
	free(m->containers);
	for (size_t i = 0; i < m->nendpoints; i++)
		model_endpoint_done(&m->endpoints[i]);
	free(m->endpoints);
	model_clear_interfaces(m);
	free(m->vxlan_ports);
	free(m);
}
