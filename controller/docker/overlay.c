#include "overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "quaywall/mem.h"

#define VNI_MAX 0xffffff /* 24 bits on the wire */

static void add_vni(struct model_network *net, size_t *cap, uint32_t vni)
{
	net->vnis = mem_grow(net->vnis, cap, net->nvnis + 1, sizeof(*net->vnis));
	net->vnis[net->nvnis++] = vni;
}

/* "4097,4098" */
static int read_vnis(const struct node *options, struct model_network *net, struct error *err)
{
	static const char key[] = "com.docker.network.driver.overlay.vxlanid_list";
	struct node child = node_member(options, key);
	CLEANUP_FREE char *text = NULL;
	size_t cap = 0;
	int r = node_string(options, key, NODE_OPTIONAL, &text, err);

	if (r < 0 || !text || !*text)
		return r;
	for (char *at = text, *end;; at = end + 1) {
		unsigned long vni;

		errno = 0;
		vni = strtoul(at, &end, 10);
		if (errno || *at < '0' || *at > '9' || vni > VNI_MAX || (*end && *end != ','))
			return node_error(&child, err, "is no list of VXLAN identifiers");
		add_vni(net, &cap, (uint32_t)vni);
		if (!*end)
			return 0;
	}
}

/* A peer without an address that can be read is none: what comes from it is a stranger's. */
static int read_peers(const struct node *n, struct model_network *net, struct error *err)
{
	struct node list;
	int r = node_array(n, "Peers", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	net->peers = mem_new(node_len(&list), sizeof(*net->peers));
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		CLEANUP_FREE char *text = NULL;

		if ((r = node_is_object(&item, err)) < 0 ||
		    (r = node_string(&item, "IP", NODE_OPTIONAL, &text, err)) < 0)
			return r;
		if (text && addr_parse(text, &net->peers[net->npeers]) == 0)
			net->npeers++;
	}
	return 0;
}

int overlay_read_document(const struct node *n, const struct node *options,
			  struct model_network *net, struct error *err)
{
	int r;

	if (!model_network_is_overlay(net))
		return 0;
	r = read_vnis(options, net, err);
	return r < 0 ? r : read_peers(n, net, err);
}

/* ---- snapshots ---- */

static int recorded_vnis(const struct node *n, struct model_network *net, struct error *err)
{
	struct node list;
	size_t cap = 0;
	int r = node_array(n, "vnis", NODE_OPTIONAL, &list, err);

	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		json_int_t vni = json_integer_value(item.json);

		if (!json_is_integer(item.json) || vni < 0 || vni > VNI_MAX)
			return node_error(&item, err, "is no VXLAN identifier");
		add_vni(net, &cap, (uint32_t)vni);
	}
	return r;
}

int overlay_read_recorded(const struct node *n, struct model_network *net, struct error *err)
{
	int r = recorded_vnis(n, net, err);

	return r < 0 ? r : fill_addrs(n, "peers", &net->peers, &net->npeers, err);
}

void overlay_write(const struct model_network *net, json_t *object)
{
	char text[ADDR_TEXT_SIZE];
	json_t *vnis, *peers;

	if (!model_network_is_overlay(net) && !net->nvnis && !net->npeers)
		return;
	vnis = json_array();
	peers = json_array();
	for (size_t i = 0; i < net->nvnis; i++)
		json_array_append_new(vnis, json_integer(net->vnis[i]));
	for (size_t i = 0; i < net->npeers; i++)
		json_array_append_new(peers, json_string(addr_format(&net->peers[i], text)));
	json_object_set_new(object, "vnis", vnis);
	json_object_set_new(object, "peers", peers);
}

int overlay_read_ports(const struct node *n, struct model *m, struct error *err)
{
	struct node list;
	int r = node_array(n, "vxlan_ports", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	m->vxlan_ports = mem_new(node_len(&list), sizeof(*m->vxlan_ports));
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		json_int_t port = json_integer_value(item.json);

		if (!json_is_integer(item.json) || port < 1 || port > 65535)
			return node_error(&item, err, "is no port");
		m->vxlan_ports[m->nvxlan_ports++] = (uint16_t)port;
	}
	return 0;
}

void overlay_write_ports(const struct model *m, json_t *object)
{
	json_t *list;

	if (!m->nvxlan_ports)
		return;
	list = json_array();
	for (size_t i = 0; i < m->nvxlan_ports; i++)
		json_array_append_new(list, json_integer(m->vxlan_ports[i]));
	json_object_set_new(object, "vxlan_ports", list);
}
