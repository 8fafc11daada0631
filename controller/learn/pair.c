#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/utf8.h"

#define FNV_PRIME 1099511628211u

struct learn_end *pair_outside(struct learn_pair *p)
{
	if (p->from.kind == LEARN_OUTSIDE)
		return &p->from;
	return p->to.kind == LEARN_OUTSIDE ? &p->to : NULL;
}

bool pair_block_of(const struct addr *a, struct prefix *ret)
{
	static const struct prefix blocks[] = {
		{{AF_INET, {10}}, 8},	     {{AF_INET, {172, 16}}, 12},
		{{AF_INET, {192, 168}}, 16}, {{AF_INET, {169, 254}}, 16},
		{{AF_INET, {100, 64}}, 10},  {{AF_INET6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		if (prefix_contains(&blocks[i], a)) {
			*ret = blocks[i];
			return true;
		}
	return false;
}

bool pair_name_fits(const char *name)
{
	size_t left = strlen(name);
	uint32_t c;

	if (!left || left > LEARN_NAME_MAX)
		return false;
	while (left) {
		size_t len = utf8_decode(name, left, &c);

		if (!len)
			return false;
		name += len;
		left -= len;
	}
	return true;
}

/* ---- equality ---- */

/* FNV-1a. What a stranger can choose of a pair, its address, takes few values beside the same rest. */
static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

/* With its final 0, so that no two names run together. */
static uint64_t mix_text(uint64_t hash, const char *text)
{
	return mix(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t mix_end(uint64_t hash, const struct learn_end *e, enum pair_blur blur)
{
	uint8_t kind = (uint8_t)(e->kind | e->block << 4);

	/* Of what is blurred nothing but its being outside counts. */
	if (blur != BLUR_NOTHING)
		kind = (uint8_t)e->kind;

	hash = mix(hash, &kind, sizeof(kind));
	if (e->kind == LEARN_OUTSIDE && blur == BLUR_NOTHING)
		hash = mix(mix(hash, &e->addr.family, 1), e->addr.bytes, sizeof(e->addr.bytes));
	if (e->kind == LEARN_CONTAINER)
		hash = mix_text(mix_text(mix_text(hash, e->project), e->service), e->name);
	return hash;
}

static const struct learn_end *owner_of(const struct learn_pair *p)
{
	return p->from.kind == LEARN_CONTAINER ? &p->from : &p->to;
}

uint64_t pair_hash(const struct learn_pair *p, enum pair_blur blur, uint64_t seed)
{
	uint16_t ports[2] = {p->range ? 0 : p->port, p->published_port};
	uint8_t range = p->range;
	uint64_t hash;

	if (blur == BLUR_OWNER) {
		hash = mix_end(seed, owner_of(p), blur);
		return hash ^ hash >> 29;
	}
	hash = mix_end(mix_end(seed, &p->from, blur), &p->to, blur);
	hash = mix(hash, &p->protocol, 1);
	if (blur != BLUR_ADDR_PORT)
		hash = mix(mix(hash, ports, sizeof(ports)), &range, 1);
	return hash ^ hash >> 29;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_end(const struct learn_end *a, const struct learn_end *b, enum pair_blur blur)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == LEARN_OUTSIDE)
		return blur != BLUR_NOTHING ||
		       (a->block == b->block && addr_equal(&a->addr, &b->addr));
	return same_text(a->project, b->project) && same_text(a->service, b->service) &&
	       same_text(a->name, b->name);
}

bool pair_is_same(const struct learn_pair *a, const struct learn_pair *b, enum pair_blur blur)
{
	if (blur == BLUR_OWNER)
		return same_end(owner_of(a), owner_of(b), blur);
	if (a->protocol != b->protocol || !same_end(&a->from, &b->from, blur) ||
	    !same_end(&a->to, &b->to, blur))
		return false;
	if (blur == BLUR_ADDR_PORT)
		return true;
	return a->range == b->range && (a->range || a->port == b->port) &&
	       a->published_port == b->published_port;
}

/* ---- order ---- */

static int compare_text(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int compare_end(const struct learn_end *a, const struct learn_end *b)
{
	int r;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == LEARN_OUTSIDE)
		return a->block != b->block ? (int)a->block - (int)b->block
					    : addr_compare(&a->addr, &b->addr);
	r = compare_text(a->project, b->project);
	if (r == 0)
		r = compare_text(a->service, b->service);
	return r ? r : compare_text(a->name, b->name);
}

int learn_pair_compare(const struct learn_pair *a, const struct learn_pair *b)
{
	int r = compare_end(&a->from, &b->from);

	if (r == 0)
		r = compare_end(&a->to, &b->to);
	if (r == 0)
		r = (int)a->protocol - (int)b->protocol;
	if (r == 0)
		r = (int)a->range - (int)b->range;
	if (r == 0)
		r = (int)a->port - (int)b->port;
	return r ? r : (int)a->published_port - (int)b->published_port;
}

/* ---- ownership ---- */

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t end_bytes(const struct learn_end *e)
{
	return text_bytes(e->project) + text_bytes(e->service) + text_bytes(e->name);
}

size_t pair_bytes(const struct learn_pair *p)
{
	return end_bytes(&p->from) + end_bytes(&p->to);
}

static void own_end(struct learn_end *e)
{
	e->project = mem_strdup(e->project);
	e->service = mem_strdup(e->service);
	e->name = mem_strdup(e->name);
}

struct learn_pair pair_copy(const struct learn_pair *p)
{
	struct learn_pair copy = *p;

	own_end(&copy.from);
	own_end(&copy.to);
	return copy;
}

static void end_done(struct learn_end *e)
{
	free(e->project);
	free(e->service);
	free(e->name);
}

void pair_done(struct learn_pair *p)
{
	end_done(&p->from);
	end_done(&p->to);
}
