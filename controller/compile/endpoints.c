#include "ruleset-internal.h"

#include <stdlib.h>

#include "quaywall/mem.h"

/*
 * The maps from a container's address, with the bridge it must use, to its identity's chain. They are the
 * content that comes and goes with containers; what is in none of them is unknown.
 */

enum addresses { ALL_ADDRESSES, GLOBAL_ONLY, LINK_LOCAL_ONLY };

struct map_kind {
	const char *prefix;
	enum side side;
	bool by_bridge; /* key: bridge . address; else the address alone */
	enum addresses addresses;
};

/* The host's packets are looked up by address alone, for the way out does not show behind DNAT; a
 * link-local address, which never is behind one, by both. */
static const struct map_kind kinds[] = {
	{"endpoints_out", SIDE_FROM, true, ALL_ADDRESSES},
	{"endpoints_in", SIDE_TO, true, ALL_ADDRESSES},
	{"endpoints_host", SIDE_HOST, true, ALL_ADDRESSES},
	{"endpoints_local", SIDE_LOCAL, false, GLOBAL_ONLY},
	{"endpoints_link", SIDE_LOCAL, true, LINK_LOCAL_ONLY},
};

static bool kind_takes(const struct map_kind *kind, const struct addr *a)
{
	bool link_local = a->family == AF_INET6 && addr_is_link_local(a);

	return kind->addresses == ALL_ADDRESSES ||
	       (kind->addresses == LINK_LOCAL_ONLY) == link_local;
}

static struct ruleset_set *endpoint_map(const struct writer *w, const struct map_kind *kind,
					const char *blocks, int f, unsigned flags)
{
	CLEANUP_FREE char *name = mem_printf("%s%s%s", kind->prefix, blocks, family_digit[f]);

	flags |= SET_VERDICTS;
	if (kind->by_bridge)
		return set_get(w, name, flags, FIELDS(FIELD_IFNAME, family_field(f)), NULL);
	return set_get(w, name, flags, FIELDS(family_field(f)), NULL);
}

/* Where each kind leads for an identity: a chain's name, or NULL where nothing judges it. */
struct targets {
	char *chains[ARRAY_SIZE(kinds)];
};

static struct targets targets_of(const struct writer *w, const struct identity *id)
{
	struct targets t = {{NULL}};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (has_chain(w->c, id, kinds[k].side))
			t.chains[k] = chain_name(id, side_prefix(kinds[k].side));
	return t;
}

static void targets_done(struct targets *t)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		free(t->chains[k]);
}

#define CLEANUP_TARGETS __attribute__((cleanup(targets_done)))

static void add_to_map(const struct map_kind *kind, struct ruleset_set *map, const char *target,
		       const char *bridge, const struct addr_range *range, const char *comment)
{
	struct key first = {.len = 0}, last = {.len = 0};

	if (!kind->by_bridge && !target)
		return;
	if (kind->by_bridge) {
		key_ifname(&first, bridge);
		key_ifname(&last, bridge);
	}
	key_addr(&first, &range->first);
	key_addr(&last, &range->last);
	map_add(map, &first, &last, target ? VERDICT_GOTO : VERDICT_RETURN, target, comment);
}

bool addr_is_contested(const struct compiled *c, size_t endpoint, const struct addr *a)
{
	const struct model *m = c->model;
	size_t network = m->endpoints[endpoint].network;

	for (size_t i = addrs_find(c, a); i < c->addrs.len; i++) {
		const struct addr_owner *other = &c->addrs.items[i];

		if (!addr_equal(&other->addr, a))
			return false;
		if (other->endpoint != endpoint &&
		    m->endpoints[other->endpoint].network == network &&
		    c->identity_of[other->endpoint] != c->identity_of[endpoint])
			return true;
	}
	return false;
}

struct ruleset_set *ends_set(const struct writer *w, int f, bool blocks)
{
	CLEANUP_FREE char *name = mem_printf("ends%s%s", blocks ? "_blocks" : "", family_digit[f]);

	return set_get(w, name, blocks ? SET_INTERVAL : 0,
		       FIELDS(FIELD_IFNAME, family_field(f), family_field(f)), NULL);
}

char *endpoint_comment(const struct model *m, const struct model_endpoint *e)
{
	CLEANUP_BUF struct buf title = BUF_INIT;

	if (e->container != MODEL_NONE)
		model_container_title(&m->containers[e->container], &title);
	else
		buf_str(&title, e->name);
	return ruleset_comment(buf_text(&title));
}

/* Who speaks as SPEAKER may speak of flows whose end is END. */
static void add_ends(struct ruleset_set *set, const char *bridge, const struct addr_range *speaker,
		     const struct addr_range *end, const char *comment)
{
	struct key first = {.len = 0}, last = {.len = 0};

	key_ifname(&first, bridge);
	key_addr(&first, &speaker->first);
	key_addr(&first, &end->first);
	key_ifname(&last, bridge);
	key_addr(&last, &speaker->last);
	key_addr(&last, &end->last);
	set_add(set, &first, &last, comment);
}

/* The sets that every endpoint is in, found once. */
struct endpoint_sets {
	struct ruleset_set *maps[ARRAY_SIZE(kinds)][2];
	struct ruleset_set *ends[2]; /* NULL where nothing asks for them */
};

static void find_maps(const struct writer *w, struct endpoint_sets *ret)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (int f = kinds[k].addresses == LINK_LOCAL_ONLY; f < 2; f++)
			ret->maps[k][f] = endpoint_map(w, &kinds[k], "", f, 0);
	for (int f = 0; f < 2; f++)
		ret->ends[f] = judges_errors(w->c) ? ends_set(w, f, false) : NULL;
}

static void write_address(const struct endpoint_sets *sets, const struct targets *t,
			  const struct addr *a, const char *bridge, const char *comment)
{
	struct addr_range range = {*a, *a};
	int f = a->family == AF_INET6;

	if (sets->ends[f])
		add_ends(sets->ends[f], bridge, &range, &range, comment);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (kind_takes(&kinds[k], a))
			add_to_map(&kinds[k], sets->maps[k][f], t->chains[k], bridge, &range,
				   comment);
}

static void write_endpoint(const struct writer *w, const struct endpoint_sets *sets,
			   const struct targets *t, size_t endpoint)
{
	const struct model *m = w->c->model;
	const struct model_endpoint *e = &m->endpoints[endpoint];
	CLEANUP_FREE char *comment = endpoint_comment(m, e);
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	for (size_t a = 0; a < n; a++)
		if (!addr_is_contested(w->c, endpoint, &addrs[a]))
			write_address(sets, t, &addrs[a], m->networks[e->network].bridge, comment);
}

/* A router speaks of flows of those behind it, as they do themselves. */
static void write_ends_block(const struct writer *w, const struct model_endpoint *e,
			     const char *bridge, const struct addr_range *block)
{
	uint8_t family = block->first.family;
	struct ruleset_set *set = ends_set(w, family == AF_INET6, true);
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	add_ends(set, bridge, block, block, NULL);
	for (size_t i = 0; i < n; i++)
		if (addrs[i].family == family)
			add_ends(set, bridge, &(struct addr_range) {addrs[i], addrs[i]}, block,
				 NULL);
}

/* `addresses:` of a document, by each bridge of the identity's endpoints. */
static void write_blocks(const struct writer *w, const struct identity *id)
{
	CLEANUP_TARGETS struct targets t = targets_of(w, id);
	const struct model *m = w->c->model;

	for (size_t i = 0; i < id->members.len; i++) {
		const struct model_endpoint *e = &m->endpoints[id->members.items[i]];
		const char *bridge = m->networks[e->network].bridge;

		for (size_t r = 0; r < id->extra.len; r++) {
			const struct addr_range *range = &id->extra.items[r];
			int f = range->first.family == AF_INET6;

			if (judges_errors(w->c))
				write_ends_block(w, e, bridge, range);
			for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
				if (kind_takes(&kinds[k], &range->first))
					add_to_map(&kinds[k],
						   endpoint_map(w, &kinds[k], "_blocks", f,
								SET_INTERVAL),
						   t.chains[k], bridge, range, NULL);
			}
		}
	}
}

struct ruleset_set *self_set(const struct writer *w, int f)
{
	CLEANUP_FREE char *name = mem_printf("self%s", family_digit[f]);

	return set_get(w, name, 0, FIELDS(FIELD_IFNAME, family_field(f), family_field(f)), NULL);
}

/* Each pair of addresses of one container, with the bridge of the first. */
static void write_self_pairs(const struct writer *w, size_t from, size_t to)
{
	const struct model *m = w->c->model;
	struct addr a[3], b[3];
	size_t na = model_endpoint_addrs(&m->endpoints[from], a);
	size_t nb = model_endpoint_addrs(&m->endpoints[to], b);

	for (size_t i = 0; i < na; i++) {
		if (addr_is_contested(w->c, from, &a[i]))
			continue;
		for (size_t n = 0; n < nb; n++) {
			struct key k = {.len = 0};

			if (a[i].family != b[n].family)
				continue;
			key_ifname(&k, m->networks[m->endpoints[from].network].bridge);
			key_addr(&k, &a[i]);
			key_addr(&k, &b[n]);
			set_add(self_set(w, a[i].family == AF_INET6), &k, NULL, NULL);
		}
	}
}

/* A container reaches itself through the host only by a published port of its own. */
void write_self_sets(const struct writer *w)
{
	const struct compiled *c = w->c;

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct published *p = written_port(w, i);

		for (size_t e = c->owned[p->container]; e != MODEL_NONE; e = c->next_owned[e])
			if (compile_identity_of(c, e) != MODEL_NONE)
				write_self_pairs(w, e, p->endpoint);
	}
}

void write_endpoint_maps(const struct writer *w)
{
	struct endpoint_sets sets;

	find_maps(w, &sets);
	for (size_t i = 0; i < w->c->nmanaged; i++)
		if (w->c->identities.items[i].extra.len)
			write_blocks(w, &w->c->identities.items[i]);
}

void write_some_endpoints(const struct writer *w, const struct index_list *endpoints)
{
	struct endpoint_sets sets;

	find_maps(w, &sets);
	for (size_t i = 0; i < endpoints->len; i++) {
		size_t id = compile_identity_of(w->c, endpoints->items[i]);

		if (id != MODEL_NONE) {
			CLEANUP_TARGETS struct targets t =
				targets_of(w, &w->c->identities.items[id]);

			write_endpoint(w, &sets, &t, endpoints->items[i]);
		}
	}
}

void write_endpoints(const struct writer *w)
{
	struct endpoint_sets sets;

	find_maps(w, &sets);
	for (size_t i = 0; i < w->c->nmanaged; i++) {
		const struct identity *id = &w->c->identities.items[i];
		CLEANUP_TARGETS struct targets t = targets_of(w, id);

		for (size_t n = 0; n < id->members.len; n++)
			write_endpoint(w, &sets, &t, id->members.items[n]);
	}
	write_self_sets(w);
}
