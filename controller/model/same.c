#include "quaywall/model.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_labels(const struct model_label *a, size_t na, const struct model_label *b,
			size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++) {
		if (a[i].from_image != b[i].from_image || strcmp(a[i].key, b[i].key) ||
		    strcmp(a[i].value, b[i].value))
			return false;
	}
	return true;
}

static bool same_ports(const struct model_container *a, const struct model_container *b)
{
	if (a->nports != b->nports)
		return false;
	for (size_t i = 0; i < a->nports; i++) {
		const struct model_port *p = &a->ports[i], *q = &b->ports[i];

		if (p->protocol != q->protocol || p->container_port != q->container_port ||
		    p->host_port != q->host_port || !addr_equal(&p->host_addr, &q->host_addr))
			return false;
	}
	return true;
}

bool model_same_container(const struct model_container *a, const struct model_container *b)
{
	if (a->block && a->block == b->block)
		return true;
	return same_text(a->id, b->id) && same_text(a->name, b->name) &&
	       same_text(a->image, b->image) && same_text(a->image_id, b->image_id) &&
	       same_text(a->network_mode, b->network_mode) && a->running == b->running &&
	       same_labels(a->labels, a->nlabels, b->labels, b->nlabels) && same_ports(a, b);
}

static bool same_addresses(const struct model_network *a, const struct model_network *b)
{
	if (a->nsubnets != b->nsubnets || a->ngateways != b->ngateways)
		return false;
	for (size_t i = 0; i < a->nsubnets; i++) {
		if (a->subnets[i].len != b->subnets[i].len ||
		    !addr_equal(&a->subnets[i].addr, &b->subnets[i].addr))
			return false;
	}
	for (size_t i = 0; i < a->ngateways; i++) {
		if (!addr_equal(&a->gateways[i], &b->gateways[i]))
			return false;
	}
	return true;
}

static bool same_overlay(const struct model_network *a, const struct model_network *b)
{
	if (a->nvnis != b->nvnis || a->npeers != b->npeers)
		return false;
	for (size_t i = 0; i < a->nvnis; i++) {
		if (a->vnis[i] != b->vnis[i])
			return false;
	}
	for (size_t i = 0; i < a->npeers; i++) {
		if (!addr_equal(&a->peers[i], &b->peers[i]))
			return false;
	}
	return true;
}

bool model_same_network(const struct model_network *a, const struct model_network *b)
{
	if (a->block && a->block == b->block)
		return true;
	return same_text(a->id, b->id) && same_text(a->name, b->name) &&
	       same_text(a->driver, b->driver) && same_text(a->scope, b->scope) &&
	       same_text(a->bridge, b->bridge) && a->internal == b->internal && a->icc == b->icc &&
	       a->encrypted == b->encrypted && same_text(a->gateway_mode4, b->gateway_mode4) &&
	       same_text(a->gateway_mode6, b->gateway_mode6) && same_addresses(a, b) &&
	       same_overlay(a, b) && same_labels(a->labels, a->nlabels, b->labels, b->nlabels);
}

bool model_same_endpoint(const struct model_endpoint *a, const struct model_endpoint *b)
{
	if (a->block && a->block == b->block)
		return true;
	return same_text(a->id, b->id) && same_text(a->name, b->name) &&
	       same_text(a->key, b->key) && addr_equal(&a->addr4, &b->addr4) &&
	       addr_equal(&a->addr6, &b->addr6) && a->has_mac == b->has_mac &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac));
}
