#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

static int compare_numbers(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int compare_labels(const void *a, const void *b)
{
	const struct model_label *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int compare_ports(const void *a, const void *b)
{
	const struct model_port *x = a, *y = b;
	int order = compare_numbers(x->protocol, y->protocol);

	if (order == 0)
		order = compare_numbers(x->host_port, y->host_port);
	if (order == 0)
		order = addr_compare(&x->host_addr, &y->host_addr);
	/* Never equal on one host; for a recorded snapshot that says so all the same. */
	return order ? order : compare_numbers(x->container_port, y->container_port);
}

static int compare_interfaces(const void *a, const void *b)
{
	const struct model_interface *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The id stands first in each struct that is sorted by it. */
static_assert(offsetof(struct model_network, id) == 0, "sort_by_id() reads the id there");
static_assert(offsetof(struct model_container, id) == 0, "sort_by_id() reads the id there");
static_assert(offsetof(struct model_endpoint, id) == 0, "sort_by_id() reads the id there");

struct place {
	const char *id;
	uint64_t head; /* of the id, so that it is read where two begin alike alone */
	size_t old;
};

/* The first characters of ID as a number: as strcmp(3), which takes them as unsigned. */
static uint64_t head_of(const char *id)
{
	uint64_t head = 0;

	for (size_t i = 0; i < sizeof(head); i++) {
		head = head << 8 | (unsigned char)*id;
		id += *id ? 1 : 0;
	}
	return head;
}

static bool stands_behind(const struct place *a, const struct place *b)
{
	int order;

	if (a->head != b->head)
		return a->head > b->head;
	order = strcmp(a->id, b->id);
	return order ? order > 0 : a->old > b->old;
}

/* Where the places from each on stand in order already: where they end. */
struct runs {
	size_t *items;
	size_t len, cap;
};

static struct runs find_runs(const struct place *places, size_t n)
{
	struct runs runs = {NULL, 0, 0};

	for (size_t i = 1; i <= n; i++) {
		if (i == n || stands_behind(&places[i - 1], &places[i]))
			MEM_PUSH(&runs, i);
	}
	return runs;
}

static void merge(const struct place *a, const struct place *mid, const struct place *end,
		  struct place *to)
{
	const struct place *b = mid;

	while (a < mid && b < end)
		*to++ = stands_behind(a, b) ? *b++ : *a++;
	while (a < mid)
		*to++ = *a++;
	while (b < end)
		*to++ = *b++;
}

/*
 * A merge sort that begins with the runs that are there, and for that reason not qsort(3): a model's endpoints are lists
 * of networks, one behind the other, each of them sorted, at each event of the engine's. Returns PLACES or another
 * array, in order; the caller frees.
 */
static struct place *merge_runs(struct place *places, size_t n, struct runs *runs)
{
	struct place *spare = runs->len > 1 ? mem_room(n, sizeof(*spare)) : NULL, *sorted;

	while (runs->len > 1) {
		size_t begin = 0, kept = 0;

		for (size_t i = 0; i < runs->len; i += 2) {
			size_t mid = runs->items[i];
			size_t end = i + 1 < runs->len ? runs->items[i + 1] : mid;

			merge(&places[begin], &places[mid], &places[end], &spare[begin]);
			runs->items[kept++] = begin = end;
		}
		runs->len = kept;
		sorted = spare;
		spare = places;
		places = sorted;
	}
	free(spare);
	return places;
}

/* The N objects of SIZE bytes in the order of their ids; NULL: they are. The caller frees. */
static struct place *find_order(const void *items, size_t n, size_t size)
{
	struct place *places = mem_room(n, sizeof(*places));
	const char *bytes = items;
	struct runs runs;

	for (size_t i = 0; i < n; i++) {
		const char *id = *(char *const *)(const void *)(bytes + i * size);

		places[i] = (struct place) {id, head_of(id), i};
	}
	runs = find_runs(places, n);
	if (runs.len > 1) {
		places = merge_runs(places, n, &runs);
	} else {
		free(places);
		places = NULL;
	}
	free(runs.items);
	return places;
}

/* Sorts N objects of SIZE bytes by id, in place of ITEMS, which are freed. *RET_MOVED, unless NULL, says where the
 * object at each old index is now; the caller frees. */
static void *sort_by_id(void *items, size_t n, size_t size, size_t **ret_moved)
{
	CLEANUP_FREE struct place *order = find_order(items, n, size);
	size_t *moved = ret_moved ? mem_room(n, sizeof(*moved)) : NULL;
	char *sorted = order ? mem_room(n, size) : NULL;

	for (size_t i = 0; i < n; i++) {
		size_t old = order ? order[i].old : i;

		if (moved)
			moved[old] = i;
		if (sorted)
			memcpy(sorted + i * size, (char *)items + old * size, size);
	}
	if (ret_moved)
		*ret_moved = moved;
	if (!sorted)
		return items;
	free(items);
	return sorted;
}

static void sort_array(void *items, size_t n, size_t size,
		       int (*compare)(const void *, const void *))
{
	/* qsort(3) does not take NULL, not even for nothing. */
	if (n > 1)
		qsort(items, n, size, compare);
}

void model_sort_interfaces(struct model *m)
{
	sort_array(m->interfaces, m->ninterfaces, sizeof(*m->interfaces), compare_interfaces);
}

static int compare_vnis(const void *a, const void *b)
{
	return compare_numbers(*(const uint32_t *)a, *(const uint32_t *)b);
}

static int compare_vxlan_ports(const void *a, const void *b)
{
	return compare_numbers(*(const uint16_t *)a, *(const uint16_t *)b);
}

static int compare_addrs(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* Sorts N items of SIZE bytes and leaves one of each. Returns how many stay. */
static size_t sort_unique(void *items, size_t n, size_t size,
			  int (*compare)(const void *, const void *))
{
	char *bytes = items;
	size_t kept = n ? 1 : 0;

	sort_array(items, n, size, compare);
	for (size_t i = 1; i < n; i++)
		if (compare(bytes + (kept - 1) * size, bytes + i * size) != 0)
			memmove(bytes + kept++ * size, bytes + i * size, size);
	return kept;
}

void model_sort_vxlan_ports(struct model *m)
{
	m->nvxlan_ports = sort_unique(m->vxlan_ports, m->nvxlan_ports, sizeof(*m->vxlan_ports),
				      compare_vxlan_ports);
}

void sort_network(struct model_network *n)
{
	sort_array(n->labels, n->nlabels, sizeof(*n->labels), compare_labels);
	n->nvnis = sort_unique(n->vnis, n->nvnis, sizeof(*n->vnis), compare_vnis);
	n->npeers = sort_unique(n->peers, n->npeers, sizeof(*n->peers), compare_addrs);
}

void sort_container(struct model_container *c)
{
	sort_array(c->labels, c->nlabels, sizeof(*c->labels), compare_labels);
	sort_array(c->ports, c->nports, sizeof(*c->ports), compare_ports);
}

/* What is shared was sorted when its block was made. */
static void sort_own_lists(struct model *m)
{
	for (size_t i = 0; i < m->nnetworks; i++)
		if (!m->networks[i].block)
			sort_network(&m->networks[i]);
	for (size_t i = 0; i < m->ncontainers; i++)
		if (!m->containers[i].block)
			sort_container(&m->containers[i]);
}

void model_sort_endpoints(struct model *m)
{
	m->endpoints = sort_by_id(m->endpoints, m->nendpoints, sizeof(*m->endpoints), NULL);
}

void model_sort(struct model *m)
{
	CLEANUP_FREE size_t *networks = NULL;
	CLEANUP_FREE size_t *containers = NULL;

	m->networks = sort_by_id(m->networks, m->nnetworks, sizeof(*m->networks), &networks);
	m->containers =
		sort_by_id(m->containers, m->ncontainers, sizeof(*m->containers), &containers);
	sort_own_lists(m);
	model_sort_vxlan_ports(m);
	for (size_t i = 0; i < m->nendpoints; i++) {
		struct model_endpoint *e = &m->endpoints[i];

		e->network = networks[e->network];
		if (e->container != MODEL_NONE)
			e->container = containers[e->container];
	}
	model_sort_endpoints(m);
	model_sort_interfaces(m);
}
