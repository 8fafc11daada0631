#include "quaywall/model.h"

#include <string.h>

#define STEPS_MAX 64 /* from one container to another whose network namespace it uses */

/* The index of ID among N sorted objects of SIZE bytes that begin with their id. */
static size_t find_id(const void *items, size_t n, size_t size, const char *id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *at = *(char *const *)(const void *)((const char *)items + mid * size);
		int order = strcmp(at, id);

		if (order == 0)
			return mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return MODEL_NONE;
}

size_t model_find_container(const struct model *m, const char *id)
{
	return find_id(m->containers, m->ncontainers, sizeof(*m->containers), id);
}

size_t model_find_network(const struct model *m, const char *id)
{
	return find_id(m->networks, m->nnetworks, sizeof(*m->networks), id);
}

size_t model_find_endpoint(const struct model *m, const char *id)
{
	return find_id(m->endpoints, m->nendpoints, sizeof(*m->endpoints), id);
}

static size_t find_container_name(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->ncontainers; i++)
		if (m->containers[i].name && strcmp(m->containers[i].name, name) == 0)
			return i;
	return MODEL_NONE;
}

/* The only container whose id begins with PREFIX. */
static size_t find_container_prefix(const struct model *m, const char *prefix)
{
	size_t len = strlen(prefix), found = MODEL_NONE;

	for (size_t i = 0; i < m->ncontainers && len > 0; i++) {
		if (strncmp(m->containers[i].id, prefix, len) != 0)
			continue;
		if (found != MODEL_NONE)
			return MODEL_NONE;
		found = i;
	}
	return found;
}

/* The engine keeps what the client sent, so X is a full id, a name or an unambiguous beginning of an
 * id; it looks for them in this order. */
static size_t find_container_reference(const struct model *m, const char *x)
{
	size_t found = model_find_container(m, x);

	if (found == MODEL_NONE)
		found = find_container_name(m, x[0] == '/' ? x + 1 : x);
	if (found == MODEL_NONE)
		found = find_container_prefix(m, x);
	return found;
}

size_t model_netns_owner(const struct model *m, size_t c)
{
	static const char mode[] = "container:";

	/* X may itself share another's namespace; a circle cannot run, but a snapshot can claim it, of all its
	 * containers even. Whose a namespace is behind more steps than anybody takes is not known, and refused. */
	for (size_t steps = 0; steps <= STEPS_MAX; steps++) {
		const char *of = m->containers[c].network_mode;

		if (!of || strncmp(of, mode, sizeof(mode) - 1) != 0)
			return c;
		c = find_container_reference(m, of + sizeof(mode) - 1);
		if (c == MODEL_NONE)
			return MODEL_NONE;
	}
	return MODEL_NONE;
}

bool model_network_is_managed(const struct model_network *n)
{
	return n->driver && strcmp(n->driver, "bridge") == 0 && n->bridge && n->bridge[0] != '\0';
}

size_t model_endpoint_addrs(const struct model_endpoint *e, struct addr ret[static 3])
{
	size_t n = 0;

	if (addr_is_set(&e->addr4))
		ret[n++] = e->addr4;
	if (addr_is_set(&e->addr6))
		ret[n++] = e->addr6;
	if (e->has_mac)
		ret[n++] = addr_link_local(e->mac);
	return n;
}

static bool has_addr(const struct model_endpoint *e, const struct addr *a)
{
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	for (size_t i = 0; i < n; i++) {
		if (addr_equal(&addrs[i], a))
			return true;
	}
	return false;
}

void model_endpoint_left(const struct model_endpoint *e, const struct model *is, struct ranges *ret)
{
	size_t at = model_find_endpoint(is, e->id);
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	for (size_t i = 0; i < n; i++) {
		if (at == MODEL_NONE || !has_addr(&is->endpoints[at], &addrs[i]))
			ranges_add_addr(ret, &addrs[i]);
	}
}
