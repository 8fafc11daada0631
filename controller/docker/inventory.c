#include "inventory.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

#include "quaywall/mem.h"

struct inventory {
	struct table networks, containers, images;
};

struct inventory *inventory_new(void)
{
	return mem_new(1, sizeof(struct inventory));
}

void inventory_free(struct inventory *v)
{
	if (!v)
		return;
	table_done(&v->networks);
	table_done(&v->containers);
	table_done(&v->images);
	free(v);
}

/* ---- images and labels ---- */

static const struct entry *known_image(const struct inventory *v, const char *id)
{
	const struct entry *e = table_find(&v->images, id);

	return e && e->known ? e : NULL;
}

static bool has_label(const struct entry *image, const struct model_label *label)
{
	for (size_t i = 0; i < image->nlabels; i++) {
		if (!strcmp(image->labels[i].key, label->key))
			return !strcmp(image->labels[i].value, label->value);
	}
	return false;
}

/* Of labels that are C's own. As long as an image's labels are not known, any label may be the image's; see
 * is_identified(). */
static void mark_labels(const struct inventory *v, struct model_container *c)
{
	const struct entry *image = known_image(v, c->image_id);

	for (size_t i = 0; i < c->nlabels; i++)
		c->labels[i].from_image = !image || has_label(image, &c->labels[i]);
}

/* FRESH, of which nothing needs to be its own, in place of what is held. Returns false where that is the same: then it
 * stays, as one block. */
static bool hold(struct entry *e, const struct model_container *fresh)
{
	struct model_container shared;

	if (e->container && model_same_container(e->container, fresh))
		return false;
	shared = model_container_share(fresh);
	if (e->container)
		model_container_done(e->container);
	else
		e->container = mem_new(1, sizeof(*e->container));
	*e->container = shared;
	e->image_known = false;
	return true;
}

/* An image that is used is not forgotten. */
static bool is_image_known(const struct inventory *v, struct entry *e)
{
	if (!e->image_known)
		e->image_known = known_image(v, e->container->image_id);
	return e->image_known;
}

/* The labels of one that is held, whose image may be another one now. */
static bool mark_again(const struct inventory *v, struct entry *e)
{
	struct model_container fresh = *e->container;
	CLEANUP_FREE struct model_label *labels = mem_new(fresh.nlabels, sizeof(*labels));

	for (size_t i = 0; i < fresh.nlabels; i++)
		labels[i] = fresh.labels[i];
	fresh.labels = labels;
	fresh.block = NULL;
	mark_labels(v, &fresh);
	return hold(e, &fresh);
}

void inventory_take_images(struct inventory *v, struct inventory *from)
{
	table_done(&v->images);
	v->images = from->images;
	from->images = (struct table) {0};
	/* Each session counts from the beginning. */
	for (size_t i = 0; i < v->images.len; i++)
		v->images.items[i].asked = 0;
}

/* The containers of image ID may be others now. Whether one is; NEWS: it is known now. */
static bool mark_containers(struct inventory *v, const char *id, bool news)
{
	bool changed = false;

	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (e->container && !strcmp(e->container->image_id, id)) {
			changed |= mark_again(v, e);
			changed |= news;
		}
	}
	return changed;
}

bool inventory_put_image(struct inventory *v, const char *id, struct model_label *labels, size_t n,
			 uint64_t asked)
{
	struct entry fresh = {.asked = asked, .known = true, .labels = labels, .nlabels = n};
	struct entry *e = table_add(&v->images, id);
	bool news = !e->known;

	if (e->asked > asked) {
		entry_done(&fresh);
		return false;
	}
	fresh.id = mem_strdup(id);
	entry_done(e);
	*e = fresh;
	return mark_containers(v, id, news);
}

bool inventory_miss_image(struct inventory *v, const char *id)
{
	return !table_add(&v->images, id)->known && mark_containers(v, id, false);
}

void inventory_missing_images(struct inventory *v, void (*each)(void *data, const char *id),
			      void *data)
{
	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];
		const char *image = e->container ? e->container->image_id : "";

		if (*image && !is_image_known(v, e) && !table_find(&v->images, image))
			each(data, image);
	}
}

static int compare_ages(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a,
			   *y = *(const struct entry *const *)b;

	return (x->asked > y->asked) - (x->asked < y->asked);
}

void inventory_oldest_images(const struct inventory *v, size_t max,
			     void (*each)(void *data, const char *id), void *data)
{
	CLEANUP_FREE const struct entry **known = mem_new(v->images.len, sizeof(*known));
	size_t n = 0;

	for (size_t i = 0; i < v->images.len; i++) {
		if (v->images.items[i].known)
			known[n++] = &v->images.items[i];
	}
	qsort(known, n, sizeof(*known), compare_ages);
	for (size_t i = 0; i < n && i < max; i++)
		each(data, known[i]->id);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct texts {
	const char **items;
	size_t len;
};

static bool is_unused_image(const struct entry *e, const void *data)
{
	const struct texts *used = data;

	return !e->known ||
	       !bsearch(&e->id, used->items, used->len, sizeof(*used->items), compare_texts);
}

void inventory_prune_images(struct inventory *v)
{
	CLEANUP_FREE const char **ids = mem_new(v->containers.len, sizeof(*ids));
	struct texts used = {ids, 0};

	for (size_t i = 0; i < v->containers.len; i++) {
		const struct model_container *c = v->containers.items[i].container;

		if (c)
			ids[used.len++] = c->image_id;
	}
	qsort(ids, used.len, sizeof(*ids), compare_texts);
	table_sweep(&v->images, is_unused_image, &used);
}

/* ---- networks ---- */

/* What the engine says of a network now, FRESH, with the blocks of what it said already. */
static struct model *renew(const struct model *old, const struct model *fresh, bool *ret_changed)
{
	bool same = model_same_network(old->networks, fresh->networks);
	struct model *m = model_new();

	m->networks = mem_new(1, sizeof(*m->networks));
	m->nnetworks = 1;
	*m->networks = model_network_share(same ? old->networks : fresh->networks);
	m->endpoints = mem_new(fresh->nendpoints, sizeof(*m->endpoints));
	for (size_t i = 0; i < fresh->nendpoints; i++) {
		const struct model_endpoint *e = &fresh->endpoints[i];
		size_t was = model_find_endpoint(old, e->id);

		if (was != MODEL_NONE && model_same_endpoint(&old->endpoints[was], e))
			e = &old->endpoints[was];
		else
			same = false;
		m->endpoints[m->nendpoints++] = model_endpoint_share(e);
	}
	*ret_changed = !same || old->nendpoints != fresh->nendpoints;
	return m;
}

bool inventory_put_network(struct inventory *v, struct model *piece, uint64_t asked)
{
	struct entry *e = table_add(&v->networks, piece->networks->id);
	struct model *old = e->piece;
	bool changed = e->asked <= asked;

	if (changed) {
		e->piece = old ? renew(old, piece, &changed) : model_copy(piece);
		e->asked = asked;
		model_free(old);
	}
	model_free(piece);
	return changed;
}

bool inventory_has_network(const struct inventory *v, const char *id)
{
	const struct entry *e = table_find(&v->networks, id);

	return e && e->piece;
}

bool inventory_put_listed_network(struct inventory *v, struct model *piece, uint64_t asked)
{
	if (!inventory_has_network(v, piece->networks->id))
		return inventory_put_network(v, piece, asked);
	model_free(piece);
	return false;
}

bool inventory_drop_network(struct inventory *v, const char *id, uint64_t asked)
{
	return table_drop(&v->networks, id, asked);
}

bool inventory_keep_networks(struct inventory *v, char *const *ids, size_t n, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < v->networks.len; i++) {
		struct entry *e = &v->networks.items[i];

		if (e->piece && !bsearch(&e->id, ids, n, sizeof(*ids), compare_texts))
			changed |= table_drop(&v->networks, e->id, asked);
	}
	table_sweep_gone(&v->networks, asked);
	return changed;
}

static void remove_endpoint(struct model *piece, size_t i)
{
	model_endpoint_done(&piece->endpoints[i]);
	piece->nendpoints--;
	memmove(&piece->endpoints[i], &piece->endpoints[i + 1],
		(piece->nendpoints - i) * sizeof(*piece->endpoints));
}

bool inventory_detach(struct inventory *v, const char *network, const char *container,
		      uint64_t asked)
{
	struct entry *e = table_find(&v->networks, network);
	bool changed = false;

	if (!e || !e->piece)
		return false;
	e->asked = asked;
	for (size_t i = e->piece->nendpoints; i-- > 0;) {
		if (strcmp(e->piece->endpoints[i].key, container))
			continue;
		remove_endpoint(e->piece, i);
		changed = true;
	}
	return changed;
}

static bool holds_key(const struct model *piece, const char *container)
{
	for (size_t i = 0; i < piece->nendpoints; i++) {
		if (!strcmp(piece->endpoints[i].key, container))
			return true;
	}
	return false;
}

void inventory_networks_of(const struct inventory *v, const char *container,
			   void (*each)(void *data, const char *id), void *data)
{
	for (size_t i = 0; i < v->networks.len; i++) {
		const struct entry *e = &v->networks.items[i];

		if (e->piece && holds_key(e->piece, container))
			each(data, e->id);
	}
}

const char *inventory_network_named(const struct inventory *v, const char *name)
{
	for (size_t i = 0; i < v->networks.len; i++) {
		const struct entry *e = &v->networks.items[i];

		if (e->piece && !strcmp(e->piece->networks->name, name))
			return e->id;
	}
	return NULL;
}

/* ---- containers ---- */

/*
 * A container that is starting holds its published ports from `network connect` on, and the engine lists
 * them when the start is over, which is much later. They are a part of its configuration: what was
 * listed before holds until then.
 */
static void keep_ports(const struct model_container *old, struct model_container *c)
{
	if (c->nports)
		return;
	c->ports = old->ports;
	c->nports = old->nports;
}

static bool put_container(struct inventory *v, struct model_container *c, uint64_t asked)
{
	struct entry *e = table_add(&v->containers, c->id);
	struct model_container fresh;

	if (e->asked > asked)
		return false;
	e->asked = asked;
	mark_labels(v, c);
	fresh = *c;
	if (e->container)
		keep_ports(e->container, &fresh);
	return hold(e, &fresh);
}

bool inventory_put_containers(struct inventory *v, struct model *piece, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < piece->ncontainers; i++)
		changed |= put_container(v, &piece->containers[i], asked);
	model_free(piece);
	return changed;
}

bool inventory_drop_container(struct inventory *v, const char *id, uint64_t asked)
{
	return table_drop(&v->containers, id, asked);
}

void inventory_sweep_containers(struct inventory *v, uint64_t asked)
{
	table_sweep_gone(&v->containers, asked);
}

bool inventory_keep_containers(struct inventory *v, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (e->container && e->asked < asked)
			changed |= table_drop(&v->containers, e->id, asked);
	}
	table_sweep_gone(&v->containers, asked);
	return changed;
}

static bool has_container(const struct inventory *v, const char *id)
{
	const struct entry *e = table_find(&v->containers, id);

	return e && e->container;
}

/* Keys that are no container's, as the overlay driver lists them. */
static bool is_special_key(const char *key)
{
	return !strncmp(key, "lb-", 3) || !strncmp(key, "ep-", 3) || !strcmp(key, "ingress-sbox");
}

void inventory_missing_containers(const struct inventory *v, const char *network,
				  void (*each)(void *data, const char *id), void *data)
{
	const struct entry *e = table_find(&v->networks, network);

	for (size_t i = 0; e && e->piece && i < e->piece->nendpoints; i++) {
		const char *key = e->piece->endpoints[i].key;

		if (!is_special_key(key) && !has_container(v, key))
			each(data, key);
	}
}

/* ---- published ports that nothing lists yet ---- */

bool inventory_put_bindings(struct inventory *v, const char *id, struct model_port *ports, size_t n)
{
	CLEANUP_FREE struct model_port *owned = ports;
	struct entry *e = table_find(&v->containers, id);
	struct model_container fresh;

	if (!e || !e->container || e->container->nports || !n)
		return false;
	fresh = *e->container;
	fresh.ports = owned;
	fresh.nports = n;
	fresh.block = NULL;
	return hold(e, &fresh);
}

/* One that was listed with ports may be stopped now, and keeps them. */
void inventory_missing_bindings(struct inventory *v, void (*each)(void *data, const char *id),
				void *data)
{
	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (!e->container || e->bound)
			continue;
		if (!e->container->running && !e->container->nports)
			each(data, e->id);
		e->bound = true;
	}
}

/* ---- the model ---- */

static size_t count_endpoints(const struct inventory *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->networks.len; i++)
		n += v->networks.items[i].piece ? v->networks.items[i].piece->nendpoints : 0;
	return n;
}

/* Whether it can be told who the container is: one with labels that say so cannot, as long as its image
 * could be what they came from. It would be taken for one that no policy governs. */
static bool is_identified(const struct inventory *v, struct entry *e)
{
	if (!e || !e->container)
		return false;
	for (size_t i = 0; !is_image_known(v, e) && i < e->container->nlabels; i++) {
		if (model_label_is_identity(e->container->labels[i].key))
			return false;
	}
	return true;
}

bool inventory_knows_all_in(struct inventory *v, const char *network)
{
	const struct entry *e = table_find(&v->networks, network);

	for (size_t i = 0; e && e->piece && i < e->piece->nendpoints; i++) {
		const char *key = e->piece->endpoints[i].key;

		if (!is_special_key(key) && !is_identified(v, table_find(&v->containers, key)))
			return false;
	}
	return true;
}

/* An endpoint whose container is not known gets none: it must never have another's identity. */
static void add_endpoints(const struct inventory *v, struct model *piece, struct model *m)
{
	for (size_t i = 0; i < piece->nendpoints; i++) {
		struct model_endpoint *held = &piece->endpoints[i];
		struct model_endpoint *e = &m->endpoints[m->nendpoints++];
		struct entry *c = table_find_again(&v->containers, held->key, &held->container);

		*e = model_endpoint_share(held);
		e->container = is_identified(v, c) ? c->place : MODEL_NONE;
		e->network = m->nnetworks - 1;
	}
}

/* The tables are sorted by id, so the lists are, but for the endpoints. */
struct model *inventory_model(struct inventory *v)
{
	struct model *m = model_new();

	m->networks = mem_room(v->networks.len, sizeof(*m->networks));
	m->containers = mem_room(v->containers.len, sizeof(*m->containers));
	m->endpoints = mem_room(count_endpoints(v), sizeof(*m->endpoints));
	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (!e->container)
			continue;
		e->place = m->ncontainers++;
		m->containers[e->place] = model_container_share(e->container);
	}
	for (size_t i = 0; i < v->networks.len; i++) {
		struct model *piece = v->networks.items[i].piece;

		if (!piece)
			continue;
		m->networks[m->nnetworks++] = model_network_share(piece->networks);
		add_endpoints(v, piece, m);
	}
	model_sort_endpoints(m);
	return m;
}
