#include "inventory.h"

#include <stdlib.h>
#include <string.h>

#include "same.h"

#include "quaywall/mem.h"

/* One of the engine's objects. */
struct entry {
	char *id;
	uint64_t asked;
	struct model *piece;	    /* NULL: gone (networks, containers), or an image */
	bool known;		    /* images */
	bool bound;		    /* containers: their bindings are known, or were asked for */
	struct model_label *labels; /* images */
	size_t nlabels;
};

/* Sorted by id. Entries that are gone stay until the next full listing, so that an answer that was on
 * its way meanwhile does not bring the object back. */
struct table {
	struct entry *items;
	size_t len, cap;
};

struct inventory {
	struct table networks, containers, images;
};

/* ---- tables ---- */

static void entry_done(struct entry *e)
{
	free(e->id);
	model_free(e->piece);
	for (size_t i = 0; i < e->nlabels; i++) {
		free(e->labels[i].key);
		free(e->labels[i].value);
	}
	free(e->labels);
}

static void table_done(struct table *t)
{
	for (size_t i = 0; i < t->len; i++)
		entry_done(&t->items[i]);
	free(t->items);
}

/* Where ID is, or would be. */
static size_t table_place(const struct table *t, const char *id)
{
	size_t low = 0, high = t->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(t->items[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct entry *table_find(const struct table *t, const char *id)
{
	size_t at = table_place(t, id);

	return at < t->len && !strcmp(t->items[at].id, id) ? &t->items[at] : NULL;
}

static struct entry *table_add(struct table *t, const char *id)
{
	size_t at = table_place(t, id);

	if (at < t->len && !strcmp(t->items[at].id, id))
		return &t->items[at];
	t->items = mem_grow(t->items, &t->cap, t->len + 1, sizeof(*t->items));
	memmove(&t->items[at + 1], &t->items[at], (t->len - at) * sizeof(*t->items));
	t->items[at] = (struct entry) {.id = mem_strdup(id)};
	t->len++;
	return &t->items[at];
}

/* Removes the entries that GOES says so of. */
static void table_sweep(struct table *t, bool (*goes)(const struct entry *e, const void *data),
			const void *data)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->len; i++) {
		if (goes(&t->items[i], data))
			entry_done(&t->items[i]);
		else
			t->items[kept++] = t->items[i];
	}
	t->len = kept;
}

static bool is_gone(const struct entry *e, const void *asked)
{
	return !e->piece && e->asked < *(const uint64_t *)asked;
}

static bool drop(struct table *t, const char *id, uint64_t asked)
{
	struct entry *e = table_add(t, id);
	bool was = e->piece;

	if (e->asked > asked)
		return false;
	e->asked = asked;
	model_free(e->piece);
	e->piece = NULL;
	return was;
}

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
}

bool inventory_put_image(struct inventory *v, const char *id, bool known,
			 struct model_label *labels, size_t n)
{
	struct entry fresh = {.id = mem_strdup(id), .known = known, .labels = labels, .nlabels = n};
	struct entry *e = table_add(&v->images, id);
	bool news = e->known != known; /* whether containers of it can be identified */
	bool changed = false;

	entry_done(e);
	*e = fresh;
	for (size_t i = 0; i < v->containers.len; i++) {
		struct model *piece = v->containers.items[i].piece;

		if (piece && !strcmp(piece->containers->image_id, id)) {
			changed |= mark_labels(v, piece->containers);
			changed |= news;
		}
	}
	return changed;
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

bool inventory_drop_network(struct inventory *v, const char *id, uint64_t asked)
{
	return drop(&v->networks, id, asked);
}

bool inventory_keep_networks(struct inventory *v, char *const *ids, size_t n, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < v->networks.len; i++) {
		struct entry *e = &v->networks.items[i];

		if (e->piece && !bsearch(&e->id, ids, n, sizeof(*ids), compare_texts))
			changed |= drop(&v->networks, e->id, asked);
	}
	table_sweep(&v->networks, is_gone, &asked);
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
	return drop(&v->containers, id, asked);
}

bool inventory_keep_containers(struct inventory *v, uint64_t asked)
{
	bool changed = false;

	for (size_t i = 0; i < v->containers.len; i++) {
		struct entry *e = &v->containers.items[i];

		if (e->piece && e->asked < asked)
			changed |= drop(&v->containers, e->id, asked);
	}
	table_sweep(&v->containers, is_gone, &asked);
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
