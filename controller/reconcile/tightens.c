#include "tightens.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

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

struct move {
	enum ruleset_change_kind kind;
	const void *what;
};

/* The chains that go, and the sets and chains that come, to be asked for by each change: sorted. */
struct moves {
	struct move *items;
	size_t len, cap;
};

static int compare_moves(const void *a, const void *b)
{
	const struct move *x = a, *y = b;
	uintptr_t left = (uintptr_t)x->what, right = (uintptr_t)y->what;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (left > right) - (left < right);
}

static struct moves find_moves(const struct ruleset_diff *d)
{
	struct moves moves = {NULL, 0, 0};

	for (size_t i = 0; i < d->len; i++) {
		const struct ruleset_change *c = &d->items[i];
		struct move move = {c->kind, c->set};

		if (c->kind == CHANGE_DELETE_CHAIN || c->kind == CHANGE_ADD_CHAIN)
			move.what = c->chain;
		else if (c->kind != CHANGE_ADD_SET)
			continue;
		MEM_PUSH(&moves, move);
	}
	if (moves.len)
		qsort(moves.items, moves.len, sizeof(*moves.items), compare_moves);
	return moves;
}

static bool has_move(const struct moves *m, enum ruleset_change_kind kind, const void *what)
{
	struct move move = {kind, what};

	return m->len && bsearch(&move, m->items, m->len, sizeof(move), compare_moves);
}

static bool goes(const struct moves *m, const struct ruleset_chain *c)
{
	return has_move(m, CHANGE_DELETE_CHAIN, c);
}

/* Nobody reads a set that comes but rules that come, or are set anew. */
static bool comes(const struct moves *m, const struct ruleset_set *s)
{
	return has_move(m, CHANGE_ADD_SET, s);
}

/* Nor does anything lead to a chain that comes but what comes with it, or is a rule that is set anew. */
static bool begins(const struct moves *m, const struct ruleset_chain *c)
{
	return c->hook == HOOK_NONE && has_move(m, CHANGE_ADD_CHAIN, c);
}

static enum tightens step(const struct moves *m, const struct ruleset_change *change,
			  const struct ranges *left)
{
	switch (change->kind) {
	case CHANGE_ADD_ELEMENTS:
		return only_opens(change->set) || comes(m, change->set) ? TIGHTENS_NONE
									: TIGHTENS_ANY;
	case CHANGE_ADD_SET:
		return TIGHTENS_NONE;
	case CHANGE_ADD_CHAIN:
	case CHANGE_SET_RULES:
		return begins(m, change->chain) ? TIGHTENS_NONE : TIGHTENS_ANY;
	case CHANGE_DELETE_ELEMENTS:
		return left && all_of(change, left) ? TIGHTENS_LEFT : TIGHTENS_ANY;
	/* Nothing leads to a chain that goes, as the kernel takes no such change: what did is an element of a map,
	 * which goes in a step of its own, or a rule of a chain that goes, too, or is set anew. */
	case CHANGE_FLUSH_RULES:
		return left && change->chain->hook == HOOK_NONE && goes(m, change->chain)
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
	struct moves moves = find_moves(d);
	enum tightens most = TIGHTENS_NONE;

	for (size_t i = 0; i < d->len && most < TIGHTENS_ANY; i++) {
		enum tightens one = step(&moves, &d->items[i], left);

		most = one > most ? one : most;
	}
	free(moves.items);
	return most;
}
