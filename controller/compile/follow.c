#include "compile-internal.h"

#include <stdlib.h>
#include <string.h>

#include "follow.h"
#include "ruleset-internal.h"

#include "quaywall/mem.h"

/*
 * A compiled set follows its model where a few containers come and go: their addresses leave and enter sets, the chains
 * of an identity go with its last one and come with its first, and all else stays. What they contribute is written by
 * what writes all of it, over those endpoints alone. Wherever that could tell something else than the whole, it is left
 * to the whole (can-follow.c).
 */

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
		      const struct signature *s)
{
	if (c->catalogs[in->document].names_containers)
		return true;
	for (size_t i = 0; i < s->len; i++) {
		if (s->items[i] >= in->first_atom && s->items[i] < atom_of_governing(c, in))
			return true;
	}
	return false;
}

static void add_touched(const struct compiled *c, const struct identity_key *key,
			struct index_list *ret)
{
	for (size_t i = 0; key->title && i < c->instances.len; i++) {
		const struct instance *in = &c->instances.items[i];

		if (speaks_of(c, in, &key->signature))
			add_governed(c, in, ret);
	}
}

static void find_touched(const struct follow *f, struct index_list *ret)
{
	const struct compiled *c = f->c;
	size_t kept = 0;

	for (size_t i = 0; i < f->delta.gone.len; i++) {
		size_t id = c->identity_of[f->delta.gone.items[i]];

		if (id != MODEL_NONE)
			add_touched(c, &c->identities.items[id].key, ret);
	}
	for (size_t i = 0; i < f->delta.come.len; i++)
		add_touched(c, &f->keys[i], ret);
	index_list_sort(ret);
	for (size_t i = 0; i < ret->len; i++) {
		bool twice = kept && ret->items[kept - 1] == ret->items[i];

		if (!twice && !index_list_has(&f->vanishing, ret->items[i]))
			ret->items[kept++] = ret->items[i];
	}
	ret->len = kept;
}

/* ---- where they are, before and behind the step ---- */

/* Places move, keys stay where they are. */
struct keys {
	struct identity_key *items;
	size_t len, cap;
};

static struct keys keys_at(const struct compiled *c, const struct index_list *places)
{
	struct keys keys = {NULL, 0, 0};

	for (size_t i = 0; i < places->len; i++)
		MEM_PUSH(&keys, c->identities.items[places->items[i]].key);
	return keys;
}

static void find_places(const struct compiled *c, const struct keys *keys, struct index_list *ret)
{
	bool there;

	ret->len = 0;
	for (size_t i = 0; i < keys->len; i++)
		MEM_PUSH(ret, identity_find(c, &keys->items[i], &there));
}

static void find_begun(const struct follow *f, struct index_list *ret)
{
	bool there;

	for (size_t i = 0; i < f->fresh.len; i++)
		MEM_PUSH(ret, identity_find(f->c, &f->keys[f->fresh.items[i]], &there));
}

/* ---- the step ---- */

static void keep_members(struct follow *f)
{
	struct compiled *c = f->c;

	for (size_t i = 0; i < c->identities.len; i++) {
		struct identity *id = &c->identities.items[i];
		size_t kept = 0;

		for (size_t n = 0; n < id->members.len; n++) {
			size_t now = f->delta.endpoints[id->members.items[n]];

			if (now != MODEL_NONE)
				id->members.items[kept++] = now;
		}
		id->members.len = id->public.nendpoints = kept;
	}
}

static void keep_identities(struct follow *f)
{
	const struct delta *d = &f->delta;
	size_t *identity_of = mem_room(d->is->nendpoints, sizeof(*identity_of));

	for (size_t i = 0; i < d->is->nendpoints; i++)
		identity_of[i] = MODEL_NONE;
	for (size_t i = 0; i < d->was->nendpoints; i++) {
		if (d->endpoints[i] != MODEL_NONE)
			identity_of[d->endpoints[i]] = f->c->identity_of[i];
	}
	free(f->c->identity_of);
	f->c->identity_of = identity_of;
	keep_members(f);
}

/* The keys of those that are fresh become the identities'. */
static void begin_identities(struct follow *f)
{
	struct compiled *c = f->c;

	for (size_t i = 0; i < f->fresh.len; i++) {
		size_t nth = f->fresh.items[i], e = f->delta.come.items[nth];
		struct identity_key key = f->keys[nth];
		bool there;
		size_t at = identity_find(c, &key, &there);

		f->keys[nth] = identity_key_of(c, e);
		identity_insert(c, at, &key);
		c->identities.items[at].is_container = c->owner[e] != MODEL_NONE;
		if (c->identities.items[at].key.managed)
			rules_find(c, &c->identities.items[at]);
	}
}

static void move_identities(struct follow *f)
{
	struct compiled *c = f->c;

	for (size_t i = f->vanishing.len; i-- > 0;)
		identity_remove(c, f->vanishing.items[i]);
	begin_identities(f);
	for (size_t i = 0; i < f->delta.come.len; i++) {
		size_t e = f->delta.come.items[i], at;
		bool there;

		if (!f->keys[i].title)
			continue;
		at = identity_find(c, &f->keys[i], &there);
		identity_add_member(&c->identities.items[at], e);
		c->identity_of[e] = at;
	}
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
	size_t kept = 0;

	for (size_t i = 0; i < c->published.len; i++) {
		struct published p = c->published.items[i];
		size_t nth = (size_t)(p.port - d->was->containers[p.container].ports);

		p.container = d->containers[p.container];
		p.endpoint = d->endpoints[p.endpoint];
		if (p.container == MODEL_NONE)
			continue;
		p.port = &d->is->containers[p.container].ports[nth];
		c->published.items[kept++] = p;
	}
	c->published.len = kept;
	for (size_t i = 0; i < d->joined.len; i++)
		published_insert(c, d->joined.items[i]);
}

/* The ports of those containers. */
static void find_ports(const struct compiled *c, const struct index_list *containers,
		       struct index_list *ret)
{
	for (size_t i = 0; i < c->published.len; i++) {
		if (index_list_has(containers, c->published.items[i].container))
			MEM_PUSH(ret, i);
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
	keep_identities(f);
	take_owners(f);
	c->model = f->delta.is;
	move_published(f);
	move_identities(f);
	move_addrs(f);
}

/* Addresses that were somebody's and are nobody's. */
static struct ranges find_gone(const struct delta *d)
{
	struct ranges gone = {NULL, 0, 0};

	for (size_t i = 0; i < d->gone.len; i++)
		model_endpoint_left(&d->was->endpoints[d->gone.items[i]], d->is, &gone);
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

/* Both parts hold the same identities: those that others' elements concern, and whole, before, those that vanish, behind,
 * those that begin. */
static void write_parts(struct follow *f, struct compile_step *ret)
{
	struct compiled *c = f->c;
	struct index_list touched = {NULL, 0, 0}, begun = {NULL, 0, 0};
	struct index_list ports_were = {NULL, 0, 0}, ports_are = {NULL, 0, 0};
	bool shared = f->vanishing.len || f->fresh.len;
	struct extent was = {&f->delta.gone, &touched, &f->vanishing, &ports_were, shared};
	struct extent is = {&f->delta.come, &touched, &begun, &ports_are, shared};
	struct part part_was, part_is;
	struct keys keys;

	find_touched(f, &touched);
	find_ports(c, &f->delta.left, &ports_were);
	compile_part(c, &was, &part_was);
	ret->bridge_was = compile_bridge_part(c, &was);
	keys = keys_at(c, &touched);
	take_step(f);
	find_places(c, &keys, &touched);
	find_begun(f, &begun);
	find_ports(c, &f->delta.joined, &ports_are);
	compile_part(c, &is, &part_is);
	ret->bridge_is = compile_bridge_part(c, &is);
	finish_parts(&part_was, &part_is);
	ret->was = part_was.ruleset;
	ret->is = part_is.ruleset;
	free(keys.items);
	free(touched.items);
	free(begun.items);
	free(ports_were.items);
	free(ports_are.items);
}

bool compile_follow(struct compiled *c, const struct model *model, struct compile_step *ret)
{
	CLEANUP_FOLLOW struct follow f;

	*ret = (struct compile_step) {.was = NULL};
	if (!follow_begin(&f, c, model))
		return false;
	ret->gone = find_gone(&f.delta);
	write_parts(&f, ret);
	return true;
}
