#include "follow.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- whether ---- */

static bool joins_another(const struct model_container *c)
{
	return c->network_mode && !strncmp(c->network_mode, "container:", strlen("container:"));
}

/* One whose addresses stand in the tables under its own name alone. */
static bool is_plain(const struct model *m, const struct model_endpoint *e)
{
	return e->container == MODEL_NONE || !joins_another(&m->containers[e->container]);
}

static bool same_host_port(const struct model_port *a, const struct model_port *b)
{
	return a->protocol == b->protocol && a->host_port == b->host_port;
}

static bool share_port(const struct model_container *a, const struct model_container *b)
{
	for (size_t i = 0; i < a->nports; i++) {
		for (size_t n = 0; n < b->nports; n++) {
			if (same_host_port(&a->ports[i], &b->ports[n]))
				return true;
		}
	}
	return false;
}

/* Whether another container has the port, as far as C knows. */
static bool is_published_by_another(const struct compiled *c, const struct model_container *by,
				    const struct model_port *port)
{
	for (size_t i = 0; i < c->published.len; i++) {
		const struct published *p = &c->published.items[i];

		if (same_host_port(p->port, port) &&
		    strcmp(c->model->containers[p->container].id, by->id) != 0)
			return true;
	}
	return false;
}

/* Whether the ports of the host that those containers have are theirs alone, on whichever address: then so are the
 * elements. */
static bool own_their_ports(const struct compiled *c, const struct model *m,
			    const struct index_list *containers)
{
	for (size_t i = 0; i < containers->len; i++) {
		const struct model_container *one = &m->containers[containers->items[i]];

		for (size_t p = 0; p < one->nports; p++) {
			if (is_published_by_another(c, one, &one->ports[p]))
				return false;
		}
		for (size_t n = 0; n < i; n++) {
			if (share_port(one, &m->containers[containers->items[n]]))
				return false;
		}
	}
	return true;
}

static bool shares_key(const struct model_endpoint *a, const struct model_endpoint *b)
{
	return (a->has_mac && b->has_mac && !memcmp(a->mac, b->mac, sizeof(a->mac))) ||
	       (addr_is_set(&a->addr4) && addr_equal(&a->addr4, &b->addr4)) ||
	       (addr_is_set(&a->addr6) && addr_equal(&a->addr6, &b->addr6)) ||
	       (a->port[0] && !strcmp(a->port, b->port));
}

/* Whether the endpoints of LIST share no element with any other: then those are theirs alone. */
static bool are_alone(const struct model *m, const struct index_list *list)
{
	for (size_t n = 0; n < list->len; n++) {
		const struct model_endpoint *e = &m->endpoints[list->items[n]];

		for (size_t i = 0; i < m->nendpoints; i++) {
			if (i != list->items[n] && shares_key(e, &m->endpoints[i]))
				return false;
		}
	}
	return true;
}

/* Whether its addresses change nothing of what is known of networks: which ones are containers', and the host's. */
static bool is_at_home(const struct compiled *c, const struct model *m,
		       const struct model_endpoint *e)
{
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);

	for (size_t i = 0; i < n; i++) {
		if (!ranges_contain(&c->reach, &addrs[i]) || addr_is_hosts(m, &addrs[i]))
			return false;
	}
	return !n || model_network_is_managed(&m->networks[e->network]);
}

static bool can_change(const struct compiled *c, const struct model *m,
		       const struct index_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct model_endpoint *e = &m->endpoints[list->items[i]];

		if (!is_plain(m, e) || !is_at_home(c, m, e))
			return false;
	}
	return are_alone(m, list);
}

/* An address that goes from hand to hand takes a step between. */
static bool hands_over(const struct delta *d)
{
	for (size_t i = 0; i < d->gone.len; i++) {
		const struct model_endpoint *e = &d->was->endpoints[d->gone.items[i]];

		for (size_t n = 0; n < d->come.len; n++) {
			const struct model_endpoint *other = &d->is->endpoints[d->come.items[n]];

			if (strcmp(e->id, other->id) != 0 && shares_key(e, other))
				return true;
		}
	}
	return false;
}

/* A template has an instance for each project that there is. */
static bool count_projects(struct follow *f, const struct model *m, const struct index_list *list,
			   size_t change)
{
	for (size_t i = 0; i < list->len; i++) {
		const char *name = model_container_project(&m->containers[list->items[i]]);
		size_t p = project_find(f->c, name);

		if (p != MODEL_NONE)
			f->projects[p] += change;
		else if (project_counts(f->c, name))
			return false;
	}
	return true;
}

static bool keeps_projects(struct follow *f)
{
	size_t n = f->c->projects.len;

	f->projects = mem_new(n, sizeof(*f->projects));
	for (size_t i = 0; i < n; i++)
		f->projects[i] = f->c->projects.items[i].containers;
	if (!count_projects(f, f->delta.is, &f->delta.joined, 1) ||
	    !count_projects(f, f->delta.was, &f->delta.left, (size_t)-1))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!f->projects[i])
			return false;
	}
	return true;
}

/* ---- who they are ---- */

static bool find_owners(struct follow *f)
{
	const struct compiled *c = f->c;
	const struct delta *d = &f->delta;
	struct compiled *next = &f->next;

	next->owner = mem_room(d->is->nendpoints, sizeof(*next->owner));
	next->known = mem_room(d->is->nendpoints, sizeof(*next->known));
	for (size_t i = 0; i < d->was->nendpoints; i++) {
		size_t now = d->endpoints[i];

		if (now == MODEL_NONE)
			continue;
		if (c->owner[i] != d->was->endpoints[i].container)
			return false;
		next->owner[now] = d->is->endpoints[now].container;
		next->known[now] = c->known[i];
	}
	for (size_t i = 0; i < d->come.len; i++)
		endpoint_find_owner(next, d->come.items[i]);
	list_owned(next);
	return true;
}

static unsigned families_of(const struct model_endpoint *e)
{
	struct addr addrs[3];
	size_t n = model_endpoint_addrs(e, addrs);
	unsigned mask = 0;

	for (size_t i = 0; i < n; i++)
		mask |= addrs[i].family == AF_INET6 ? 2 : 1;
	return mask;
}

/* Whether the identity has, and keeps, one that shows each family that E has: what an identity may reach of
 * published ports is asked for one of its members in each family. */
static bool has_likes_of(const struct follow *f, size_t identity, const struct model_endpoint *e)
{
	const struct index_list *members = &f->c->identities.items[identity].members;
	unsigned mask = families_of(e);

	for (size_t i = 0; i < members->len; i++) {
		size_t m = members->items[i];

		if (f->delta.endpoints[m] != MODEL_NONE &&
		    (families_of(&f->delta.was->endpoints[m]) & mask) == mask)
			return true;
	}
	return false;
}

/* ---- identities that come and go ---- */

/* Chains that share nothing with those of others but what is always there: limits and the list of local sources are
 * made for the first identity that needs them. */
static bool is_separate(const struct compiled *c, const struct signature *s)
{
	if (c->settings->publish == DEFAULT_LOCAL)
		return false;
	for (size_t i = 0; i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];

		if (c->catalogs[in->document].limits && signature_has(s, atom_of_governing(c, in)))
			return false;
	}
	return true;
}

static bool keeps_a_member(const struct follow *f, size_t identity)
{
	const struct index_list *members = &f->c->identities.items[identity].members;

	for (size_t i = 0; i < members->len; i++) {
		if (f->delta.endpoints[members->items[i]] != MODEL_NONE)
			return true;
	}
	return false;
}

static bool can_go(struct follow *f, size_t endpoint)
{
	size_t id = f->c->identity_of[endpoint];

	if (id == MODEL_NONE || index_list_has(&f->vanishing, id))
		return true;
	if (keeps_a_member(f, id))
		return has_likes_of(f, id, &f->delta.was->endpoints[endpoint]);
	MEM_PUSH(&f->vanishing, id);
	return identity_is_alone(f->c, id) &&
	       is_separate(f->c, &f->c->identities.items[id].key.signature);
}

/* Whether the name is free, or will be. */
static bool can_be_called(const struct follow *f, const struct identity_key *key)
{
	for (size_t i = 0; i < f->vanishing.len; i++) {
		size_t id = f->vanishing.items[i];

		if (!strcmp(f->c->identities.items[id].key.title, key->title))
			return true;
	}
	return identity_is_free(f->c, key);
}

static bool can_begin(struct follow *f, size_t nth)
{
	const struct identity_key *key = &f->keys[nth];

	for (size_t i = 0; i < f->fresh.len; i++) {
		const struct identity_key *other = &f->keys[f->fresh.items[i]];

		if (!identity_key_compare(key, other))
			return true;
		if (!strcmp(key->title, other->title))
			return false;
	}
	MEM_PUSH(&f->fresh, nth);
	return can_be_called(f, key) && is_separate(f->c, &key->signature);
}

static bool can_come(struct follow *f, size_t nth)
{
	size_t e = f->delta.come.items[nth], id;
	bool there;

	if (!f->next.known[e])
		return true;
	f->keys[nth] = identity_key_of(&f->next, e);
	id = identity_find(f->c, &f->keys[nth], &there);
	if (!there || index_list_has(&f->vanishing, id))
		return can_begin(f, nth);
	return has_likes_of(f, id, &f->delta.is->endpoints[e]);
}

/* What the chains of all share is there as long as there is one. */
static bool keeps_an_identity(const struct follow *f)
{
	size_t going = 0;

	for (size_t i = 0; i < f->vanishing.len; i++)
		going += f->vanishing.items[i] < f->c->nmanaged;
	return going < f->c->nmanaged;
}

static bool find_identities(struct follow *f)
{
	const struct delta *d = &f->delta;

	f->keys = mem_new(d->come.len, sizeof(*f->keys));
	for (size_t i = 0; i < d->gone.len; i++) {
		if (!can_go(f, d->gone.items[i]))
			return false;
	}
	for (size_t i = 0; i < d->come.len; i++) {
		if (!can_come(f, i))
			return false;
	}
	index_list_sort(&f->vanishing);
	return keeps_an_identity(f);
}

bool follow_begin(struct follow *f, struct compiled *c, const struct model *model)
{
	*f = (struct follow) {.c = c};
	/* Where blocks of addresses tell the members of an identity apart, they do so for each port that is there. */
	if (c->gives_addresses || (c->names_subnets && c->published.len) ||
	    !delta_find(c, model, &f->delta))
		return false;
	f->next = *c;
	f->next.owner = f->next.owned = f->next.next_owned = NULL;
	f->next.known = NULL;
	f->next.model = model;
	return can_change(c, f->delta.was, &f->delta.gone) &&
	       can_change(c, model, &f->delta.come) && !hands_over(&f->delta) &&
	       own_their_ports(c, f->delta.was, &f->delta.left) &&
	       own_their_ports(c, model, &f->delta.joined) && keeps_projects(f) && find_owners(f) &&
	       find_identities(f);
}

void follow_end(struct follow *f)
{
	delta_done(&f->delta);
	for (size_t i = 0; f->keys && i < f->delta.come.len; i++)
		identity_key_done(&f->keys[i]);
	free(f->keys);
	free(f->projects);
	free(f->vanishing.items);
	free(f->fresh.items);
	free(f->next.owner);
	free(f->next.known);
	free(f->next.owned);
	free(f->next.next_owned);
}
