#include "inventory.h"

#include <stdlib.h>
#include <string.h>

#include "same.h"
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

/* As long as an image's labels are not known, any label may be the image's; see is_identified(). */
static bool mark_labels(const struct inventory *v, struct model_container *c)
{
	const struct entry *image = known_image(v, c->image_id);
	bool changed = false;

	for (size_t i = 0; i < c->nlabels; i++) {
		bool from_image = !image || has_label(image, &c->labels[i]);

		changed |= from_image != c->labels[i].from_image;
		c->labels[i].from_image = from_image;
	}
	return changed;
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
		struct model *piece = v->containers.items[i].piece;

		if (piece && !strcmp(piece->containers->image_id, id)) {
			changed |= mark_labels(v, piece->containers);
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

void inventory_missing_images(const struct inventory *v, void (*each)(void *data, const char *id),
			      void *data)
{
	for (size_t i = 0; i < v->containers.len; i++) {
		const struct model *piece = v->containers.items[i].piece;

		if (piece && *piece->containers->image_id &&
		    !table_find(&v->images, piece->containers->image_id))
			each(data, piece->containers->image_id);
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
		const struct model *piece = v->containers.items[i].piece;

		if (piece)
			ids[used.len++] = piece->containers->image_id;
	}
	qsort(ids, used.len, sizeof(*ids), compare_texts);
	table_sweep(&v->images, is_unused_image, &used);
}

/* ---- networks ---- */

bool inventory_put_network(struct inventory *v, struct model *piece, uint64_t asked)
{
	struct entry *e = table_add(&v->networks, piece->networks->id);
	bool changed;

	if (e->asked > asked) {
		model_free(piece);
		return false;
	}
	changed = !e->piece || !same_network(e->piece, piece);
	model_free(e->piece);
	e->piece = piece;
	e->asked = asked;
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

static const char *key_of(const struct model *piece, size_t endpoint)
{
	return piece->containers[piece->endpoints[endpoint].container].id;
}

static void remove_endpoint(struct model *piece, size_t i)
{
	free(piece->endpoints[i].id);
	free(piece->endpoints[i].name);
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
		if (strcmp(key_of(e->piece, i), container))
			continue;
		remove_endpoint(e->piece, i);
		changed = true;
	}
	return changed;
}

static bool holds_key(const struct model *piece, const char *container)
{
	for (size_t i = 0; i < piece->nendpoints; i++) {
		if (!strcmp(key_of(piece, i), container))
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
	if (c->nports || !old->nports)
		return;
	free(c->ports); /* of ports that are exposed and not published */
	c->ports = mem_new(old->nports, sizeof(*c->ports));
	memcpy(c->ports, old->ports, old->nports * sizeof(*c->ports));
	c->nports = old->nports;
}

static bool put_container(struct inventory *v, struct model_container *c, uint64_t asked)
{
	struct entry *e = table_add(&v->containers, c->id);
	struct model *piece;
	bool changed;

	if (e->asked > asked)
		return false;
	if (e->piece)
		keep_ports(e->piece->containers, c);
	piece = model_new();
	piece->containers = mem_new(1, sizeof(*c));
	piece->ncontainers = 1;
	*piece->containers = *c;
	*c = (struct model_container) {0}; /* moved */
	mark_labels(v, piece->containers);
	changed = !e->piece || !same_container(e->piece->containers, piece->containers);
	model_free(e->piece);
	e->piece = piece;
	e->asked = asked;
	return changed;
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

bool inventory_keep_containers(struct inventory *v, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (e->piece && e->asked < asked)
			changed |= table_drop(&v->containers, e->id, asked);
	}
	table_sweep_gone(&v->containers, asked);
	return changed;
}

static bool has_container(const struct inventory *v, const char *id)
{
	const struct entry *e = table_find(&v->containers, id);

	return e && e->piece;
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
		const char *key = key_of(e->piece, i);

		if (!is_special_key(key) && !has_container(v, key))
			each(data, key);
	}
}

/* ---- published ports that nothing lists yet ---- */

bool inventory_put_bindings(struct inventory *v, const char *id, struct model_port *ports, size_t n)
{
	struct entry *e = table_find(&v->containers, id);
	struct model_container *c = e && e->piece ? e->piece->containers : NULL;

	if (!c || c->nports || !n) {
		free(ports);
		return false;
	}
	free(c->ports);
	c->ports = ports;
	c->nports = n;
	return true;
}

/* One that was listed with ports may be stopped now, and keeps them. */
void inventory_missing_bindings(struct inventory *v, void (*each)(void *data, const char *id),
				void *data)
{
	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (!e->piece || e->bound)
			continue;
		if (!e->piece->containers->running && !e->piece->containers->nports)
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
static bool is_identified(const struct inventory *v, const struct model_container *c)
{
	if (known_image(v, c->image_id))
		return true;
	for (size_t i = 0; i < c->nlabels; i++) {
		if (model_label_is_identity(c->labels[i].key))
			return false;
	}
	return true;
}

static size_t container_of(const struct inventory *v, const struct model *m, const char *key)
{
	size_t c = model_find_container(m, key);

	return c != MODEL_NONE && is_identified(v, &m->containers[c]) ? c : MODEL_NONE;
}

bool inventory_knows_all_in(const struct inventory *v, const char *network)
{
	const struct entry *e = table_find(&v->networks, network);

	for (size_t i = 0; e && e->piece && i < e->piece->nendpoints; i++) {
		const char *key = key_of(e->piece, i);
		const struct entry *c = table_find(&v->containers, key);

		if (is_special_key(key))
			continue;
		if (!c || !c->piece || !is_identified(v, c->piece->containers))
			return false;
	}
	return true;
}

/* An endpoint whose container is not known gets none: it must never have another's identity. */
static void add_endpoints(const struct inventory *v, const struct model *piece, struct model *m)
{
	for (size_t i = 0; i < piece->nendpoints; i++) {
		struct model_endpoint *e = &m->endpoints[m->nendpoints++];

		*e = piece->endpoints[i];
		e->container = container_of(v, m, key_of(piece, i));
		e->network = m->nnetworks - 1;
	}
}

/* Borrows every string; the tables are sorted by id, so the lists are, but for the endpoints. */
static struct model *borrow(const struct inventory *v)
{
	struct model *m = model_new();

	m->networks = mem_new(v->networks.len, sizeof(*m->networks));
	m->containers = mem_new(v->containers.len, sizeof(*m->containers));
	m->endpoints = mem_new(count_endpoints(v), sizeof(*m->endpoints));
	for (size_t i = 0; i < v->containers.len; i++) {
		if (v->containers.items[i].piece)
			m->containers[m->ncontainers++] = *v->containers.items[i].piece->containers;
	}
	for (size_t i = 0; i < v->networks.len; i++) {
		if (!v->networks.items[i].piece)
			continue;
		m->networks[m->nnetworks++] = *v->networks.items[i].piece->networks;
		add_endpoints(v, v->networks.items[i].piece, m);
	}
	return m;
}

struct model *inventory_model(const struct inventory *v)
{
	struct model *borrowed = borrow(v), *m = model_copy(borrowed);

	free(borrowed->networks);
	free(borrowed->containers);
	free(borrowed->endpoints);
	free(borrowed);
	model_sort(m);
	return m;
}
