#include "compile-internal.h"

#include <stdlib.h>
#include <string.h>

#include "delta.h"
#include "ruleset-internal.h"

#include "quaywall/mem.h"

/*
 * A compiled set follows its model where a few containers of known identities come and go: their addresses leave and
 * enter sets, and all else stays. What they contribute is written by what writes all of it, over those endpoints
 * alone. Wherever that could tell something else than the whole, it is left to the whole.
 */

struct follow {
	struct compiled *c;
	struct delta delta;
	struct compiled next; /* C with the model to come; borrows what stays */
	size_t *identities;   /* of delta.come: MODEL_NONE where not known */
	size_t *projects;     /* how many containers each has then */
};

static void follow_done(struct follow *f)
{
	delta_done(&f->delta);
	free(f->identities);
	free(f->projects);
	free(f->next.owner);
	free(f->next.known);
	free(f->next.owned);
	free(f->next.next_owned);
}

/* ---- whether ---- */

static bool joins_another(const struct model_container *c)
{
	return c->network_mode && !strncmp(c->network_mode, "container:", strlen("container:"));
}

/* One whose addresses stand in the tables under its own name alone, and that publishes nothing. */
static bool is_plain(const struct model *m, const struct model_endpoint *e)
{
	const struct model_container *c =
		e->container == MODEL_NONE ? NULL : &m->containers[e->container];

	return !c || (!c->nports && !joins_another(c));
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

	next->owner = mem_new(d->is->nendpoints, sizeof(*next->owner));
	next->known = mem_new(d->is->nendpoints, sizeof(*next->known));
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

static bool find_identities(struct follow *f)
{
	const struct delta *d = &f->delta;

	f->identities = mem_new(d->come.len, sizeof(*f->identities));
	for (size_t i = 0; i < d->gone.len; i++) {
		size_t id = f->c->identity_of[d->gone.items[i]];

		if (id != MODEL_NONE && !has_likes_of(f, id, &d->was->endpoints[d->gone.items[i]]))
			return false;
	}
	for (size_t i = 0; i < d->come.len; i++) {
		size_t e = d->come.items[i];

		f->identities[i] = MODEL_NONE;
		if (!f->next.known[e])
			continue;
		f->identities[i] = identity_find(&f->next, e);
		if (f->identities[i] == MODEL_NONE ||
		    !has_likes_of(f, f->identities[i], &d->is->endpoints[e]))
			return false;
	}
	return true;
}

static bool can_follow(struct follow *f, const struct model *model)
{
	const struct compiled *c = f->c;

	if (c->gives_addresses || (c->names_subnets && c->published.len) ||
	    !delta_find(c->model, model, &f->delta))
		return false;
	f->next = *c;
	f->next.owner = f->next.owned = f->next.next_owned = NULL;
	f->next.known = NULL;
	f->next.model = model;
	return can_change(c, f->delta.was, &f->delta.gone) &&
	       can_change(c, model, &f->delta.come) && !hands_over(&f->delta) &&
	       keeps_projects(f) && find_owners(f) && find_identities(f);
}

/* ---- whose chains have sets with them ---- */

static void add_governed(const struct compiled *c, const struct instance *in,
			 struct index_list *ret)
{
	const struct index_list *governed = &c->selected[atom_of_governing(c, in)];

	for (size_t i = 0; i < governed->len; i++) {
		if (governed->items[i] < c->nmanaged)
			MEM_PUSH(ret, governed->items[i]);
	}
}

static bool speaks_of(const struct compiled *c, const struct instance *in,
		      const struct identity *id)
{
	const struct signature *s = &id->key.signature;

	if (c->catalogs[in->document].names_containers && id->is_container)
		return true;
	for (size_t i = 0; i < s->len; i++) {
		if (s->items[i] >= in->first_atom && s->items[i] < atom_of_governing(c, in))
			return true;
	}
	return false;
}

static void add_touched(const struct compiled *c, size_t identity, struct index_list *ret)
{
	if (identity == MODEL_NONE)
		return;
	for (size_t i = 0; i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];

		if (speaks_of(c, in, &c->identities.items[identity]))
			add_governed(c, in, ret);
	}
}

static int compare_indices(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static void find_touched(const struct follow *f, struct index_list *ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->delta.gone.len; i++)
		add_touched(f->c, f->c->identity_of[f->delta.gone.items[i]], ret);
	for (size_t i = 0; i < f->delta.come.len; i++)
		add_touched(f->c, f->identities[i], ret);
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(size_t), compare_indices);
	for (size_t i = 0; i < ret->len; i++) {
		if (!kept || ret->items[kept - 1] != ret->items[i])
			ret->items[kept++] = ret->items[i];
	}
	ret->len = kept;
}

/* ---- the step ---- */

static void move_members(struct follow *f)
{
	struct compiled *c = f->c;
	const struct delta *d = &f->delta;

	for (size_t i = 0; i < c->identities.len; i++) {
		struct identity *id = &c->identities.items[i];
		size_t kept = 0;

		for (size_t n = 0; n < id->members.len; n++) {
			size_t now = d->endpoints[id->members.items[n]];

			if (now != MODEL_NONE)
				id->members.items[kept++] = now;
		}
		id->members.len = id->public.nendpoints = kept;
	}
	for (size_t i = 0; i < d->come.len; i++) {
		if (f->identities[i] != MODEL_NONE)
			identity_add_member(&c->identities.items[f->identities[i]],
					    d->come.items[i]);
	}
}

static void move_identities(struct follow *f)
{
	const struct delta *d = &f->delta;
	size_t *identity_of = mem_new(d->is->nendpoints, sizeof(*identity_of));

	for (size_t i = 0; i < d->was->nendpoints; i++) {
		if (d->endpoints[i] != MODEL_NONE)
			identity_of[d->endpoints[i]] = f->c->identity_of[i];
	}
	for (size_t i = 0; i < d->come.len; i++)
		identity_of[d->come.items[i]] = f->identities[i];
	free(f->c->identity_of);
	f->c->identity_of = identity_of;
	move_members(f);
}

static void move_addrs(struct follow *f)
{
	struct compiled *c = f->c;
	size_t kept = 0;

	for (size_t i = 0; i < c->addrs.len; i++) {
		size_t now = f->delta.endpoints[c->addrs.items[i].endpoint];

		if (now == MODEL_NONE)
			continue;
		c->addrs.items[kept] = c->addrs.items[i];
		c->addrs.items[kept++].endpoint = now;
	}
	c->addrs.len = kept;
	for (size_t i = 0; i < f->delta.come.len; i++)
		addrs_insert(c, f->delta.come.items[i]);
}

static void move_published(struct follow *f)
{
	struct compiled *c = f->c;
	const struct delta *d = &f->delta;

	for (size_t i = 0; i < c->published.len; i++) {
		struct published *p = &c->published.items[i];
		size_t nth = (size_t)(p->port - d->was->containers[p->container].ports);

		p->container = d->containers[p->container];
		p->endpoint = d->endpoints[p->endpoint];
		p->port = &d->is->containers[p->container].ports[nth];
	}
}

static void take_owners(struct follow *f)
{
	struct compiled *c = f->c, *next = &f->next;

	free(c->owner);
	free(c->known);
	free(c->owned);
	free(c->next_owned);
	c->owner = next->owner;
	c->known = next->known;
	c->owned = next->owned;
	c->next_owned = next->next_owned;
	next->owner = next->owned = next->next_owned = NULL;
	next->known = NULL;
}

static void take_step(struct follow *f)
{
	struct compiled *c = f->c;

	for (size_t i = 0; i < c->projects.len; i++)
		c->projects.items[i].containers = f->projects[i];
	move_published(f);
	move_identities(f);
	take_owners(f);
	c->model = f->delta.is;
	move_addrs(f);
}

/* Addresses that were somebody's and are nobody's. */
static struct ranges find_gone(const struct delta *d)
{
	struct ranges gone = {NULL, 0, 0};

	for (size_t i = 0; i < d->gone.len; i++) {
		const struct model_endpoint *e = &d->was->endpoints[d->gone.items[i]];
		size_t at = model_find_endpoint(d->is, e->id);
		struct addr addrs[3];
		size_t n = model_endpoint_addrs(e, addrs);

		for (size_t a = 0; a < n; a++) {
			if (at == MODEL_NONE ||
			    !model_endpoint_has_addr(&d->is->endpoints[at], &addrs[a]))
				ranges_add_addr(&gone, &addrs[a]);
		}
	}
	ranges_normalise(&gone);
	return gone;
}

void compile_step_done(struct compile_step *s)
{
	ruleset_free(s->was);
	ruleset_free(s->is);
	ruleset_free(s->bridge_was);
	ruleset_free(s->bridge_is);
	ranges_done(&s->gone);
	*s = (struct compile_step) {.was = NULL};
}

bool compile_follow(struct compiled *c, const struct model *model, struct compile_step *ret)
{
	__attribute__((cleanup(follow_done))) struct follow f = {.c = c};
	struct index_list touched = {NULL, 0, 0};
	struct extent was = {&f.delta.gone, &touched}, is = {&f.delta.come, &touched};

	*ret = (struct compile_step) {.was = NULL};
	if (!can_follow(&f, model))
		return false;
	find_touched(&f, &touched);
	ret->gone = find_gone(&f.delta);
	ret->was = compile_part(c, &was);
	ret->bridge_was = compile_bridge_part(c, &was);
	take_step(&f);
	ret->is = compile_part(c, &is);
	ret->bridge_is = compile_bridge_part(c, &is);
	free(touched.items);
	return true;
}
