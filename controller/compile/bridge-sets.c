#include "bridge.h"

#include <string.h>

#include "quaywall/mem.h"

struct sets {
	const struct compiled *c;
	struct ruleset_set *own[2], *own_blocks[2], *target_blocks; /* blocks: NULL without any */
	struct ruleset_set *bound, *bound_ports, *targets;
	struct ruleset_set *taken6, *taken_targets, *macs;
};

static void key_mac(struct key *k, const uint8_t mac[static 6])
{
	memcpy(k->bytes + k->len, mac, 6);
	k->len += 8;
}

/* ---- what an endpoint has ---- */

static void add_target(struct ruleset_set *set, const char *port, const struct addr_range *range,
		       const char *comment)
{
	struct key first = {.len = 0}, last = {.len = 0};

	key_ifname(&first, port);
	key_ifname(&last, port);
	key_addr(&first, &range->first);
	key_addr(&last, &range->last);
	set_add(set, &first, &last, comment);
}

static void add_own(struct ruleset_set *set, const struct model_endpoint *e,
		    const struct addr_range *range, const char *comment)
{
	struct key first = {.len = 0}, last = {.len = 0};

	key_ifname(&first, e->port);
	key_ifname(&last, e->port);
	key_mac(&first, e->mac);
	key_mac(&last, e->mac);
	key_addr(&first, &range->first);
	key_addr(&last, &range->last);
	set_add(set, &first, &last, comment);
}

static void add_address(const struct sets *s, const struct model_endpoint *e, const struct addr *a,
			const char *comment)
{
	struct addr_range range = {*a, *a};

	add_own(s->own[a->family == AF_INET6], e, &range, comment);
	if (a->family == AF_INET6)
		add_target(s->targets, e->port, &range, comment);
}

static void add_blocks(const struct sets *s, size_t endpoint, const char *comment)
{
	const struct model_endpoint *e = &s->c->model->endpoints[endpoint];
	size_t id = s->c->identity_of[endpoint];

	for (size_t i = 0; id != MODEL_NONE && i < s->c->identities.items[id].extra.len; i++) {
		const struct addr_range *range = &s->c->identities.items[id].extra.items[i];
		int f = range->first.family == AF_INET6;

		if (!s->own_blocks[f])
			continue;
		add_own(s->own_blocks[f], e, range, comment);
		if (f)
			add_target(s->target_blocks, e->port, range, comment);
	}
}

/* A container may answer by one network for its address on another: that is how the kernel in it does by default
 * (arp_ignore and arp_announce 0), and where replies go is its routes' business. The other table lets nothing
 * else come of it, for it knows each address by one bridge alone. */
static void add_siblings(const struct sets *s, size_t endpoint, const char *comment)
{
	const struct compiled *c = s->c;
	const struct model *m = c->model;
	size_t owner = c->owner[endpoint];

	for (size_t i = owner == MODEL_NONE ? MODEL_NONE : c->owned[owner]; i != MODEL_NONE;
	     i = c->next_owned[i]) {
		const struct model_endpoint *other = &m->endpoints[i];

		if (i == endpoint || !model_network_is_managed(&m->networks[other->network]))
			continue;
		if (addr_is_set(&other->addr4))
			add_address(s, &m->endpoints[endpoint], &other->addr4, comment);
		if (addr_is_set(&other->addr6))
			add_address(s, &m->endpoints[endpoint], &other->addr6, comment);
	}
}

static void add_port(const struct sets *s, size_t endpoint, const char *comment)
{
	static const struct addr nobody = {.family = AF_INET};
	const struct model_endpoint *e = &s->c->model->endpoints[endpoint];
	struct key name = {.len = 0}, key = {.len = 0};
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	key_ifname(&name, e->port);
	set_add(s->bound_ports, &name, NULL, comment);
	key_ifname(&key, e->port);
	key_mac(&key, e->mac);
	set_add(s->bound, &key, NULL, comment);
	add_address(s, e, &nobody, comment);
	for (size_t i = 0; i < n; i++)
		add_address(s, e, &addrs[i], comment);
	add_siblings(s, endpoint, comment);
	add_blocks(s, endpoint, comment);
}

/* ---- what nobody else may use ---- */

static void add_taken(const struct sets *s, const struct addr *a, const char *comment)
{
	struct addr_range range = {*a, *a};

	set_add_range(s->taken6, &range, comment);
	set_add_range(s->taken_targets, &range, comment);
}

static void add_taken_of_bridges(const struct sets *s)
{
	const struct model *m = s->c->model;

	for (size_t i = 0; i < m->ninterfaces; i++) {
		CLEANUP_FREE char *comment = ruleset_comment(m->interfaces[i].name);

		for (size_t a = 0; m->interfaces[i].bridge && a < m->interfaces[i].naddrs; a++) {
			const struct addr *addr = &m->interfaces[i].addrs[a].addr;

			if (addr->family == AF_INET6 && addr_is_link_local(addr))
				add_taken(s, addr, comment);
		}
	}
}

static void add_endpoint(const struct sets *s, size_t endpoint)
{
	const struct model *m = s->c->model;
	const struct model_endpoint *e = &m->endpoints[endpoint];
	CLEANUP_FREE char *comment = NULL;
	struct addr link_local;
	struct key mac = {.len = 0};

	if (!e->has_mac || !model_network_is_managed(&m->networks[e->network]))
		return;
	comment = endpoint_comment(m, e);
	if (e->port[0])
		add_port(s, endpoint, comment);
	key_mac(&mac, e->mac);
	set_add(s->macs, &mac, NULL, comment);
	link_local = addr_link_local(e->mac);
	add_taken(s, &link_local, comment);
}

/* ---- sets ---- */

static struct ruleset_set *own_set(const struct writer *w, const char *prefix, int f,
				   unsigned flags)
{
	CLEANUP_FREE char *name = mem_printf("%s%s", prefix, family_digit[f]);

	return ruleset_add_set(w->r, name, flags,
			       FIELDS(FIELD_IFNAME, FIELD_ETHER, family_field(f)));
}

static bool has_blocks(const struct compiled *c, int f)
{
	for (size_t i = 0; i < c->nmanaged; i++) {
		const struct ranges *extra = &c->identities.items[i].extra;

		for (size_t n = 0; n < extra->len; n++)
			if (extra->items[n].first.family == families[f])
				return true;
	}
	return false;
}

static void write_subnets(const struct writer *w)
{
	struct ruleset_set *sets[2], *targets;

	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("subnets%s", family_digit[f]);

		sets[f] = ruleset_add_set(w->r, name, SET_INTERVAL, FIELDS(family_field(f)));
	}
	targets = ruleset_add_set(w->r, SET_SUBNET_TARGETS, SET_INTERVAL, FIELDS(FIELD_ND_TARGET));
	for (size_t i = 0; i < w->c->subnets.len; i++) {
		const struct addr_range *range = &w->c->subnets.items[i];
		int f = range->first.family == AF_INET6;

		set_add_range(sets[f], range, NULL);
		if (f)
			set_add_range(targets, range, NULL);
	}
}

static void write_link_targets(const struct writer *w)
{
	static const struct prefix link_local = {{AF_INET6, {0xfe, 0x80}}, 10};
	struct addr_range range = prefix_range(&link_local);

	set_add_range(
		ruleset_add_set(w->r, SET_LINK_TARGETS, SET_INTERVAL, FIELDS(FIELD_ND_TARGET)),
		&range, NULL);
}

void write_bridge_sets(const struct writer *w)
{
	struct ruleset *r = w->r;
	struct sets s = {.c = w->c};

	for (int f = 0; f < 2; f++) {
		s.own[f] = own_set(w, "own", f, 0);
		if (has_blocks(w->c, f))
			s.own_blocks[f] = own_set(w, "own_blocks", f, SET_INTERVAL);
	}
	if (s.own_blocks[1])
		s.target_blocks = ruleset_add_set(r, SET_TARGET_BLOCKS, SET_INTERVAL,
						  FIELDS(FIELD_IFNAME, FIELD_ND_TARGET));
	s.bound = ruleset_add_set(r, SET_BOUND, 0, FIELDS(FIELD_IFNAME, FIELD_ETHER));
	s.bound_ports = ruleset_add_set(r, SET_BOUND_PORTS, 0, FIELDS(FIELD_IFNAME));
	s.targets = ruleset_add_set(r, SET_TARGETS, 0, FIELDS(FIELD_IFNAME, FIELD_ND_TARGET));
	s.taken6 = ruleset_add_set(r, SET_TAKEN6, 0, FIELDS(FIELD_IPV6));
	s.taken_targets = ruleset_add_set(r, SET_TAKEN_TARGETS, 0, FIELDS(FIELD_ND_TARGET));
	s.macs = ruleset_add_set(r, SET_MACS, 0, FIELDS(FIELD_ETHER));
	if (w->extent) {
		for (size_t i = 0; i < w->extent->endpoints->len; i++)
			add_endpoint(&s, w->extent->endpoints->items[i]);
		return;
	}
	for (size_t i = 0; i < w->c->model->nendpoints; i++)
		add_endpoint(&s, i);
	add_taken_of_bridges(&s);
	write_subnets(w);
	write_link_targets(w);
}
