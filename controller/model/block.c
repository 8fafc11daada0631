/*
 * block: what hangs from an object, in one allocation that models share.
 *
 * Three threads hold models of the same containers: that which asks the engine, the main one and the one that
 * runs the checks. So the count of a block is atomic; what stands in it is written once, before anybody else sees it.
 */
#include "internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

struct model_block {
	atomic_uint references;
};

static void take(struct model_block *b)
{
	atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
}

static void drop(struct model_block *b)
{
	if (atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) == 1)
		free(b);
}

/* ---- laying things into a block ---- */

/* First everything is measured (without a block), then copied. */
struct layout {
	struct model_block *block;
	size_t size;
};

static struct layout begin(void)
{
	return (struct layout) {NULL, sizeof(struct model_block)};
}

static void allocate(struct layout *l)
{
	l->block = mem_new(1, l->size);
	atomic_init(&l->block->references, 1);
	l->size = sizeof(struct model_block);
}

/* Where the copy of N items of SIZE bytes stands; NULL where there are none, or they were only measured. */
static void *lay(struct layout *l, const void *items, size_t n, size_t size, size_t alignment)
{
	size_t at = (l->size + alignment - 1) & ~(alignment - 1);

	if (!items || n == 0)
		return NULL;
	l->size = at + n * size;
	return l->block ? memcpy((char *)l->block + at, items, n * size) : NULL;
}

#define LAY(l, items, n) lay(l, items, n, sizeof(*(items)), _Alignof(__typeof__(*(items))))

static char *lay_text(struct layout *l, const char *s)
{
	return s ? lay(l, s, strlen(s) + 1, 1, 1) : NULL;
}

static struct model_label *lay_labels(struct layout *l, const struct model_label *labels, size_t n)
{
	struct model_label *copy = LAY(l, labels, n);

	for (size_t i = 0; i < n; i++) {
		char *key = lay_text(l, labels[i].key), *value = lay_text(l, labels[i].value);

		if (copy)
			copy[i] = (struct model_label) {key, value, labels[i].from_image};
	}
	return copy;
}

static struct model_container lay_container(struct layout *l, const struct model_container *c)
{
	struct model_container copy = *c;

	copy.labels = lay_labels(l, c->labels, c->nlabels);
	copy.ports = LAY(l, c->ports, c->nports);
	copy.id = lay_text(l, c->id);
	copy.name = lay_text(l, c->name);
	copy.image = lay_text(l, c->image);
	copy.image_id = lay_text(l, c->image_id);
	copy.network_mode = lay_text(l, c->network_mode);
	copy.block = l->block;
	return copy;
}

static struct model_network lay_network(struct layout *l, const struct model_network *n)
{
	struct model_network copy = *n;

	copy.labels = lay_labels(l, n->labels, n->nlabels);
	copy.vnis = LAY(l, n->vnis, n->nvnis);
	copy.subnets = LAY(l, n->subnets, n->nsubnets);
	copy.gateways = LAY(l, n->gateways, n->ngateways);
	copy.peers = LAY(l, n->peers, n->npeers);
	copy.id = lay_text(l, n->id);
	copy.name = lay_text(l, n->name);
	copy.driver = lay_text(l, n->driver);
	copy.scope = lay_text(l, n->scope);
	copy.bridge = lay_text(l, n->bridge);
	copy.gateway_mode4 = lay_text(l, n->gateway_mode4);
	copy.gateway_mode6 = lay_text(l, n->gateway_mode6);
	copy.block = l->block;
	return copy;
}

static struct model_endpoint lay_endpoint(struct layout *l, const struct model_endpoint *e)
{
	struct model_endpoint copy = *e;

	copy.id = lay_text(l, e->id);
	copy.name = lay_text(l, e->name);
	copy.key = lay_text(l, e->key);
	copy.block = l->block;
	return copy;
}

/* ---- shared objects ---- */

struct model_container model_container_share(const struct model_container *c)
{
	struct layout l = begin();
	struct model_container copy;

	if (c->block) {
		take(c->block);
		return *c;
	}
	lay_container(&l, c);
	allocate(&l);
	copy = lay_container(&l, c);
	sort_container(&copy);
	return copy;
}

struct model_network model_network_share(const struct model_network *n)
{
	struct layout l = begin();
	struct model_network copy;

	if (n->block) {
		take(n->block);
		return *n;
	}
	lay_network(&l, n);
	allocate(&l);
	copy = lay_network(&l, n);
	sort_network(&copy);
	return copy;
}

struct model_endpoint model_endpoint_share(const struct model_endpoint *e)
{
	struct layout l = begin();

	if (e->block) {
		take(e->block);
		return *e;
	}
	lay_endpoint(&l, e);
	allocate(&l);
	return lay_endpoint(&l, e);
}

/* ---- the end of an object ---- */

static void free_labels(struct model_label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(labels[i].key);
		free(labels[i].value);
	}
	free(labels);
}

void model_container_done(struct model_container *c)
{
	if (c->block) {
		drop(c->block);
		return;
	}
	free(c->id);
	free(c->name);
	free(c->image);
	free(c->image_id);
	free(c->network_mode);
	free_labels(c->labels, c->nlabels);
	free(c->ports);
}

void model_network_done(struct model_network *n)
{
	if (n->block) {
		drop(n->block);
		return;
	}
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

void model_endpoint_done(struct model_endpoint *e)
{
	if (e->block) {
		drop(e->block);
		return;
	}
	free(e->id);
	free(e->name);
	free(e->key);
}
