/*
 * What the rules cannot reach, and why: for `status`. Silence here would be a promise.
 */
#include "quaywall/reconcile.h"

#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

static void add(json_t *list, const char *kind, const char *what, const char *why)
{
	json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "kind", kind, "what",
					      reconcile_json_text(what), "why",
					      reconcile_json_text(why)));
}

static char *title(const struct model_container *c)
{
	struct buf b = BUF_INIT;

	model_container_title(c, &b);
	return buf_steal(&b);
}

static void add_sharer(json_t *list, const struct model *m, size_t c, const char *what)
{
	size_t owner = model_netns_owner(m, c);

	if (owner == MODEL_NONE) {
		add(list, "shared-network", what,
		    "it uses the network of a container that is not there any more");
		return;
	}
	CLEANUP_FREE char *whose = title(&m->containers[owner]);
	CLEANUP_FREE char *why = mem_printf("it uses the network of %s and is governed as that "
					    "(network_mode %s)",
					    whose, m->containers[c].network_mode);

	add(list, "shared-network", what, why);
}

static const char *image_claim(const struct model_container *c)
{
	for (size_t i = 0; i < c->nlabels; i++) {
		const char *key = c->labels[i].key;

		if (model_label_is_identity(key) && !model_container_label(c, key, true))
			return key;
	}
	return NULL;
}

static void add_container(json_t *list, const struct model *m, size_t c)
{
	const struct model_container *container = &m->containers[c];
	CLEANUP_FREE char *what = title(container);
	const char *mode = container->network_mode ? container->network_mode : "";
	const char *claim = image_claim(container);

	if (!container->running)
		return;
	if (!strcmp(mode, "host"))
		add(list, "host-network", what,
		    "it uses the host's network: its traffic cannot be told from the host's own");
	else if (!strncmp(mode, "container:", 10))
		add_sharer(list, m, c, what);
	if (claim) {
		CLEANUP_FREE char *why =
			mem_printf("its label %s comes from its image, not from who started it, "
				   "and does not count",
				   claim);

		add(list, "image-label", what, why);
	}
}

static size_t endpoints_on(const struct model *m, size_t network)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nendpoints; i++)
		n += m->endpoints[i].network == network;
	return n;
}

static void add_network(json_t *list, const struct model *m, size_t i)
{
	const struct model_network *n = &m->networks[i];
	size_t endpoints = endpoints_on(m, i);

	if (model_network_is_managed(n) || !endpoints || !strcmp(n->driver, "host") ||
	    !strcmp(n->driver, "null"))
		return;
	CLEANUP_FREE char *what = mem_printf("network %s", n->name);
	CLEANUP_FREE char *why =
		mem_printf("its driver is %s: the packets of its %zu endpoint%s do not pass the "
			   "host's hooks",
			   n->driver, endpoints, endpoints == 1 ? "" : "s");

	add(list, "network", what, why);
}

/* The endpoint of the routing mesh has no container, and is let pass. */
static void add_endpoint(json_t *list, const struct model *m, size_t i)
{
	const struct model_endpoint *e = &m->endpoints[i];
	const struct model_network *n = &m->networks[e->network];

	if (e->container != MODEL_NONE || !model_network_is_managed(n) ||
	    !strcmp(e->name, "gateway_ingress-sbox"))
		return;
	CLEANUP_FREE char *what = mem_printf("%s on %s", e->name, n->name);

	add(list, "unknown-endpoint", what,
	    "whose container it is cannot be told, or not yet (its labels may come from an image that "
	    "is gone): refused as unknown");
}

/* What is refused of an overlay network goes by its VXLAN identifier. */
static void add_unknown_vnis(json_t *list, const struct model *m, size_t i)
{
	const struct model_network *n = &m->networks[i];

	if (!model_network_is_overlay(n) || n->nvnis)
		return;
	CLEANUP_FREE char *what = mem_printf("overlay, for network %s", n->name);

	add(list, "setting", what,
	    "the engine tells no VXLAN identifier of it: its clear text is not told from others'");
}

json_t *reconcile_not_governed(const struct model *m, const struct settings *settings)
{
	json_t *list = json_array();

	for (size_t i = 0; m && i < m->ncontainers; i++)
		add_container(list, m, i);
	for (size_t i = 0; m && i < m->nnetworks; i++)
		add_network(list, m, i);
	for (size_t i = 0; m && i < m->nendpoints; i++)
		add_endpoint(list, m, i);
	for (size_t i = 0;
	     m && settings && settings->plaintext == PLAINTEXT_DENY_ENCRYPTED && i < m->nnetworks;
	     i++)
		add_unknown_vnis(list, m, i);
	return list;
}
