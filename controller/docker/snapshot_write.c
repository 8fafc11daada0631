#include "quaywall/docker.h"

#include <string.h>

#include "node.h"
#include "overlay.h"
#include "quaywall/protocol.h"
#include "quaywall/utf8.h"

/* Text of any bytes: the host's interface names need not be UTF-8, which JSON has to be. */
static json_t *text_or_null(const char *s)
{
	CLEANUP_BUF struct buf clean = BUF_INIT;
	json_t *whole = s ? json_string(s) : json_null();

	if (whole)
		return whole;
	utf8_clean(s, &clean);
	return json_string(buf_text(&clean));
}

static json_t *text(const char *s)
{
	return text_or_null(s ? s : "");
}

static json_t *addr_or_null(const struct addr *a)
{
	char buf[ADDR_TEXT_SIZE];

	return addr_is_set(a) ? json_string(addr_format(a, buf)) : json_null();
}

static json_t *prefix_list(const struct prefix *p, size_t n)
{
	json_t *list = json_array();
	char buf[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(prefix_format(&p[i], buf)));
	return list;
}

static json_t *label_object(const struct model_label *labels, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, labels[i].key, text(labels[i].value));
	return object;
}

static json_t *image_label_list(const struct model_container *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nlabels; i++) {
		if (c->labels[i].from_image)
			json_array_append_new(list, text(c->labels[i].key));
	}
	return list;
}

static json_t *port_list(const struct model_container *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nports; i++) {
		const struct model_port *p = &c->ports[i];
		json_t *port = json_object();

		json_object_set_new(port, "protocol", json_string(protocol_name(p->protocol)));
		json_object_set_new(port, "container_port", json_integer(p->container_port));
		json_object_set_new(port, "host_port", json_integer(p->host_port));
		json_object_set_new(port, "host_addr", addr_or_null(&p->host_addr));
		json_array_append_new(list, port);
	}
	return list;
}

static json_t *engine_object(const struct model *m)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", text(m->engine_id));
	json_object_set_new(o, "name", text(m->engine_name));
	json_object_set_new(o, "version", text(m->engine_version));
	json_object_set_new(o, "api_version", text(m->api_version));
	return o;
}

static json_t *network_object(const struct model_network *n)
{
	json_t *o = json_object(), *gateways = json_array();

	for (size_t i = 0; i < n->ngateways; i++)
		json_array_append_new(gateways, addr_or_null(&n->gateways[i]));
	json_object_set_new(o, "id", text(n->id));
	json_object_set_new(o, "name", text(n->name));
	json_object_set_new(o, "driver", text(n->driver));
	json_object_set_new(o, "scope", text(n->scope));
	json_object_set_new(o, "bridge", text_or_null(n->bridge));
	json_object_set_new(o, "internal", json_boolean(n->internal));
	json_object_set_new(o, "icc", json_boolean(n->icc));
	json_object_set_new(o, "encrypted", json_boolean(n->encrypted));
	json_object_set_new(o, "gateway_mode4", text_or_null(n->gateway_mode4));
	json_object_set_new(o, "gateway_mode6", text_or_null(n->gateway_mode6));
	json_object_set_new(o, "subnets", prefix_list(n->subnets, n->nsubnets));
	json_object_set_new(o, "gateways", gateways);
	overlay_write(n, o);
	json_object_set_new(o, "labels", label_object(n->labels, n->nlabels));
	return o;
}

static json_t *container_object(const struct model_container *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", text(c->id));
	json_object_set_new(o, "name", text(c->name));
	json_object_set_new(o, "image", text(c->image));
	json_object_set_new(o, "image_id", text(c->image_id));
	json_object_set_new(o, "network_mode", text(c->network_mode));
	json_object_set_new(o, "running", json_boolean(c->running));
	json_object_set_new(o, "labels", label_object(c->labels, c->nlabels));
	json_object_set_new(o, "image_labels", image_label_list(c));
	json_object_set_new(o, "ports", port_list(c));
	return o;
}

static json_t *endpoint_object(const struct model *m, const struct model_endpoint *e)
{
	json_t *o = json_object();
	char buf[ADDR_TEXT_SIZE];

	json_object_set_new(o, "id", text(e->id));
	json_object_set_new(o, "network", text(m->networks[e->network].id));
	json_object_set_new(
		o, "container",
		text_or_null(e->container == MODEL_NONE ? NULL : m->containers[e->container].id));
	json_object_set_new(o, "name", text(e->name));
	json_object_set_new(o, "addr4", addr_or_null(&e->addr4));
	json_object_set_new(o, "addr6", addr_or_null(&e->addr6));
	json_object_set_new(o, "mac", text_or_null(e->has_mac ? mac_format(e->mac, buf) : NULL));
	if (e->port[0])
		json_object_set_new(o, "port", text(e->port));
	return o;
}

static json_t *interface_object(const struct model_interface *i)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", text(i->name));
	json_object_set_new(o, "index", json_integer(i->index));
	json_object_set_new(o, "bridge", json_boolean(i->bridge));
	json_object_set_new(o, "addrs", prefix_list(i->addrs, i->naddrs));
	return o;
}

/* An empty list or one of NAME's objects, put into DOCUMENT. */
static json_t *add_list(json_t *document, const char *name)
{
	json_t *list = json_array();

	json_object_set_new(document, name, list);
	return list;
}

static int add_text(const char *data, size_t len, void *out)
{
	buf_add(out, data, len);
	return 0;
}

void docker_snapshot_write(const struct model *m, struct buf *out)
{
	docker_snapshot_write_with(m, NULL, out);
}

void docker_snapshot_write_with(const struct model *m, const json_t *posture, struct buf *out)
{
	CLEANUP_JSON json_t *document = json_object();
	json_t *list;

	json_object_set_new(document, "quaywall_snapshot", json_integer(1));
	json_object_set_new(document, "engine", engine_object(m));
	list = add_list(document, "networks");
	for (size_t i = 0; i < m->nnetworks; i++)
		json_array_append_new(list, network_object(&m->networks[i]));
	list = add_list(document, "containers");
	for (size_t i = 0; i < m->ncontainers; i++)
		json_array_append_new(list, container_object(&m->containers[i]));
	list = add_list(document, "endpoints");
	for (size_t i = 0; i < m->nendpoints; i++)
		json_array_append_new(list, endpoint_object(m, &m->endpoints[i]));
	list = add_list(document, "interfaces");
	for (size_t i = 0; i < m->ninterfaces; i++)
		json_array_append_new(list, interface_object(&m->interfaces[i]));
	overlay_write_ports(m, document);
	if (posture)
		json_object_set_new(document, "posture", json_deep_copy(posture));
	json_dump_callback(document, add_text, out, JSON_INDENT(2));
	buf_char(out, '\n');
}
