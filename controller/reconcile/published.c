#include "published.h"

#include <netinet/in.h>
#include <string.h>

#include "ends.h"

static bool is_loopback(const struct addr *a)
{
	static const struct in6_addr one = IN6ADDR_LOOPBACK_INIT;

	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	return !memcmp(a->bytes, &one, sizeof(one));
}

bool published_find(const struct model *m, size_t c, uint8_t protocol, uint16_t host_port,
		    struct published *ret)
{
	const struct model_container *container = &m->containers[c];
	bool found = false;

	for (size_t i = 0; i < container->nports; i++) {
		const struct model_port *p = &container->ports[i];
		bool loopback = is_loopback(&p->host_addr);

		if (p->protocol != protocol || p->host_port != host_port)
			continue;
		*ret = (struct published) {
			.container = c,
			.protocol = protocol,
			.host_port = host_port,
			.container_port = p->container_port,
			.loopback_only = loopback && (!found || ret->loopback_only),
		};
		found = true;
	}
	return found;
}

/* The engine leads a published port to the container's default gateway's endpoint: on the first
 * network, by name, that is not internal. */
static const struct flow_end *gateway_end(const struct model *m, const struct ends *ends)
{
	const struct model_network *best_network = NULL;
	const struct flow_end *best = NULL;

	for (size_t i = 0; i < ends->len; i++) {
		const struct model_network *n =
			&m->networks[m->endpoints[ends->items[i].endpoint].network];

		if (n->internal || (best && strcmp(n->name, best_network->name) > 0))
			continue;
		best = &ends->items[i];
		best_network = n;
	}
	return best;
}

static bool in_family(const struct model *m, const struct flow_end *from, const struct flow_end *to,
		      uint8_t family, struct flow *f)
{
	bool has_from, has_to;

	f->from = *from;
	f->to = *to;
	f->from.addr = ends_in_family(m, from, family, &has_from);
	f->to.addr = ends_in_family(m, to, family, &has_to);
	return has_from && has_to;
}

bool published_flow(const struct model *m, const struct flow_end *from, const struct published *p,
		    struct flow *ret)
{
	CLEANUP_ENDS struct ends ends = {NULL, 0, 0};
	struct flow f = {.protocol = p->protocol, .port = p->container_port};
	const struct flow_end *to;
	bool has;

	ends_add_container(&ends, m, p->container);
	to = gateway_end(m, &ends);
	if (!to)
		return false;
	if (from->kind == END_ENDPOINT &&
	    m->endpoints[from->endpoint].container == m->endpoints[to->endpoint].container)
		return false;
	if (!in_family(m, from, to, AF_INET, &f) && !in_family(m, from, to, AF_INET6, &f)) {
		/* docker-proxy takes a client to a container that has only the other family. */
		f.from = *from;
		f.to.addr = ends_in_family(m, to, AF_INET, &has);
		if (!has)
			f.to.addr = ends_in_family(m, to, AF_INET6, &has);
		if (!has)
			return false;
	}
	f.published = from->kind == END_OUTSIDE;
	f.published_port = f.published ? p->host_port : 0;
	*ret = f;
	return true;
}
