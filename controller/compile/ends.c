#include "compile-internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* What `publish: local` lets in: private and link-local sources. */
const char *const local_source_prefixes[] = {
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
	NULL,
};

bool addr_is_local_source(const struct addr *a)
{
	for (size_t i = 0; local_source_prefixes[i]; i++) {
		struct prefix p;

		if (!prefix_parse(local_source_prefixes[i], &p) && prefix_contains(&p, a))
			return true;
	}
	return false;
}

/* The mesh's own endpoint on docker_gwbridge: known, although no container holds it. */
static bool is_ingress_sandbox(const struct model_endpoint *e)
{
	return e->name && !strcmp(e->name, "gateway_ingress-sbox");
}

void endpoint_find_owner(struct compiled *c, size_t endpoint)
{
	const struct model_endpoint *e = &c->model->endpoints[endpoint];

	c->owner[endpoint] = MODEL_NONE;
	if (e->container != MODEL_NONE)
		c->owner[endpoint] = model_netns_owner(c->model, e->container);
	c->known[endpoint] = c->owner[endpoint] != MODEL_NONE || is_ingress_sandbox(e);
}

static void find_owners(struct compiled *c)
{
	c->owner = mem_new(c->model->nendpoints, sizeof(*c->owner));
	c->known = mem_new(c->model->nendpoints, sizeof(*c->known));
	for (size_t i = 0; i < c->model->nendpoints; i++)
		endpoint_find_owner(c, i);
}

void list_owned(struct compiled *c)
{
	const struct model *m = c->model;

	c->owned = mem_room(m->ncontainers, sizeof(*c->owned));
	c->next_owned = mem_room(m->nendpoints, sizeof(*c->next_owned));
	for (size_t i = 0; i < m->ncontainers; i++)
		c->owned[i] = MODEL_NONE;
	for (size_t i = m->nendpoints; i-- > 0;) {
		size_t owner = c->owner[i];

		if (owner == MODEL_NONE)
			continue;
		c->next_owned[i] = c->owned[owner];
		c->owned[owner] = i;
	}
}

static int compare_owners(const void *a, const void *b)
{
	const struct addr_owner *x = a, *y = b;
	int diff = addr_compare(&x->addr, &y->addr);

	return diff ? diff : (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);
}

static void index_addrs(struct compiled *c)
{
	const struct model *m = c->model;

	for (size_t i = 0; i < m->nendpoints; i++) {
		struct addr addrs[3];
		size_t n = c->known[i] ? model_endpoint_addrs(&m->endpoints[i], addrs) : 0;

		for (size_t a = 0; a < n; a++) {
			struct addr_owner owner = {addrs[a], i};

			MEM_PUSH(&c->addrs, owner);
		}
	}
	if (c->addrs.len)
		qsort(c->addrs.items, c->addrs.len, sizeof(*c->addrs.items), compare_owners);
}

void addrs_insert(struct compiled *c, size_t endpoint)
{
	struct addr addrs[3];
	size_t n = c->known[endpoint] ? model_endpoint_addrs(&c->model->endpoints[endpoint], addrs)
				      : 0;

	for (size_t i = 0; i < n; i++) {
		struct addr_owner owner = {addrs[i], endpoint};
		size_t at = addrs_find(c, &addrs[i]);

		MEM_PUSH(&c->addrs, owner);
		memmove(&c->addrs.items[at + 1], &c->addrs.items[at],
			(c->addrs.len - 1 - at) * sizeof(owner));
		c->addrs.items[at] = owner;
	}
}

static void collect_ranges(struct compiled *c)
{
	const struct model *m = c->model;

	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		for (size_t s = 0; model_network_is_managed(n) && s < n->nsubnets; s++)
			ranges_add_prefix(&c->subnets, &n->subnets[s]);
	}
	ranges_normalise(&c->subnets);
	for (size_t i = 0; i < c->subnets.len; i++)
		ranges_add(&c->containers, c->subnets.items[i]);
	for (size_t i = 0; i < c->addrs.len; i++) {
		if (!addr_is_link_local(&c->addrs.items[i].addr))
			ranges_add_addr(&c->containers, &c->addrs.items[i].addr);
	}
	ranges_normalise(&c->containers);
}

/*
 * Published ports belong to the container's gateway endpoint, which the listings do not name: the engine
 * takes the first by name of the network, internal ones left out.
 */
static size_t gateway_endpoint(const struct compiled *c, size_t container)
{
	const struct model *m = c->model;
	size_t best = MODEL_NONE;

	for (size_t i = c->owned[container]; i != MODEL_NONE; i = c->next_owned[i]) {
		const struct model_network *n = &m->networks[m->endpoints[i].network];

		if (!model_network_is_managed(n) || n->internal)
			continue;
		if (best == MODEL_NONE ||
		    strcmp(n->name, m->networks[m->endpoints[best].network].name) < 0)
			best = i;
	}
	return best;
}

static int compare_published(const void *a, const void *b)
{
	const struct model_port *x = ((const struct published *)a)->port;
	const struct model_port *y = ((const struct published *)b)->port;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->host_port != y->host_port)
		return x->host_port < y->host_port ? -1 : 1;
	return addr_compare(&x->host_addr, &y->host_addr);
}

void published_insert(struct compiled *c, size_t container)
{
	const struct model_container *mc = &c->model->containers[container];
	size_t endpoint = mc->nports ? gateway_endpoint(c, container) : MODEL_NONE;

	for (size_t i = 0; endpoint != MODEL_NONE && i < mc->nports; i++) {
		struct published entry = {&mc->ports[i], container, endpoint};
		size_t at = c->published.len;

		MEM_PUSH(&c->published, entry);
		for (; at > 0 && compare_published(&c->published.items[at - 1], &entry) > 0; at--)
			c->published.items[at] = c->published.items[at - 1];
		c->published.items[at] = entry;
	}
}

static void collect_published(struct compiled *c)
{
	const struct model *m = c->model;

	for (size_t i = 0; i < m->ncontainers; i++) {
		size_t endpoint = m->containers[i].nports ? gateway_endpoint(c, i) : MODEL_NONE;

		for (size_t p = 0; endpoint != MODEL_NONE && p < m->containers[i].nports; p++) {
			struct published entry = {&m->containers[i].ports[p], i, endpoint};

			MEM_PUSH(&c->published, entry);
		}
	}
	if (c->published.len)
		qsort(c->published.items, c->published.len, sizeof(*c->published.items),
		      compare_published);
}

void ends_build(struct compiled *c)
{
	find_owners(c);
	list_owned(c);
	index_addrs(c);
	collect_ranges(c);
	collect_published(c);
}

bool addr_is_hosts(const struct model *m, const struct addr *a)
{
	static const struct prefix loopback4 = {{AF_INET, {127}}, 8};
	static const struct prefix loopback6 = {{AF_INET6, {[15] = 1}}, 128};

	for (size_t i = 0; i < m->ninterfaces; i++) {
		for (size_t n = 0; n < m->interfaces[i].naddrs; n++) {
			if (addr_equal(&m->interfaces[i].addrs[n].addr, a))
				return true;
		}
	}
	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		for (size_t g = 0; model_network_is_managed(n) && g < n->ngateways; g++) {
			if (addr_equal(&n->gateways[g], a))
				return true;
		}
	}
	return prefix_contains(&loopback4, a) || prefix_contains(&loopback6, a);
}

/* The first member of the identity whose `addresses:` hold A. */
static size_t extra_owner(const struct compiled *c, const struct addr *a)
{
	for (size_t i = 0; i < c->nmanaged; i++) {
		const struct identity *id = &c->identities.items[i];

		if (id->extra.len && ranges_contain(&id->extra, a))
			return id->members.items[0];
	}
	return MODEL_NONE;
}

size_t addrs_find(const struct compiled *c, const struct addr *a)
{
	size_t low = 0, high = c->addrs.len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr_compare(&c->addrs.items[mid].addr, a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static size_t addr_endpoint(const struct compiled *c, const struct addr *a)
{
	size_t i = addrs_find(c, a);

	if (i < c->addrs.len && addr_equal(&c->addrs.items[i].addr, a))
		return c->addrs.items[i].endpoint;
	return MODEL_NONE;
}

struct flow_end compile_end_of_addr(const struct compiled *c, const struct addr *a)
{
	struct flow_end end = {.kind = END_ENDPOINT, .addr = *a};

	if (addr_is_hosts(c->model, a)) {
		end.kind = END_HOST;
		return end;
	}
	end.endpoint = addr_endpoint(c, a);
	if (end.endpoint == MODEL_NONE)
		end.endpoint = extra_owner(c, a);
	if (end.endpoint == MODEL_NONE)
		end.kind = ranges_contain(&c->subnets, a) ? END_UNKNOWN : END_OUTSIDE;
	return end;
}

static bool port_is_at(const struct model_port *p, const struct addr *addr, uint8_t protocol,
		       uint16_t port)
{
	if (p->protocol != protocol || p->host_port != port || p->host_addr.family != addr->family)
		return false;
	return addr_is_unspecified(&p->host_addr) || addr_equal(&p->host_addr, addr);
}

bool compile_published_target(const struct compiled *c, const struct addr *addr, uint8_t protocol,
			      uint16_t port, struct flow_end *ret, uint16_t *ret_port)
{
	for (size_t i = 0; i < c->published.len; i++) {
		const struct published *p = &c->published.items[i];

		if (!port_is_at(p->port, addr, protocol, port))
			continue;
		*ret = published_end(c, p);
		*ret_port = p->port->container_port;
		return true;
	}
	return false;
}

/* The engine translates to the endpoint's address of the packet's family; where it has none, docker-proxy
 * connects to the other. */
struct flow_end published_end(const struct compiled *c, const struct published *p)
{
	const struct model_endpoint *e = &c->model->endpoints[p->endpoint];
	bool six = p->port->host_addr.family == AF_INET6 && addr_is_set(&e->addr6);

	return (struct flow_end) {
		.kind = END_ENDPOINT,
		.endpoint = p->endpoint,
		.addr = six || !addr_is_set(&e->addr4) ? e->addr6 : e->addr4,
	};
}
