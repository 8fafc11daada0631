/*
 * table: pairs, found by hash. Beside the pairs themselves it counts what would make them many: how many addresses
 * outside do the same, and how many ports the same ends use. Pairs are never taken out, but one that nobody answered may
 * give its place to another port of its ends, and is then of their range.
 */
#include "internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

#define NAMES_PER_PAIR 128 /* bytes, on average: more names than that find no place */
#define NOT_LISTED     UINT32_MAX

/* Pairs that are the same when blurred. */
struct kin {
	uint64_t hash;
	uint32_t pair; /* one of them */
	uint32_t n;
	uint32_t
		silent; /* of BLUR_ADDR_PORT: the first of its list of pairs that may give way, plus 1 */
};

struct level {
	struct {
		struct kin *items;
		size_t len, cap;
	} kins;
	uint32_t *slots; /* indices of kins plus 1; 0: free. A power of 2, at most half full */
	size_t nslots;
};

struct learn_table {
	size_t max;
	struct {
		struct learn_pair *items;
		size_t len, cap;
	} pairs;
	struct {
		uint32_t *items; /* of each pair the next of its list, plus 1; or NOT_LISTED */
		size_t len, cap;
	} silent;
	struct level levels[BLURS];
	size_t bytes;	     /* of all names */
	size_t refused_only; /* pairs */
	uint64_t left_out;
};

struct learn_table *learn_table_new(size_t max)
{
	struct learn_table *t = mem_new(1, sizeof(*t));

	t->max = max;
	return t;
}

void learn_table_free(struct learn_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->pairs.len; i++)
		pair_done(&t->pairs.items[i]);
	for (size_t i = 0; i < BLURS; i++) {
		free(t->levels[i].kins.items);
		free(t->levels[i].slots);
	}
	free(t->pairs.items);
	free(t->silent.items);
	free(t);
}

size_t learn_table_len(const struct learn_table *t)
{
	return t->pairs.len;
}

const struct learn_pair *learn_table_pair(const struct learn_table *t, size_t i)
{
	return &t->pairs.items[i];
}

uint64_t learn_table_left_out(const struct learn_table *t)
{
	return t->left_out;
}

void table_set_left_out(struct learn_table *t, uint64_t n)
{
	t->left_out = n;
}

/* ---- finding ---- */

static uint64_t hash_of(const struct learn_table *t, const struct learn_pair *key,
			enum pair_blur blur)
{
	return pair_hash(key, blur, (uint64_t)(uintptr_t)t);
}

static struct kin *find(const struct learn_table *t, const struct learn_pair *key,
			enum pair_blur blur)
{
	const struct level *l = &t->levels[blur];
	uint64_t hash = hash_of(t, key, blur);

	for (size_t i = hash; l->nslots && l->slots[i & (l->nslots - 1)]; i++) {
		struct kin *kin = &l->kins.items[l->slots[i & (l->nslots - 1)] - 1];

		if (kin->hash == hash && pair_is_same(&t->pairs.items[kin->pair], key, blur))
			return kin;
	}
	return NULL;
}

static void place(struct level *l, uint32_t kin)
{
	size_t i = l->kins.items[kin].hash;

	while (l->slots[i & (l->nslots - 1)])
		i++;
	l->slots[i & (l->nslots - 1)] = kin + 1;
}

/* What stands behind it moves up, so that it is found without it. */
static void displace(struct level *l, uint32_t kin)
{
	size_t mask = l->nslots - 1, gap = l->kins.items[kin].hash & mask;

	while (l->slots[gap] != kin + 1)
		gap = (gap + 1) & mask;
	for (size_t i = (gap + 1) & mask; l->slots[i]; i = (i + 1) & mask) {
		size_t home = l->kins.items[l->slots[i] - 1].hash & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		l->slots[gap] = l->slots[i];
		gap = i;
	}
	l->slots[gap] = 0;
}

static void make_room(struct level *l)
{
	if (l->nslots >= 2 * (l->kins.len + 1))
		return;
	l->nslots = l->nslots ? 2 * l->nslots : 64;
	free(l->slots);
	l->slots = mem_new(l->nslots, sizeof(*l->slots));
	for (size_t i = 0; i < l->kins.len; i++)
		place(l, (uint32_t)i);
}

/* Makes the kin of PAIR, which is in the table. */
static struct kin *make_kin(struct learn_table *t, uint32_t pair, enum pair_blur blur)
{
	struct level *l = &t->levels[blur];
	struct kin kin = {.hash = hash_of(t, &t->pairs.items[pair], blur), .pair = pair};

	make_room(l);
	MEM_PUSH(&l->kins, kin);
	place(l, (uint32_t)(l->kins.len - 1));
	return &l->kins.items[l->kins.len - 1];
}

/* ---- adding ---- */

static bool is_refused_only(const struct learn_pair *p)
{
	return !p->allowed && !p->audited;
}

static bool has_place(const struct learn_table *t, const struct learn_pair *p)
{
	if (t->pairs.len >= t->max || t->bytes + pair_bytes(p) > t->max * NAMES_PER_PAIR)
		return false;
	return !is_refused_only(p) || t->refused_only < (t->max + 3) / 4;
}

/* A quarter is enough for one container: what it makes up must not keep the others from being known. */
static bool owner_has_place(const struct learn_table *t, const struct learn_pair *p)
{
	const struct kin *kin = find(t, p, BLUR_OWNER);

	return !kin || kin->n < (t->max + 3) / 4;
}

static void count_owner(struct learn_table *t, uint32_t pair)
{
	struct kin *kin = find(t, &t->pairs.items[pair], BLUR_OWNER);

	if (!kin)
		kin = make_kin(t, pair, BLUR_OWNER);
	kin->n++;
}

/* Counts it where pairs like it are counted. */
static void count_kin(struct learn_table *t, uint32_t pair)
{
	struct learn_pair *p = &t->pairs.items[pair];
	const struct learn_end *outside = pair_outside(p);
	struct kin *kin = find(t, p, BLUR_ADDR);
	bool first = !kin;

	if (first)
		kin = make_kin(t, pair, BLUR_ADDR);
	kin->n += outside && addr_is_set(&outside->addr) && !outside->block;
	if (!first || p->range)
		return;
	kin = find(t, p, BLUR_ADDR_PORT);
	if (!kin)
		kin = make_kin(t, pair, BLUR_ADDR_PORT);
	kin->n++;
}

/* ---- who gives way ---- */

/* With addresses outside others may share its place. */
static bool may_give_way(const struct learn_pair *p)
{
	return !learn_pair_passed(p) && !p->range && !p->published_port &&
	       protocol_has_ports(p->protocol) && !pair_outside((struct learn_pair *)p);
}

static void list_silent(struct learn_table *t, uint32_t pair)
{
	struct kin *kin;

	if (t->silent.items[pair] != NOT_LISTED || !may_give_way(&t->pairs.items[pair]))
		return;
	kin = find(t, &t->pairs.items[pair], BLUR_ADDR_PORT);
	t->silent.items[pair] = kin->silent;
	kin->silent = pair + 1;
}

/* Those that were answered since they were listed are let go here, so that each is looked at once. */
static bool take_silent(struct learn_table *t, struct kin *kin, uint32_t *ret)
{
	while (kin->silent) {
		uint32_t pair = kin->silent - 1;

		kin->silent = t->silent.items[pair];
		t->silent.items[pair] = NOT_LISTED;
		if (may_give_way(&t->pairs.items[pair])) {
			*ret = pair;
			return true;
		}
	}
	return false;
}

static struct learn_pair *insert(struct learn_table *t, const struct learn_pair *p)
{
	struct learn_pair copy = pair_copy(p);
	uint32_t pair = (uint32_t)t->pairs.len;

	MEM_PUSH(&t->pairs, copy);
	MEM_PUSH(&t->silent, (uint32_t) {NOT_LISTED});
	make_kin(t, pair, BLUR_NOTHING);
	count_kin(t, pair);
	count_owner(t, pair);
	list_silent(t, pair);
	t->bytes += pair_bytes(p);
	t->refused_only += is_refused_only(p);
	return &t->pairs.items[pair];
}

bool table_restore(struct learn_table *t, const struct learn_pair *p)
{
	if (find(t, p, BLUR_NOTHING) || !has_place(t, p))
		return false;
	insert(t, p);
	return true;
}

static void blur_addr(struct learn_end *outside)
{
	struct prefix block = {.len = 0};

	outside->block = pair_block_of(&outside->addr, &block);
	outside->addr = block.addr;
}

/* What would be one port or address too many is kept with the others. */
static void blur_key(const struct learn_table *t, struct learn_pair *key)
{
	struct learn_end *outside = pair_outside(key);
	const struct kin *kin;

	if (find(t, key, BLUR_NOTHING))
		return;
	kin = find(t, key, BLUR_ADDR_PORT);
	if (protocol_has_ports(key->protocol) && !key->published_port && kin &&
	    kin->n >= LEARN_PORTS_MAX && !find(t, key, BLUR_ADDR))
		key->range = true;
	if (!outside || find(t, key, BLUR_NOTHING))
		return;
	kin = find(t, key, BLUR_ADDR);
	if (kin && kin->n >= LEARN_ADDRS_MAX)
		blur_addr(outside);
}

/* Of what passed a range has no port that nobody answered. */
static void widen(struct learn_pair *p, const struct learn_pair *one)
{
	bool passed = learn_pair_passed(p), passes = learn_pair_passed(one);

	if (passed && !passes)
		return;
	if (one->port < p->port || (passes && !passed))
		p->port = one->port;
	if (one->port_last > p->port_last || (passes && !passed))
		p->port_last = one->port_last;
}

static void count_flow(struct learn_table *t, struct learn_pair *p, const struct learn_pair *one)
{
	bool was = is_refused_only(p);

	widen(p, one);
	p->allowed += one->allowed;
	p->audited += one->audited;
	p->refused += one->refused;
	p->unanswered += one->unanswered;
	t->refused_only -= was && !is_refused_only(p);
	if (one->first < p->first)
		p->first = one->first;
	if (one->last > p->last)
		p->last = one->last;
}

/* Makes PAIR, which may give way, one of the range of its ends. False where that finds no place. */
static bool move_to_range(struct learn_table *t, uint32_t pair)
{
	struct learn_pair moved = t->pairs.items[pair];
	const struct kin *kin;
	bool fits;

	moved.range = true;
	t->refused_only -= is_refused_only(&moved);
	kin = find(t, &moved, BLUR_NOTHING);
	fits = kin || (has_place(t, &moved) && owner_has_place(t, &moved));
	if (kin)
		count_flow(t, &t->pairs.items[kin->pair], &moved);
	else if (fits)
		insert(t, &moved);
	else
		t->refused_only += is_refused_only(&moved);
	return fits;
}

/* PAIR, which was moved to the range, is ONE from here on: their ends are the same. */
static void take_over(struct learn_table *t, uint32_t pair, const struct learn_pair *one)
{
	static const enum pair_blur by_port[] = {BLUR_NOTHING, BLUR_ADDR};
	struct learn_pair *p = &t->pairs.items[pair];
	struct kin *kins[ARRAY_SIZE(by_port)];

	for (size_t i = 0; i < ARRAY_SIZE(by_port); i++) {
		kins[i] = find(t, p, by_port[i]);
		displace(&t->levels[by_port[i]],
			 (uint32_t)(kins[i] - t->levels[by_port[i]].kins.items));
	}
	p->port = p->port_last = one->port;
	p->allowed = one->allowed;
	p->audited = one->audited;
	p->refused = p->unanswered = 0;
	p->first = one->first;
	p->last = one->last;
	for (size_t i = 0; i < ARRAY_SIZE(by_port); i++) {
		kins[i]->hash = hash_of(t, p, by_port[i]);
		place(&t->levels[by_port[i]],
		      (uint32_t)(kins[i] - t->levels[by_port[i]].kins.items));
	}
}

/* ONE, which would widen a range, gets the place of a port that nobody answered. What the range may have had of it before
 * and has not ended stays there: its end is to be counted where it was. */
static bool takes_place(struct learn_table *t, const struct learn_pair *one)
{
	struct kin *kin = find(t, one, BLUR_NOTHING);
	const struct learn_pair *range = kin ? &t->pairs.items[kin->pair] : NULL;
	uint32_t pair;

	if (!one->range || !learn_pair_passed(one))
		return false;
	if (range && learn_pair_passed(range) && one->port >= range->port &&
	    one->port <= range->port_last)
		return false;
	kin = find(t, one, BLUR_ADDR_PORT);
	if (!kin || !take_silent(t, kin, &pair))
		return false;
	if (!move_to_range(t, pair)) {
		list_silent(t, pair);
		return false;
	}
	take_over(t, pair, one);
	return true;
}

static bool add(struct learn_table *t, struct learn_pair *one, bool *ret_new)
{
	const struct kin *kin;

	blur_key(t, one);
	if (takes_place(t, one)) {
		*ret_new = true;
		return true;
	}
	kin = find(t, one, BLUR_NOTHING);
	if (kin) {
		*ret_new = !one->refused && is_refused_only(&t->pairs.items[kin->pair]);
		count_flow(t, &t->pairs.items[kin->pair], one);
		return true;
	}
	if (!has_place(t, one) || !owner_has_place(t, one)) {
		t->left_out++;
		return false;
	}
	insert(t, one);
	*ret_new = true;
	return true;
}

/* ---- a flow ---- */

bool learn_end_of(const struct model_container *c, struct learn_end *ret)
{
	*ret = (struct learn_end) {
		.kind = LEARN_CONTAINER,
		.project = (char *)model_container_project(c),
		.service = (char *)model_container_service(c),
	};
	if (ret->project && ret->service)
		return pair_name_fits(ret->project) && pair_name_fits(ret->service);
	ret->service = NULL;
	ret->name = c->name;
	return pair_name_fits(ret->name) && (!ret->project || pair_name_fits(ret->project));
}

static bool take_end(const struct compiled *c, const struct flow_end *end, struct learn_end *ret)
{
	const struct model *m = compile_model(c);
	size_t container;

	switch (end->kind) {
	case END_HOST:
		ret->kind = LEARN_HOST;
		return true;
	case END_OUTSIDE:
		ret->kind = LEARN_OUTSIDE;
		ret->addr = end->addr;
		return addr_is_set(&end->addr);
	case END_ENDPOINT:
		container = m->endpoints[end->endpoint].container;
		return container != MODEL_NONE &&
		       compile_identity_of(c, end->endpoint) != MODEL_NONE &&
		       learn_end_of(&m->containers[container], ret);
	case END_UNKNOWN:
		break;
	}
	return false;
}

static bool is_one_container(const struct model *m, const struct flow *f)
{
	return f->from.kind == END_ENDPOINT && f->to.kind == END_ENDPOINT &&
	       m->endpoints[f->from.endpoint].container == m->endpoints[f->to.endpoint].container;
}

/* Its ends and its ports; false where it makes nothing. */
static bool take_flow(const struct compiled *c, const struct flow *f, struct learn_pair *ret)
{
	uint16_t port = protocol_has_ports(f->protocol) ? f->port : 0;

	*ret = (struct learn_pair) {
		.protocol = f->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : f->protocol,
		.port = port,
		.port_last = port,
		.published_port = f->published ? f->published_port : 0,
	};
	return take_end(c, &f->from, &ret->from) && take_end(c, &f->to, &ret->to) &&
	       !is_one_container(compile_model(c), f) &&
	       (ret->from.kind == LEARN_CONTAINER || ret->to.kind == LEARN_CONTAINER) &&
	       ret->protocol;
}

bool learn_table_add(struct learn_table *t, const struct compiled *c, const struct flow *f,
		     enum flow_verdict verdict, time_t at, bool *ret_new)
{
	bool is_new = false, kept;
	struct learn_pair one;

	kept = take_flow(c, f, &one);
	one.allowed = verdict == FLOW_ALLOW;
	one.audited = verdict == FLOW_AUDIT;
	one.refused = verdict == FLOW_DENY;
	one.first = one.last = at;
	kept = kept && add(t, &one, &is_new);
	if (ret_new)
		*ret_new = is_new;
	return kept;
}

/* Its beginning may have been lost: then there is nothing that it could be taken from. */
void learn_table_unanswered(struct learn_table *t, const struct compiled *c, const struct flow *f)
{
	const struct kin *kin;
	struct learn_pair one;

	if (!take_flow(c, f, &one))
		return;
	blur_key(t, &one);
	kin = find(t, &one, BLUR_NOTHING);
	if (!kin || !learn_pair_passed(&t->pairs.items[kin->pair]))
		return;
	t->pairs.items[kin->pair].unanswered++;
	list_silent(t, kin->pair);
}

bool learn_pair_passed(const struct learn_pair *p)
{
	return p->allowed + p->audited > p->unanswered;
}
