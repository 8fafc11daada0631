#include "documents.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "fill.h"
#include "overlay.h"

#include "quaywall/mem.h"

static int required_id(const struct node *n, const char *key, char **ret, struct error *err)
{
	struct node child = node_member(n, key);
	int r = node_string(n, key, NODE_REQUIRED, ret, err);

	if (r == 0 && !**ret)
		return node_error(&child, err, "is empty");
	return r;
}

int documents_check_id(const struct node *n, const char *id, struct error *err)
{
	struct node child = node_member(n, "Id");
	CLEANUP_FREE char *text = NULL;
	int r = required_id(n, "Id", &text, err);

	if (r == 0 && strcmp(text, id))
		return node_error(&child, err, "is another one's: \"%.80s\"", text);
	return r;
}

static int optional_text(const struct node *n, const char *key, char **ret, struct error *err)
{
	int r = node_string(n, key, NODE_OPTIONAL, ret, err);

	if (r == 0 && !*ret)
		*ret = mem_strdup("");
	return r;
}

/* ---- containers ---- */

/* The name proper is the one with a single slash, in front; others ("/web/db") come from links. */
static int read_name(const struct node *n, struct model_container *c, struct error *err)
{
	struct node list;
	int r = node_array(n, "Names", NODE_OPTIONAL, &list, err);

	for (size_t i = 0; r == 0 && !c->name && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		CLEANUP_FREE char *name = NULL;
		const char *bare;

		r = node_text(&item, &name, err);
		if (r < 0)
			return r;
		bare = *name == '/' ? name + 1 : name;
		if (!strchr(bare, '/'))
			c->name = mem_strdup(bare);
	}
	if (r == 0 && !c->name)
		c->name = mem_strdup("");
	return r;
}

/* Exposed ports that are not published have no PublicPort and are passed over. */
static int read_port(const struct node *n, struct model_container *c, struct error *err)
{
	struct node ip = node_member(n, "IP");
	long long container_port = 0, host_port = 0;
	struct model_port port = {0};
	int r;

	if ((r = node_is_object(n, err)) < 0 ||
	    (r = node_number(n, "PublicPort", NODE_OPTIONAL, 0, 65535, &host_port, err)) < 0)
		return r;
	if (host_port == 0)
		return 0;
	if ((r = node_number(n, "PrivatePort", NODE_REQUIRED, 1, 65535, &container_port, err)) <
		    0 ||
	    (r = fill_protocol(n, "Type", &port.protocol, err)) < 0 ||
	    (r = node_addr(n, "IP", &port.host_addr, err)) < 0)
		return r;
	if (!addr_is_set(&port.host_addr))
		return node_error(&ip, err, "is missing");
	port.container_port = (uint16_t)container_port;
	port.host_port = (uint16_t)host_port;
	c->ports[c->nports++] = port;
	return 0;
}

static int read_ports(const struct node *n, struct model_container *c, struct error *err)
{
	struct node list;
	int r = node_array(n, "Ports", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	c->ports = mem_new(node_len(&list), sizeof(*c->ports));
	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		r = read_port(&item, c, err);
	}
	return r;
}

static int read_state(const struct node *n, struct model_container *c, struct error *err)
{
	CLEANUP_FREE char *state = NULL;
	int r = node_string(n, "State", NODE_REQUIRED, &state, err);

	if (r == 0)
		c->running = !strcmp(state, "running") || !strcmp(state, "paused") ||
			     !strcmp(state, "restarting");
	return r;
}

static int read_mode(const struct node *n, struct model_container *c, struct error *err)
{
	struct node config;
	int r = node_object(n, "HostConfig", NODE_OPTIONAL, &config, err);

	return r < 0 ? r : optional_text(&config, "NetworkMode", &c->network_mode, err);
}

static int read_container(const struct node *n, struct model_container *c, struct error *err)
{
	int r;

	if ((r = node_is_object(n, err)) < 0 || (r = required_id(n, "Id", &c->id, err)) < 0 ||
	    (r = read_name(n, c, err)) < 0 ||
	    (r = node_string(n, "Image", NODE_REQUIRED, &c->image, err)) < 0 ||
	    (r = node_string(n, "ImageID", NODE_REQUIRED, &c->image_id, err)) < 0 ||
	    (r = read_mode(n, c, err)) < 0 || (r = read_state(n, c, err)) < 0 ||
	    (r = fill_labels(n, "Labels", &c->labels, &c->nlabels, err)) < 0)
		return r;
	return read_ports(n, c, err);
}

int documents_containers(const char *source, const char *text, size_t len, struct model **ret,
			 struct error *err)
{
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	int r = node_parse(source, -EPROTO, JSON_ARRAY, text, len, &json, &doc, err);

	if (r < 0)
		return r;
	m->containers = mem_new(node_len(&doc), sizeof(*m->containers));
	while (r == 0 && m->ncontainers < node_len(&doc)) {
		struct node item = node_item(&doc, m->ncontainers);

		r = read_container(&item, &m->containers[m->ncontainers++], err);
	}
	if (r < 0)
		return r;
	model_sort(m);
	*ret = m;
	m = NULL;
	return 0;
}

/* ---- networks ---- */

static int read_subnet(const struct node *n, struct model_network *net, struct error *err)
{
	struct node subnet = node_member(n, "Subnet");
	struct prefix p;
	int r;

	if ((r = node_is_object(n, err)) < 0)
		return r;
	if (!subnet.json)
		return node_error(&subnet, err, "is missing");
	if ((r = fill_prefix(&subnet, &p, err)) < 0)
		return r;
	net->subnets[net->nsubnets++] = prefix_mask(&p);
	return 0;
}

/* Absent where the network has none (internal and isolated, macvlan). Docker's own default bridge writes
 * it with a length at times. */
static int read_gateway(const struct node *n, struct model_network *net, struct error *err)
{
	struct node gateway = node_member(n, "Gateway");
	CLEANUP_FREE char *text = NULL;
	struct prefix p;
	int r = node_string(n, "Gateway", NODE_OPTIONAL, &text, err);

	if (r < 0 || !text || !*text)
		return r;
	r = fill_prefix(&gateway, &p, err);
	if (r == 0)
		net->gateways[net->ngateways++] = p.addr;
	return r;
}

static int read_ipam(const struct node *n, struct model_network *net, struct error *err)
{
	struct node ipam, config;
	int r;

	if ((r = node_object(n, "IPAM", NODE_REQUIRED, &ipam, err)) < 0 ||
	    (r = node_array(&ipam, "Config", NODE_OPTIONAL, &config, err)) < 0)
		return r;
	net->subnets = mem_new(node_len(&config), sizeof(*net->subnets));
	net->gateways = mem_new(node_len(&config), sizeof(*net->gateways));
	for (size_t i = 0; i < node_len(&config); i++) {
		struct node item = node_item(&config, i);

		if ((r = read_subnet(&item, net, err)) < 0 ||
		    (r = read_gateway(&item, net, err)) < 0)
			return r;
	}
	return 0;
}

/* The engine parses its booleans by Go's strconv.ParseBool. */
static bool is_false(const char *text)
{
	static const char *const words[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(text, words[i]))
			return true;
	}
	return false;
}

/* What the engine calls the device of a bridge network that names none. */
static char *default_bridge(const struct model_network *net)
{
	if (!strcmp(net->name, "bridge"))
		return mem_strdup("docker0");
	if (!strcmp(net->name, "docker_gwbridge"))
		return mem_strdup("docker_gwbridge");
	return mem_printf("br-%.12s", net->id);
}

static int read_bridge(const struct node *options, struct model_network *net, struct error *err)
{
	static const char key[] = "com.docker.network.bridge.name";
	struct node child = node_member(options, key);
	CLEANUP_FREE char *name = NULL;
	int r = node_string(options, key, NODE_OPTIONAL, &name, err);

	if (r < 0 || strcmp(net->driver, "bridge"))
		return r;
	if (!name || !*name) {
		net->bridge = default_bridge(net);
		return 0;
	}
	if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/ \t\r\n"))
		return node_error(&child, err, "is no interface's name");
	net->bridge = name;
	name = NULL;
	return 0;
}

static int read_options(const struct node *n, struct model_network *net, struct error *err)
{
	CLEANUP_FREE char *icc = NULL;
	struct node options;
	int r;

	if ((r = node_object(n, "Options", NODE_OPTIONAL, &options, err)) < 0 ||
	    (r = read_bridge(&options, net, err)) < 0 ||
	    (r = node_string(&options, "com.docker.network.bridge.enable_icc", NODE_OPTIONAL, &icc,
			     err)) < 0 ||
	    (r = node_string(&options, "com.docker.network.bridge.gateway_mode_ipv4", NODE_OPTIONAL,
			     &net->gateway_mode4, err)) < 0 ||
	    (r = node_string(&options, "com.docker.network.bridge.gateway_mode_ipv6", NODE_OPTIONAL,
			     &net->gateway_mode6, err)) < 0)
		return r;
	net->icc = !icc || !is_false(icc);
	/* Its value counts for nothing: `encrypted=false` encrypts as well. */
	net->encrypted = node_member(&options, "encrypted").json != NULL;
	return overlay_read_document(n, &options, net, err);
}

static int read_network(const struct node *n, struct model_network *net, struct error *err)
{
	int r;

	if ((r = required_id(n, "Id", &net->id, err)) < 0 ||
	    (r = node_string(n, "Name", NODE_REQUIRED, &net->name, err)) < 0 ||
	    (r = node_string(n, "Driver", NODE_REQUIRED, &net->driver, err)) < 0 ||
	    (r = node_string(n, "Scope", NODE_REQUIRED, &net->scope, err)) < 0 ||
	    (r = node_bool(n, "Internal", &net->internal, err)) < 0 ||
	    (r = read_ipam(n, net, err)) < 0 || (r = read_options(n, net, err)) < 0)
		return r;
	return fill_labels(n, "Labels", &net->labels, &net->nlabels, err);
}

/* "172.18.0.2/16" of the wanted family, or "". */
static int read_address(const struct node *n, const char *key, uint8_t family, struct addr *ret,
			struct error *err)
{
	struct node child = node_member(n, key);
	CLEANUP_FREE char *text = NULL;
	struct prefix p;
	int r = node_string(n, key, NODE_OPTIONAL, &text, err);

	if (r < 0 || !text || !*text)
		return r;
	r = fill_prefix(&child, &p, err);
	if (r < 0)
		return r;
	if (p.addr.family != family)
		return node_error(&child, err, "is of the wrong family");
	*ret = p.addr;
	return 0;
}

static int read_endpoint(const struct node *n, struct model_endpoint *e, struct error *err)
{
	int r;

	if ((r = node_is_object(n, err)) < 0 ||
	    (r = required_id(n, "EndpointID", &e->id, err)) < 0 ||
	    (r = optional_text(n, "Name", &e->name, err)) < 0 ||
	    (r = read_address(n, "IPv4Address", AF_INET, &e->addr4, err)) < 0 ||
	    (r = read_address(n, "IPv6Address", AF_INET6, &e->addr6, err)) < 0)
		return r;
	return fill_mac(n, "MacAddress", &e->has_mac, e->mac, err);
}

static int read_endpoints(const struct node *n, struct model *m, struct error *err)
{
	struct node object;
	void *iter;
	int r = node_object(n, "Containers", NODE_OPTIONAL, &object, err);

	if (r < 0)
		return r;
	m->endpoints = mem_new(node_len(&object), sizeof(*m->endpoints));
	iter = json_object_iter((json_t *)object.json);
	for (; iter; iter = json_object_iter_next((json_t *)object.json, iter)) {
		const char *key = json_object_iter_key(iter);
		struct node item = node_member(&object, key);
		struct model_endpoint *e = &m->endpoints[m->nendpoints++];

		e->container = MODEL_NONE;
		e->key = mem_strdup(key);
		r = read_endpoint(&item, e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* M is sorted. An endpoint's id is the key of everything that is made of it. */
static int check_unique(const struct node *n, const struct model *m, struct error *err)
{
	struct node endpoints = node_member(n, "Containers");

	for (size_t i = 1; i < m->nendpoints; i++) {
		if (!strcmp(m->endpoints[i - 1].id, m->endpoints[i].id))
			return node_error(&endpoints, err, "has two endpoints of the id \"%.64s\"",
					  m->endpoints[i].id);
	}
	return 0;
}

int documents_network(const char *source, const char *text, size_t len, struct model **ret,
		      struct error *err)
{
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	int r = node_parse(source, -EPROTO, JSON_OBJECT, text, len, &json, &doc, err);

	if (r < 0)
		return r;
	m->networks = mem_new(1, sizeof(*m->networks));
	m->nnetworks = 1;
	if ((r = read_network(&doc, m->networks, err)) < 0 ||
	    (r = read_endpoints(&doc, m, err)) < 0)
		return r;
	model_sort(m);
	r = check_unique(&doc, m, err);
	if (r < 0)
		return r;
	*ret = m;
	m = NULL;
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void documents_free_ids(char **ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ids[i]);
	free(ids);
}

int documents_network_ids(const char *source, const char *text, size_t len, char ***ret,
			  size_t *ret_len, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	size_t n = 0;
	char **ids;
	int r = node_parse(source, -EPROTO, JSON_ARRAY, text, len, &json, &doc, err);

	if (r < 0)
		return r;
	ids = mem_new(node_len(&doc), sizeof(*ids));
	while (n < node_len(&doc)) {
		struct node item = node_item(&doc, n);

		if ((r = node_is_object(&item, err)) < 0 ||
		    (r = required_id(&item, "Id", &ids[n++], err)) < 0) {
			documents_free_ids(ids, n);
			return r;
		}
	}
	qsort(ids, n, sizeof(*ids), compare_texts);
	*ret = ids;
	*ret_len = n;
	return 0;
}

static struct model *listed_network(const struct node *n)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = model_new();
	struct model *ret;

	m->networks = mem_new(1, sizeof(*m->networks));
	m->nnetworks = 1;
	if (node_is_object(n, &err) < 0 || read_network(n, m->networks, &err) < 0)
		return NULL;
	ret = m;
	m = NULL;
	return ret;
}

void documents_listed_networks(const char *text, size_t len,
			       void (*each)(void *data, struct model *piece), void *data)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;

	if (node_parse("GET /networks", -EPROTO, JSON_ARRAY, text, len, &json, &doc, &err) < 0)
		return;
	for (size_t i = 0; i < node_len(&doc); i++) {
		struct node item = node_item(&doc, i);
		struct model *piece = listed_network(&item);

		if (piece)
			each(data, piece);
	}
}

/* ---- images ---- */

int documents_image(const char *source, const char *id, const char *text, size_t len,
		    struct model_label **ret, size_t *ret_len, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	struct node doc, config;
	int r = node_parse(source, -EPROTO, JSON_OBJECT, text, len, &json, &doc, err);

	if (r < 0 || (r = documents_check_id(&doc, id, err)) < 0 ||
	    (r = node_object(&doc, "Config", NODE_OPTIONAL, &config, err)) < 0)
		return r;
	return fill_labels(&config, "Labels", ret, ret_len, err);
}
