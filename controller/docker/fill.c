#include "fill.h"

#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

static void free_labels(struct model_label *labels, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(labels[i].key);
		free(labels[i].value);
	}
	free(labels);
}

int fill_labels(const struct node *n, const char *key, struct model_label **ret, size_t *ret_len,
		struct error *err)
{
	struct model_label *labels;
	struct node object;
	size_t len = 0;
	void *iter;
	int r = node_object(n, key, NODE_OPTIONAL, &object, err);

	if (r < 0)
		return r;
	labels = mem_new(node_len(&object), sizeof(*labels));
	iter = json_object_iter((json_t *)object.json);
	for (; iter; iter = json_object_iter_next((json_t *)object.json, iter)) {
		const char *name = json_object_iter_key(iter);
		struct node value = node_member(&object, name);

		r = node_text(&value, &labels[len].value, err);
		if (r < 0) {
			free_labels(labels, len);
			return r;
		}
		labels[len++].key = mem_strdup(name);
	}
	*ret = labels;
	*ret_len = len;
	return 0;
}

int fill_protocol(const struct node *n, const char *key, uint8_t *ret, struct error *err)
{
	struct node child = node_member(n, key);
	CLEANUP_FREE char *text = NULL;
	int r = node_string(n, key, NODE_REQUIRED, &text, err);

	if (r < 0)
		return r;
	if (!protocol_parse(text, strlen(text), ret) || !protocol_has_ports(*ret))
		return node_error(&child, err, "is none of tcp, udp, sctp");
	return 0;
}

int fill_prefix(const struct node *n, struct prefix *ret, struct error *err)
{
	CLEANUP_FREE char *text = NULL;
	int r = node_text(n, &text, err);

	if (r < 0)
		return r;
	if (prefix_parse(text, ret) < 0)
		return node_error(n, err, "is no ADDRESS/LENGTH");
	return 0;
}

int fill_addrs(const struct node *n, const char *key, struct addr **ret, size_t *ret_len,
	       struct error *err)
{
	struct node list;
	int r = node_array(n, key, NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	*ret = mem_new(node_len(&list), sizeof(**ret));
	for (size_t i = 0; i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		CLEANUP_FREE char *text = NULL;

		r = node_text(&item, &text, err);
		if (r < 0)
			return r;
		if (addr_parse(text, &(*ret)[*ret_len]) < 0)
			return node_error(&item, err, "is no address");
		(*ret_len)++;
	}
	return 0;
}

int fill_mac(const struct node *n, const char *key, bool *ret_has, uint8_t ret[static 6],
	     struct error *err)
{
	struct node child = node_member(n, key);
	CLEANUP_FREE char *text = NULL;
	int r = node_string(n, key, NODE_OPTIONAL, &text, err);

	if (r < 0)
		return r;
	*ret_has = false;
	if (!text || !*text)
		return 0;
	if (mac_parse(text, ret) < 0)
		return node_error(&child, err, "is no hardware address");
	*ret_has = true;
	return 0;
}
