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

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = (x->head > y->head) - (x->head < y->head);

	if (order == 0)
		order = strcmp(x->id, y->id);
	return order ? order : (x->old > y->old) - (x->old < y->old);
}

static bool is_sorted(const struct place *places, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (compare_places(&places[i - 1], &places[i]) > 0)
			return false;
	return true;
}

/* Sorts N objects of SIZE bytes by id. Returns where the object at each old index is now; the caller
 * frees. */
static size_t *sort_by_id(void *items, size_t n, size_t size)
{
	CLEANUP_FREE struct place *places = mem_new(n, sizeof(*places));
	CLEANUP_FREE char *sorted = NULL;
	size_t *moved = mem_new(n, sizeof(*moved));
	char *bytes = items;

	for (size_t i = 0; i < n; i++) {
		const char *id = *(char **)(void *)(bytes + i * size);

		places[i] = (struct place) {id, head_of(id), i};
		moved[i] = i;
	}
	if (is_sorted(places, n))
		return moved;
	qsort(places, n, sizeof(*places), compare_places);
	sorted = mem_new(n, size);
	for (size_t i = 0; i < n; i++) {
		memcpy(sorted + i * size, bytes + places[i].old * size, size);
		moved[places[i].old] = i;
	}
	memcpy(items, sorted, n * size);
	return moved;
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

void model_sort(struct model *m)
{
	CLEANUP_FREE size_t *networks = sort_by_id(m->networks, m->nnetworks, sizeof(*m->networks));
	CLEANUP_FREE size_t *containers =
		sort_by_id(m->containers, m->ncontainers, sizeof(*m->containers));

	sort_own_lists(m);
	model_sort_vxlan_ports(m);
	for (size_t i = 0; i < m->nendpoints; i++) {
		struct model_endpoint *e = &m->endpoints[i];

		e->network = networks[e->network];
		if (e->container != MODEL_NONE)
			e->container = containers[e->container];
	}
	free(sort_by_id(m->endpoints, m->nendpoints, sizeof(*m->endpoints)));
	model_sort_interfaces(m);
}
