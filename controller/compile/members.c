#include "classes.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- the members of an identity, in classes ---- */

/* An endpoint with what verdicts can ask of its addresses. */
struct marked {
	size_t endpoint;
	size_t owner;
	size_t network;
	uint8_t *bits; /* of IPv4, then of IPv6: what holds the address, and whether there is one */
	size_t nbits;
};

static void mark_endpoint(const struct compile_classes *k, size_t e, struct marked *ret)
{
	const struct model_endpoint *ep = &k->c->model->endpoints[e];
	size_t n = k->marks.len;

	*ret = (struct marked) {
		.endpoint = e,
		.owner = k->c->owner[e],
		.network = ep->network,
		.bits = mem_new(2 * (n + 1), 1),
		.nbits = 2 * (n + 1),
	};
	ret->bits[0] = addr_is_set(&ep->addr4);
	ret->bits[1] = addr_is_set(&ep->addr6);
	mark_addr(&k->marks, &ep->addr4, ret->bits + 2);
	mark_addr(&k->marks, &ep->addr6, ret->bits + 2 + n);
}

static int compare_class(const struct marked *x, const struct marked *y)
{
	if (x->network != y->network)
		return x->network < y->network ? -1 : 1;
	return memcmp(x->bits, y->bits, x->nbits);
}

static int compare_marked(const void *a, const void *b)
{
	const struct marked *x = a, *y = b;
	int diff = compare_class(x, y);

	if (!diff)
		diff = (x->owner > y->owner) - (x->owner < y->owner);
	return diff ? diff : (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);
}

/* The first of each class, and the last if that is another container. */
static void add_classes(const struct marked *all, size_t n, struct compile_members *ret)
{
	for (size_t i = 0, next; i < n; i = next) {
		size_t class = members_next_class(ret);
		struct flow_end end = {.kind = END_ENDPOINT, .endpoint = all[i].endpoint};

		for (next = i + 1; next < n && !compare_class(&all[i], &all[next]);)
			next++;
		members_add(ret, &end, class);
		end.endpoint = all[next - 1].endpoint;
		if (all[next - 1].owner != all[i].owner)
			members_add(ret, &end, class);
	}
}

void compile_members_of(const struct compile_classes *k, size_t identity,
			struct compile_members *ret)
{
	const struct index_list *members = &k->c->identities.items[identity].members;
	struct marked *all = mem_new(members->len, sizeof(*all));

	for (size_t i = 0; i < members->len; i++)
		mark_endpoint(k, members->items[i], &all[i]);
	qsort(all, members->len, sizeof(*all), compare_marked);
	add_classes(all, members->len, ret);
	for (size_t i = 0; i < members->len; i++)
		free(all[i].bits);
	free(all);
}

/* ---- the host ---- */

struct seen {
	struct {
		uint8_t family;
		uint8_t *bits;
	} * items;
	size_t len, cap;
};

static bool is_seen(const struct seen *seen, uint8_t family, const uint8_t *bits, size_t n)
{
	for (size_t i = 0; i < seen->len; i++) {
		if (seen->items[i].family == family && !memcmp(seen->items[i].bits, bits, n))
			return true;
	}
	return false;
}

static void add_host_addr(const struct compile_classes *k, const struct addr *a, struct seen *seen,
			  struct compile_members *ret)
{
	struct flow_end end = {.kind = END_HOST, .addr = *a};
	uint8_t *bits = mem_new(k->marks.len + 1, 1);

	mark_addr(&k->marks, a, bits);
	if (is_seen(seen, a->family, bits, k->marks.len)) {
		free(bits);
		return;
	}
	seen->items = mem_grow(seen->items, &seen->cap, seen->len + 1, sizeof(*seen->items));
	seen->items[seen->len].family = a->family;
	seen->items[seen->len++].bits = bits;
	members_add(ret, &end, members_next_class(ret));
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr one = {AF_INET6, {[15] = 1}};

	return (a->family == AF_INET && a->bytes[0] == 127) || addr_equal(a, &one);
}

void compile_members_of_host(const struct compile_classes *k, struct compile_members *ret)
{
	const struct model *m = k->c->model;
	struct flow_end any = {.kind = END_HOST};
	struct seen seen = {NULL, 0, 0};

	for (size_t i = 0; i < m->ninterfaces; i++) {
		for (size_t n = 0; n < m->interfaces[i].naddrs; n++) {
			const struct addr *a = &m->interfaces[i].addrs[n].addr;

			if (!is_loopback(a))
				add_host_addr(k, a, &seen, ret);
		}
	}
	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		for (size_t g = 0; model_network_is_managed(n) && g < n->ngateways; g++)
			add_host_addr(k, &n->gateways[g], &seen, ret);
	}
	/* It always has an address in each family that a container has: link-local, if none else. */
	if (!k->marks.len || !seen.len) {
		compile_members_done(ret);
		members_add(ret, &any, 0);
	}
	for (size_t i = 0; i < seen.len; i++)
		free(seen.items[i].bits);
	free(seen.items);
}

/* ---- ports ---- */

static void add_bounds(const struct held_list *list, uint8_t protocol, struct compile_ports *ret)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct policy_rule *rule = list->items[i].rule;

		for (size_t p = 0; p < rule->nports; p++) {
			if (rule->ports[p].protocol != protocol)
				continue;
			if (rule->ports[p].first > 1)
				MEM_PUSH(ret, rule->ports[p].first);
			if (rule->ports[p].last < UINT16_MAX)
				MEM_PUSH(ret, (uint16_t)(rule->ports[p].last + 1));
		}
	}
}

static int compare_ports(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* What an identity is asked in one direction. */
static void add_identity(const struct compiled *c, size_t identity, enum direction dir,
			 uint8_t protocol, struct compile_ports *ret)
{
	if (identity == MODEL_NONE)
		return;
	add_bounds(&c->identities.items[identity].deny[dir], protocol, ret);
	add_bounds(&c->identities.items[identity].allow[dir], protocol, ret);
}

void compile_port_bounds(const struct compiled *c, size_t from, size_t to, uint8_t protocol,
			 struct compile_ports *ret)
{
	size_t kept = 1;

	ret->len = 0;
	MEM_PUSH(ret, 1);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP)
		return;
	add_identity(c, from, DIR_EGRESS, protocol, ret);
	add_identity(c, to, DIR_INGRESS, protocol, ret);
	qsort(ret->items, ret->len, sizeof(*ret->items), compare_ports);
	for (size_t i = 1; i < ret->len; i++) {
		if (ret->items[i] != ret->items[kept - 1])
			ret->items[kept++] = ret->items[i];
	}
	ret->len = kept;
}
