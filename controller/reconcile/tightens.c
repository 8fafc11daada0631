#include "tightens.h"

#include <string.h>

/* Whether elements that come into the set can only let more pass: an endpoint's address was unknown and
 * refused before (where not, compile_endpoint_tightens() says so), an allowed peer was not, and `ends` lets ICMP's
 * errors pass. What comes into another set may refuse what passed: a published port that docker-proxy serves was nobody's
 * until it was known. Identities' names, which may hold dots too, stand before the last dot. */
static bool only_opens(const struct ruleset_set *s)
{
	const char *kind = strrchr(s->name, '.');

	/* By a port itself, past its bridge, no flow comes. */
	return !strncmp(s->name, "endpoints_", strlen("endpoints_")) ||
	       !strncmp(s->name, "ends", strlen("ends")) || !strcmp(s->name, "ports") ||
	       (kind && !strncmp(kind, ".allow", strlen(".allow")));
}

static bool holds(const struct ruleset_set *s, size_t field, const uint8_t *key,
		  const struct ranges *left)
{
	bool six = s->fields[field] == FIELD_IPV6;
	struct addr a = {.family = six ? AF_INET6 : AF_INET};

	if (!six && s->fields[field] != FIELD_IPV4)
		return false;
	memcpy(a.bytes, key + ruleset_field_offset(s, field), addr_size(a.family));
	return ranges_contain(left, &a);
}

/* Whether no packet meets the element but those that have one of the addresses in their header, or whose flow has. */
static bool is_of(const struct ruleset_set *s, const uint8_t *key, const struct ranges *left)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (holds(s, i, key, left))
			return true;
	return false;
}

static bool all_of(const struct ruleset_change *change, const struct ranges *left)
{
	if (change->set->flags & SET_INTERVAL)
		return false;
	for (size_t i = 0; i < change->len; i++)
		if (!is_of(change->set, change->elements[i]->key, left))
			return false;
	return true;
}

static bool goes(const struct ruleset_diff *d, const struct ruleset_chain *c)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind == CHANGE_DELETE_CHAIN && d->items[i].chain == c)
			return true;
	return false;
}

/* Nobody reads a set that comes but rules that come, or are set anew. */
static bool comes(const struct ruleset_diff *d, const struct ruleset_set *s)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind == CHANGE_ADD_SET && d->items[i].set == s)
			return true;
	return false;
}

/* Nor does anything lead to a chain that comes but what comes with it, or is a rule that is set anew. */
static bool begins(const struct ruleset_diff *d, const struct ruleset_chain *c)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->items[i].kind == CHANGE_ADD_CHAIN && d->items[i].chain == c)
			return c->hook == HOOK_NONE;
	return false;
}

static enum tightens step(const struct ruleset_diff *d, const struct ruleset_change *change,
			  const struct ranges *left)
{
	switch (change->kind) {
	case CHANGE_ADD_ELEMENTS:
		return only_opens(change->set) || comes(d, change->set) ? TIGHTENS_NONE
									: TIGHTENS_ANY;
	case CHANGE_ADD_SET:
		return TIGHTENS_NONE;
	case CHANGE_ADD_CHAIN:
	case CHANGE_SET_RULES:
		return begins(d, change->chain) ? TIGHTENS_NONE : TIGHTENS_ANY;
	case CHANGE_DELETE_ELEMENTS:
		return left && all_of(change, left) ? TIGHTENS_LEFT : TIGHTENS_ANY;
	/* Nothing leads to a chain that goes, as the kernel takes no such change: what did is an element of a map,
	 * which goes in a step of its own, or a rule of a chain that goes, too, or is set anew. */
	case CHANGE_FLUSH_RULES:
		return left && change->chain->hook == HOOK_NONE && goes(d, change->chain)
			       ? TIGHTENS_LEFT
			       : TIGHTENS_ANY;
	case CHANGE_DELETE_CHAIN:
		return left && change->chain->hook == HOOK_NONE ? TIGHTENS_LEFT : TIGHTENS_ANY;
	/* Likewise, by rules. */
	case CHANGE_DELETE_SET:
		return left ? TIGHTENS_LEFT : TIGHTENS_ANY;
	default:
		return TIGHTENS_ANY;
	}
}

enum tightens tightens_of(const struct ruleset_diff *d, const struct ranges *left)
{
	enum tightens most = TIGHTENS_NONE;

	for (size_t i = 0; i < d->len && most < TIGHTENS_ANY; i++) {
		enum tightens one = step(d, &d->items[i], left);

		most = one > most ? one : most;
	}
	return most;
}
