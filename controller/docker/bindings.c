/*
 * What a container will publish, by its configuration:
 * {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}}
 */
#include "documents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

struct bindings {
	struct model_port *items;
	size_t len, cap;
};

static void bindings_done(struct bindings *b)
{
	free(b->items);
}

/* "8080". False for "", "0" and "8000-8010", of which the engine chooses. */
static bool parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > UINT16_MAX)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static bool parse_protocol(const char *text, uint8_t *ret)
{
	return protocol_parse(text, strlen(text), ret) && protocol_has_ports(*ret);
}

/* "80/tcp" */
static bool parse_key(const char *key, struct model_port *ret)
{
	CLEANUP_FREE char *copy = mem_strdup(key);
	char *slash = strchr(copy, '/');

	if (!slash)
		return false;
	*slash = '\0';
	return parse_port(copy, &ret->container_port) && parse_protocol(slash + 1, &ret->protocol);
}

static void add(struct bindings *b, struct model_port port, uint8_t family)
{
	if (!addr_is_set(&port.host_addr))
		port.host_addr.family = family;
	else if (port.host_addr.family != family)
		return;
	MEM_PUSH(b, port);
}

static int read_binding(const struct node *n, struct model_port port, struct bindings *b,
			struct error *err)
{
	CLEANUP_FREE char *host_port = NULL;
	int r;

	if ((r = node_is_object(n, err)) < 0 ||
	    (r = node_string(n, "HostPort", NODE_OPTIONAL, &host_port, err)) < 0 ||
	    (r = node_addr(n, "HostIp", &port.host_addr, err)) < 0)
		return r;
	if (!host_port || !parse_port(host_port, &port.host_port))
		return 0;
	add(b, port, AF_INET);
	add(b, port, AF_INET6);
	return 0;
}

static int read_list(const struct node *object, const char *key, struct bindings *b,
		     struct error *err)
{
	struct model_port port = {0};
	struct node list;
	int r = node_array(object, key, NODE_OPTIONAL, &list, err);

	if (r < 0 || !parse_key(key, &port))
		return r;
	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);

		r = read_binding(&item, port, b, err);
	}
	return r;
}

int documents_bindings(const char *source, const char *id, const char *text, size_t len,
		       struct model_port **ret, size_t *ret_len, struct error *err)
{
	__attribute__((cleanup(bindings_done))) struct bindings b = {NULL, 0, 0};
	CLEANUP_JSON json_t *json = NULL;
	struct node doc, config, object;
	void *iter;
	int r = node_parse(source, -EPROTO, JSON_OBJECT, text, len, &json, &doc, err);

	if (r < 0 || (r = documents_check_id(&doc, id, err)) < 0 ||
	    (r = node_object(&doc, "HostConfig", NODE_REQUIRED, &config, err)) < 0 ||
	    (r = node_object(&config, "PortBindings", NODE_OPTIONAL, &object, err)) < 0)
		return r;
	iter = json_object_iter((json_t *)object.json);
	for (; iter; iter = json_object_iter_next((json_t *)object.json, iter)) {
		r = read_list(&object, json_object_iter_key(iter), &b, err);
		if (r < 0)
			return r;
	}
	*ret = b.items;
	*ret_len = b.len;
	b.items = NULL;
	return 0;
}
