#include "ruleset-internal.h"

#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- containers ---- */

static void add_endpoint(const struct compiled *c, size_t endpoint, struct peers *ret)
{
	const struct model_endpoint *e = &c->model->endpoints[endpoint];
	const struct model_network *n = &c->model->networks[e->network];
	struct addr addrs[3];
	size_t naddrs = model_endpoint_addrs(e, addrs);

	for (size_t i = 0; i < naddrs; i++) {
		struct link_peer link = {addrs[i], n->bridge};

		if (addrs[i].family == AF_INET || !addr_is_link_local(&addrs[i]))
			ranges_add_addr(&ret->exact, &addrs[i]);
		else if (model_network_is_managed(n))
			MEM_PUSH(&ret->links, link);
	}
}

static void add_identity(const struct compiled *c, const struct identity *id, struct peers *ret)
{
	for (size_t i = 0; i < id->members.len; i++)
		add_endpoint(c, id->members.items[i], ret);
	for (size_t i = 0; i < id->extra.len; i++) {
		ranges_add(&ret->ranges, id->extra.items[i]);
		ret->ranges_wanted[id->extra.items[i].first.family == AF_INET6] = true;
	}
}

/* Those of the extent that PEER means: a part is never asked for where policies give `addresses:`. */
static void add_extent(const struct writer *w, const struct held *held,
		       const struct policy_peer *peer, struct peers *ret)
{
	const struct compiled *c = w->c;

	for (size_t i = 0; i < w->extent->endpoints->len; i++) {
		size_t e = w->extent->endpoints->items[i];
		bool meant = peer->kind == PEER_CONTAINERS
				     ? c->owner[e] != MODEL_NONE
				     : endpoint_selected(c, held->in, peer->selector, e);

		if (c->identity_of[e] != MODEL_NONE && meant)
			add_endpoint(c, e, ret);
	}
}

static void add_containers(const struct compiled *c, struct peers *ret)
{
	for (size_t i = 0; i < c->identities.len; i++) {
		if (c->identities.items[i].is_container)
			add_identity(c, &c->identities.items[i], ret);
	}
}

static void add_selected(const struct compiled *c, const struct held *held,
			 const struct selector *s, struct peers *ret)
{
	const struct index_list *selected = selected_identities(c, held->in, s);

	for (size_t i = 0; i < selected->len; i++)
		add_identity(c, &c->identities.items[selected->items[i]], ret);
}

/* ---- addresses ---- */

static void add_cidr(const struct policy_peer *peer, struct ranges *ret)
{
	CLEANUP_RANGES struct ranges block = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges except = {NULL, 0, 0};

	ranges_add_prefix(&block, &peer->cidr);
	for (size_t i = 0; i < peer->nexcept; i++)
		ranges_add_prefix(&except, &peer->except[i]);
	ranges_normalise(&except);
	ranges_subtract(&block, &except);
	for (size_t i = 0; i < block.len; i++)
		ranges_add(ret, block.items[i]);
}

/* Every address that no container and no managed network has. */
static void add_world(const struct compiled *c, struct peers *ret)
{
	CLEANUP_RANGES struct ranges world = {NULL, 0, 0};

	ranges_add_all(&world, AF_INET);
	ranges_add_all(&world, AF_INET6);
	ranges_normalise(&world);
	ranges_subtract(&world, &c->containers);
	for (size_t i = 0; i < world.len; i++)
		ranges_add(&ret->ranges, world.items[i]);
	ret->ranges_wanted[0] = ret->ranges_wanted[1] = true;
}

static void add_everything(struct peers *ret)
{
	ret->everything = true;
	ret->ranges_wanted[0] = ret->ranges_wanted[1] = true;
	ranges_add_all(&ret->ranges, AF_INET);
	ranges_add_all(&ret->ranges, AF_INET6);
}

/* ---- interfaces ---- */

/* nft knows a name and a prefix of one. Any other glob is spelled out over the interfaces that the host
 * has; the model is read again when one comes. */
static void add_interface(const struct compiled *c, const char *pattern, struct peers *ret)
{
	size_t len = strlen(pattern);
	size_t wild = strcspn(pattern, "*?[\\");

	if (wild == len || (wild == len - 1 && pattern[wild] == '*')) {
		if (wild < IFNAMSIZ)
			MEM_PUSH(&ret->interfaces, pattern);
		return;
	}
	for (size_t i = 0; i < c->model->ninterfaces; i++) {
		if (glob_match(pattern, c->model->interfaces[i].name))
			MEM_PUSH(&ret->interfaces, c->model->interfaces[i].name);
	}
}

/* ---- all kinds ---- */

static void add_peer(const struct writer *w, const struct held *held, enum side side,
		     const struct policy_peer *peer, struct peers *ret)
{
	const struct compiled *c = w->c;
	bool far_is_host = side == SIDE_HOST || side == SIDE_LOCAL;
	bool far_is_outside = side == SIDE_OUTSIDE;

	switch (peer->kind) {
	case PEER_ANY:
		add_everything(ret);
		break;
	case PEER_HOST:
		if (far_is_host)
			add_everything(ret);
		break;
	case PEER_WORLD:
		if (far_is_outside)
			add_everything(ret);
		else if (!far_is_host)
			add_world(c, ret);
		break;
	case PEER_CIDR:
		ret->ranges_wanted[peer->cidr.addr.family == AF_INET6] = true;
		add_cidr(peer, &ret->ranges);
		break;
	case PEER_INTERFACE:
		if (!far_is_host)
			add_interface(c, peer->interface, ret);
		break;
	case PEER_CONTAINERS:
	case PEER_SELECTOR:
		if (far_is_host || far_is_outside)
			break;
		ret->exact_wanted = true;
		if (w->extent)
			add_extent(w, held, peer, ret);
		else if (peer->kind == PEER_CONTAINERS)
			add_containers(c, ret);
		else
			add_selected(c, held, peer->selector, ret);
		break;
	}
}

static bool far_is_destination(enum side side)
{
	return side == SIDE_FROM || side == SIDE_HOST;
}

void peers_of(const struct writer *w, const struct held *held, enum side side, struct peers *ret)
{
	const struct policy_rule *rule = held->rule;
	bool to = far_is_destination(side);
	const struct policy_peer *peers = to ? rule->to : rule->from;
	size_t n = to ? rule->nto : rule->nfrom;

	*ret = (struct peers) {0};
	for (size_t i = 0; i < n; i++)
		add_peer(w, held, side, &peers[i], ret);
	ranges_normalise(&ret->ranges);
}

void peers_done(struct peers *p)
{
	ranges_done(&p->exact);
	free(p->links.items);
	ranges_done(&p->ranges);
	free(p->interfaces.items);
}

struct ranges own_ranges(const struct held *held, enum side side)
{
	const struct policy_rule *rule = held->rule;
	bool from = far_is_destination(side);
	const struct policy_peer *peers = from ? rule->from : rule->to;
	size_t n = from ? rule->nfrom : rule->nto;
	struct ranges own = {NULL, 0, 0};

	for (size_t i = 0; i < n; i++) {
		if (peers[i].kind == PEER_CIDR)
			add_cidr(&peers[i], &own);
	}
	ranges_normalise(&own);
	return own;
}
