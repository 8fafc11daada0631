#include "quaywall/ruleset.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "store.h"

static const struct {
	size_t bytes, padded;
} field_sizes[] = {
	[FIELD_IFNAME] = {16, 16}, [FIELD_IPV4] = {4, 4},	 [FIELD_IPV6] = {16, 16},
	[FIELD_PROTOCOL] = {1, 4}, [FIELD_PORT] = {2, 4},	 [FIELD_ICMPV6_TYPE] = {1, 4},
	[FIELD_ETHER] = {6, 8},	   [FIELD_ND_TARGET] = {16, 16}, [FIELD_VNI] = {3, 4},
};

struct ruleset *ruleset_new(const char *table, uint8_t family)
{
	struct ruleset *r = mem_new(1, sizeof(*r));

	r->table = mem_strdup(table);
	r->family = family;
	r->store = store_new();
	return r;
}

static void set_free(struct ruleset_set *s)
{
	free(s->elements);
	free(s->name);
	free(s);
}

static void rule_done(struct ruleset_rule *rule)
{
	for (size_t i = 0; i < rule->len; i++)
		free(rule->exprs[i].name);
	free(rule->exprs);
	free(rule->comment);
}

static void chain_free(struct ruleset_chain *c)
{
	for (size_t i = 0; i < c->len; i++)
		rule_done(&c->rules[i]);
	free(c->rules);
	free(c->name);
	free(c);
}

void ruleset_free(struct ruleset *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nlimits; i++)
		free(r->limits[i].name);
	for (size_t i = 0; i < r->nsets; i++)
		set_free(r->sets[i]);
	for (size_t i = 0; i < r->nchains; i++)
		chain_free(r->chains[i]);
	free(r->limits);
	free(r->sets);
	free(r->chains);
	free(r->table);
	store_free(r->store);
	free(r);
}

struct ruleset_set *ruleset_add_set(struct ruleset *r, const char *name, unsigned flags,
				    const enum ruleset_field *fields, size_t nfields)
{
	struct ruleset_set *s = mem_new(1, sizeof(*s));

	assert(nfields <= RULESET_FIELDS_MAX);
	s->name = mem_strdup(name);
	s->flags = flags;
	for (size_t i = 0; i < nfields; i++)
		s->fields[i] = fields[i];
	s->nfields = nfields;
	s->store = r->store;
	assert(ruleset_key_size(s) <= RULESET_KEY_MAX);
	r->sets = mem_grow(r->sets, &r->sets_cap, r->nsets + 1, sizeof(struct ruleset_set *));
	r->sets[r->nsets++] = s;
	r->sorted = false;
	return s;
}

struct ruleset_chain *ruleset_add_chain(struct ruleset *r, const char *name, enum ruleset_hook hook,
					int32_t priority)
{
	struct ruleset_chain *c = mem_new(1, sizeof(*c));

	c->name = mem_strdup(name);
	c->hook = hook;
	c->priority = hook == HOOK_NONE ? 0 : priority;
	r->chains =
		mem_grow(r->chains, &r->chains_cap, r->nchains + 1, sizeof(struct ruleset_chain *));
	r->chains[r->nchains++] = c;
	r->sorted = false;
	return c;
}

void ruleset_add_limit(struct ruleset *r, const char *name, uint32_t rate, uint32_t unit,
		       uint32_t burst)
{
	struct ruleset_limit limit = {
		.name = mem_strdup(name), .rate = rate, .unit = unit, .burst = burst};

	r->limits = mem_grow(r->limits, &r->limits_cap, r->nlimits + 1, sizeof(*r->limits));
	r->limits[r->nlimits++] = limit;
	r->sorted = false;
}

struct ruleset_rule *ruleset_add_rule(struct ruleset_chain *c, const char *comment)
{
	struct ruleset_rule *rule;

	c->rules = mem_grow(c->rules, &c->cap, c->len + 1, sizeof(*c->rules));
	rule = &c->rules[c->len++];
	*rule = (struct ruleset_rule) {.comment = mem_strdup(comment)};
	return rule;
}

void ruleset_add_element(struct ruleset_set *s, const struct ruleset_element *e)
{
	size_t size = ruleset_key_size(s);
	struct ruleset_element *copy;

	s->elements = mem_grow(s->elements, &s->cap, s->len + 1, sizeof(*s->elements));
	copy = &s->elements[s->len++];
	*copy = *e;
	copy->key = store_bytes(s->store, e->key, size);
	copy->key_end =
		s->flags & SET_INTERVAL ? store_bytes(s->store, e->key_end, size) : copy->key;
	copy->chain = store_text(s->store, e->chain);
	copy->comment = store_text(s->store, e->comment);
}

size_t ruleset_field_size(enum ruleset_field f)
{
	return field_sizes[f].bytes;
}

size_t ruleset_field_offset(const struct ruleset_set *s, size_t n)
{
	size_t offset = 0;

	for (size_t i = 0; i < n; i++)
		offset += field_sizes[s->fields[i]].padded;
	return offset;
}

size_t ruleset_key_size(const struct ruleset_set *s)
{
	return ruleset_field_offset(s, s->nfields);
}
