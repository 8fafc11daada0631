#include "quaywall/docker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fill.h"
#include "overlay.h"

#include "quaywall/mem.h"

#define SNAPSHOT_MAX (64u << 20) /* bytes, as an answer of the engine */

/* A string whose natural default is "", or NULL where NULLABLE. */
static int read_text(const struct node *n, const char *key, enum node_need need, char **ret,
		     struct error *err)
{
	int r = node_string(n, key, need, ret, err);

	if (r == 0 && !*ret)
		*ret = mem_strdup("");
	return r;
}

static int read_id(const struct node *n, char **ret, struct error *err)
{
	struct node child = node_member(n, "id");
	int r = node_string(n, "id", NODE_REQUIRED, ret, err);

	if (r == 0 && !**ret)
		return node_error(&child, err, "is empty");
	return r;
}

static int read_engine(const struct node *doc, struct model *m, struct error *err)
{
	struct {
		const char *key;
		char **field;
	} texts[] = {{"id", &m->engine_id},
		     {"name", &m->engine_name},
		     {"version", &m->engine_version},
		     {"api_version", &m->api_version}};
	struct node engine;
	int r = node_object(doc, "engine", NODE_OPTIONAL, &engine, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++) {
		free(*texts[i].field);
		*texts[i].field = NULL;
		r = read_text(&engine, texts[i].key, NODE_OPTIONAL, texts[i].field, err);
	}
	return r;
}

static int read_prefixes(const struct node *n, const char *key, struct prefix **ret,
			 size_t *ret_len, struct error *err)
{
	struct node list;
	int r = node_array(n, key, NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	*ret = mem_new(node_len(&list), sizeof(**ret));
	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		r = fill_prefix(&item, &(*ret)[i], err);
		*ret_len = i + 1;
	}
	return r;
}

static int read_network(const struct node *n, struct model_network *net, struct error *err)
{
	int r;

	net->icc = true;
	if ((r = node_is_object(n, err)) < 0 || (r = read_id(n, &net->id, err)) < 0 ||
	    (r = read_text(n, "name", NODE_REQUIRED, &net->name, err)) < 0 ||
	    (r = read_text(n, "driver", NODE_REQUIRED, &net->driver, err)) < 0 ||
	    (r = node_string(n, "scope", NODE_OPTIONAL, &net->scope, err)) < 0 ||
	    (r = node_string(n, "bridge", NODE_OPTIONAL, &net->bridge, err)) < 0 ||
	    (r = node_bool(n, "internal", &net->internal, err)) < 0 ||
	    (r = node_bool(n, "icc", &net->icc, err)) < 0 ||
	    (r = node_bool(n, "encrypted", &net->encrypted, err)) < 0 ||
	    (r = node_string(n, "gateway_mode4", NODE_OPTIONAL, &net->gateway_mode4, err)) < 0 ||
	    (r = node_string(n, "gateway_mode6", NODE_OPTIONAL, &net->gateway_mode6, err)) < 0 ||
	    (r = read_prefixes(n, "subnets", &net->subnets, &net->nsubnets, err)) < 0 ||
	    (r = fill_addrs(n, "gateways", &net->gateways, &net->ngateways, err)) < 0 ||
	    (r = overlay_read_recorded(n, net, err)) < 0)
		return r;
	if (!net->scope)
		net->scope = mem_strdup("local");
	return fill_labels(n, "labels", &net->labels, &net->nlabels, err);
}

static int read_port(const struct node *n, struct model_port *port, struct error *err)
{
	struct node host_addr = node_member(n, "host_addr");
	long long container_port = 0, host_port = 0;
	int r;

	if ((r = node_is_object(n, err)) < 0 ||
	    (r = fill_protocol(n, "protocol", &port->protocol, err)) < 0 ||
	    (r = node_number(n, "container_port", NODE_REQUIRED, 1, 65535, &container_port, err)) <
		    0 ||
	    (r = node_number(n, "host_port", NODE_REQUIRED, 1, 65535, &host_port, err)) < 0 ||
	    (r = node_addr(n, "host_addr", &port->host_addr, err)) < 0)
		return r;
	if (!addr_is_set(&port->host_addr))
		return node_error(&host_addr, err, "is missing");
	port->container_port = (uint16_t)container_port;
	port->host_port = (uint16_t)host_port;
	return 0;
}

static int read_ports(const struct node *n, struct model_container *c, struct error *err)
{
	struct node list;
	int r = node_array(n, "ports", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	c->ports = mem_new(node_len(&list), sizeof(*c->ports));
	for (; r == 0 && c->nports < node_len(&list); c->nports++) {
		struct node item = node_item(&list, c->nports);

		r = read_port(&item, &c->ports[c->nports], err);
	}
	return r;
}

static struct model_label *find_label(struct model_container *c, const char *key)
{
	for (size_t i = 0; i < c->nlabels; i++) {
		if (!strcmp(c->labels[i].key, key))
			return &c->labels[i];
	}
	return NULL;
}

static int read_image_labels(const struct node *n, struct model_container *c, struct error *err)
{
	struct node list;
	int r = node_array(n, "image_labels", NODE_OPTIONAL, &list, err);

	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		CLEANUP_FREE char *key = NULL;
		struct model_label *label;

		r = node_text(&item, &key, err);
		if (r < 0)
			return r;
		label = find_label(c, key);
		if (!label)
			return node_error(&item, err, "is not among the container's labels");
		label->from_image = true;
	}
	return r;
}

static int read_container(const struct node *n, struct model_container *c, struct error *err)
{
	int r;

	c->running = true;
	if ((r = node_is_object(n, err)) < 0 || (r = read_id(n, &c->id, err)) < 0 ||
	    (r = read_text(n, "name", NODE_OPTIONAL, &c->name, err)) < 0 ||
	    (r = read_text(n, "image", NODE_OPTIONAL, &c->image, err)) < 0 ||
	    (r = read_text(n, "image_id", NODE_OPTIONAL, &c->image_id, err)) < 0 ||
	    (r = read_text(n, "network_mode", NODE_OPTIONAL, &c->network_mode, err)) < 0 ||
	    (r = node_bool(n, "running", &c->running, err)) < 0 ||
	    (r = fill_labels(n, "labels", &c->labels, &c->nlabels, err)) < 0 ||
	    (r = read_image_labels(n, c, err)) < 0)
		return r;
	return read_ports(n, c, err);
}

/* Sorted models only, so that an index can be found by id. */
static int read_references(const struct node *n, const struct model *m, struct model_endpoint *e,
			   struct error *err)
{
	struct node network = node_member(n, "network"), container = node_member(n, "container");
	CLEANUP_FREE char *network_id = NULL;
	CLEANUP_FREE char *container_id = NULL;
	int r = node_string(n, "network", NODE_REQUIRED, &network_id, err);

	if (r < 0 || (r = node_string(n, "container", NODE_OPTIONAL, &container_id, err)) < 0)
		return r;
	e->network = model_find_network(m, network_id);
	if (e->network == MODEL_NONE)
		return node_error(&network, err, "is no network of this snapshot");
	e->container = MODEL_NONE;
	if (!container_id)
		return 0;
	e->container = model_find_container(m, container_id);
	if (e->container == MODEL_NONE)
		return node_error(&container, err, "is no container of this snapshot");
	return 0;
}

static int read_family(const struct node *n, const char *key, uint8_t family, struct addr *ret,
		       struct error *err)
{
	struct node child = node_member(n, key);
	int r = node_addr(n, key, ret, err);

	if (r == 0 && addr_is_set(ret) && ret->family != family)
		return node_error(&child, err, "is of the wrong family");
	return r;
}

static int read_bridge_port(const struct node *n, struct model_endpoint *e, struct error *err)
{
	struct node child = node_member(n, "port");
	CLEANUP_FREE char *text = NULL;
	int r = node_string(n, "port", NODE_OPTIONAL, &text, err);

	if (r < 0 || !text)
		return r;
	if (strlen(text) >= sizeof(e->port))
		return node_error(&child, err, "is longer than an interface's name");
	memcpy(e->port, text, strlen(text));
	return 0;
}

static int read_endpoint(const struct node *n, const struct model *m, struct model_endpoint *e,
			 struct error *err)
{
	int r;

	if ((r = node_is_object(n, err)) < 0 || (r = read_id(n, &e->id, err)) < 0 ||
	    (r = read_references(n, m, e, err)) < 0 ||
	    (r = read_text(n, "name", NODE_OPTIONAL, &e->name, err)) < 0 ||
	    (r = read_family(n, "addr4", AF_INET, &e->addr4, err)) < 0 ||
	    (r = read_family(n, "addr6", AF_INET6, &e->addr6, err)) < 0)
		return r;
	if ((r = fill_mac(n, "mac", &e->has_mac, e->mac, err)) < 0)
		return r;
	return read_bridge_port(n, e, err);
}

static int read_interface(const struct node *n, struct model_interface *i, struct error *err)
{
	long long index = 0;
	int r;

	if ((r = node_is_object(n, err)) < 0 ||
	    (r = read_text(n, "name", NODE_REQUIRED, &i->name, err)) < 0 ||
	    (r = node_number(n, "index", NODE_OPTIONAL, 0, INT_MAX, &index, err)) < 0 ||
	    (r = node_bool(n, "bridge", &i->bridge, err)) < 0)
		return r;
	i->index = (unsigned)index;
	return read_prefixes(n, "addrs", &i->addrs, &i->naddrs, err);
}

static int read_networks(const struct node *doc, struct model *m, struct error *err)
{
	struct node list;
	int r = node_array(doc, "networks", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	m->networks = mem_new(node_len(&list), sizeof(*m->networks));
	while (r == 0 && m->nnetworks < node_len(&list)) {
		struct node item = node_item(&list, m->nnetworks);

		r = read_network(&item, &m->networks[m->nnetworks++], err);
	}
	return r;
}

static int read_containers(const struct node *doc, struct model *m, struct error *err)
{
	struct node list;
	int r = node_array(doc, "containers", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	m->containers = mem_new(node_len(&list), sizeof(*m->containers));
	while (r == 0 && m->ncontainers < node_len(&list)) {
		struct node item = node_item(&list, m->ncontainers);

		r = read_container(&item, &m->containers[m->ncontainers++], err);
	}
	return r;
}

static int read_endpoints(const struct node *doc, struct model *m, struct error *err)
{
	struct node list;
	int r = node_array(doc, "endpoints", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	m->endpoints = mem_new(node_len(&list), sizeof(*m->endpoints));
	while (r == 0 && m->nendpoints < node_len(&list)) {
		struct node item = node_item(&list, m->nendpoints);

		r = read_endpoint(&item, m, &m->endpoints[m->nendpoints++], err);
	}
	return r;
}

static int read_interfaces(const struct node *doc, struct model *m, struct error *err)
{
	struct node list;
	int r = node_array(doc, "interfaces", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	m->interfaces = mem_new(node_len(&list), sizeof(*m->interfaces));
	while (r == 0 && m->ninterfaces < node_len(&list)) {
		struct node item = node_item(&list, m->ninterfaces);

		r = read_interface(&item, &m->interfaces[m->ninterfaces++], err);
	}
	return r;
}

/* Ids are keys everywhere; two objects with one would make every answer about them a guess. M is
 * sorted, so that equal ones stand side by side. */
static int check_unique(const struct node *doc, const struct model *m, struct error *err)
{
	const char *list = NULL, *id = NULL;

	for (size_t i = 1; i < m->nnetworks; i++) {
		if (!strcmp(m->networks[i - 1].id, m->networks[i].id))
			list = "networks", id = m->networks[i].id;
	}
	for (size_t i = 1; i < m->ncontainers; i++) {
		if (!strcmp(m->containers[i - 1].id, m->containers[i].id))
			list = "containers", id = m->containers[i].id;
	}
	for (size_t i = 1; i < m->nendpoints; i++) {
		if (!strcmp(m->endpoints[i - 1].id, m->endpoints[i].id))
			list = "endpoints", id = m->endpoints[i].id;
	}
	if (!list)
		return 0;
	return error_set(err, doc->code, "%s: two of \"%s\" have the id \"%s\"", doc->source, list,
			 id);
}

static int read_version(const struct node *doc, struct error *err)
{
	long long version = 0;

	return node_number(doc, "quaywall_snapshot", NODE_REQUIRED, 1, 1, &version, err);
}

static int snapshot_read(const char *source, const char *text, size_t len, struct model **ret,
			 struct error *err)
{
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	int r;

	if ((r = node_parse(source, -EINVAL, JSON_OBJECT, text, len, &json, &doc, err)) < 0 ||
	    (r = read_version(&doc, err)) < 0 || (r = read_engine(&doc, m, err)) < 0 ||
	    (r = read_networks(&doc, m, err)) < 0 || (r = read_containers(&doc, m, err)) < 0)
		return r;
	model_sort(m); /* for the endpoints' references */
	if ((r = read_endpoints(&doc, m, err)) < 0 || (r = read_interfaces(&doc, m, err)) < 0 ||
	    (r = overlay_read_ports(&doc, m, err)) < 0)
		return r;
	model_sort(m);
	if ((r = check_unique(&doc, m, err)) < 0)
		return r;
	*ret = m;
	m = NULL;
	return 0;
}

int docker_snapshot_read(const char *text, size_t len, struct model **ret, struct error *err)
{
	return snapshot_read("snapshot", text, len, ret, err);
}

static int read_file(FILE *f, struct buf *out)
{
	char chunk[65536];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		if (out->len + n > SNAPSHOT_MAX)
			return -EFBIG;
		buf_add(out, chunk, n);
	}
	return ferror(f) ? -EIO : 0;
}

static int load(const char *path, struct buf *out, struct error *err)
{
	CLEANUP_FILE FILE *f = fopen(path, "re");
	int r;

	if (!f)
		return error_wrap(err, -errno, "%s", path);
	r = read_file(f, out);
	return r < 0 ? error_wrap(err, r, "%s", path) : 0;
}

int docker_snapshot_load_posture(const char *path, json_t **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	int r = load(path, &text, err);

	if (r == 0)
		r = node_parse(path, -EINVAL, JSON_OBJECT, buf_text(&text), text.len, &json, &doc,
			       err);
	if (r < 0)
		return r;
	*ret = json_incref(json_object_get(json, "posture"));
	return 0;
}

int docker_snapshot_load(const char *path, struct model **ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r = load(path, &text, err);

	if (r < 0)
		return r;
	return snapshot_read(path, buf_text(&text), text.len, ret, err);
}
