#include "classes.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/*
 * A verdict asks of an address only which rules' blocks hold it, and of an interface only which patterns match: ends
 * that agree in both are one class, and one of them is asked for all.
 */

void compile_members_done(struct compile_members *m)
{
	free(m->items);
	*m = (struct compile_members) {NULL, 0, 0};
}

void members_add(struct compile_members *ret, const struct flow_end *end, size_t class)
{
	struct compile_member member = {*end, class};

	MEM_PUSH(ret, member);
}

size_t members_next_class(const struct compile_members *m)
{
	return m->len ? m->items[m->len - 1].class + 1 : 0;
}

/* ---- marks ---- */

static void add_block(struct ranges *blocks, const struct policy_peer *peer)
{
	CLEANUP_RANGES struct ranges one = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges except = {NULL, 0, 0};

	ranges_add_prefix(&one, &peer->cidr);
	for (size_t i = 0; i < peer->nexcept; i++)
		ranges_add_prefix(&except, &peer->except[i]);
	ranges_normalise(&except);
	ranges_subtract(&one, &except);
	for (size_t i = 0; i < one.len; i++)
		ranges_add(blocks, one.items[i]);
}

static void add_mark(struct marks *marks, const struct policy_rule *rule, bool to)
{
	struct mark mark = {
		.rule = rule,
		.to = to,
		.peers = to ? rule->to : rule->from,
		.npeers = to ? rule->nto : rule->nfrom,
	};
	bool speaks = false;

	for (size_t i = 0; i < mark.npeers; i++) {
		speaks |= mark.peers[i].kind == PEER_CIDR || mark.peers[i].kind == PEER_INTERFACE;
		if (mark.peers[i].kind == PEER_CIDR)
			add_block(&mark.blocks, &mark.peers[i]);
	}
	ranges_normalise(&mark.blocks);
	if (speaks)
		MEM_PUSH(marks, mark);
}

static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return (int)x->to - (int)y->to;
}

static void find_marks(struct marks *marks, const struct policy_set *policies)
{
	for (size_t d = 0; d < policies->ndocuments; d++) {
		const struct policy_document *doc = &policies->documents[d];

		for (size_t r = 0; r < doc->nrules; r++) {
			add_mark(marks, &doc->rules[r], false);
			add_mark(marks, &doc->rules[r], true);
		}
	}
	if (marks->len)
		qsort(marks->items, marks->len, sizeof(*marks->items), compare_marks);
}

void mark_addr(const struct marks *marks, const struct addr *a, uint8_t *ret)
{
	for (size_t i = 0; i < marks->len; i++)
		ret[i] = addr_is_set(a) && ranges_contain(&marks->items[i].blocks, a);
}

/* ---- outside ---- */

static void add_hosts_addrs(const struct model *m, struct ranges *ret)
{
	for (size_t i = 0; i < m->ninterfaces; i++) {
		for (size_t n = 0; n < m->interfaces[i].naddrs; n++)
			ranges_add_addr(ret, &m->interfaces[i].addrs[n].addr);
	}
	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		for (size_t g = 0; model_network_is_managed(n) && g < n->ngateways; g++)
			ranges_add_addr(ret, &n->gateways[g]);
	}
}

static void add_text(struct ranges *ret, const char *text)
{
	struct prefix p;

	if (!prefix_parse(text, &p))
		ranges_add_prefix(ret, &p);
}

static void subtract(struct ranges *r, struct ranges *other)
{
	ranges_normalise(other);
	ranges_subtract(r, other);
}

static void find_outside(struct compile_classes *k)
{
	const struct compiled *c = k->c;
	CLEANUP_RANGES struct ranges others = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges multicast = {NULL, 0, 0};

	ranges_add_all(&k->outside, AF_INET);
	ranges_add_all(&k->outside, AF_INET6);
	ranges_normalise(&k->outside);
	ranges_subtract(&k->outside, &c->subnets);
	ranges_subtract(&k->outside, &c->containers);
	add_hosts_addrs(c->model, &others);
	add_text(&others, "127.0.0.0/8");
	add_text(&others, "::1");
	/* Those and these are no ends of a packet. */
	add_text(&others, "0.0.0.0/8");
	add_text(&others, "::");
	subtract(&k->outside, &others);
	for (size_t i = 0; i < k->outside.len; i++)
		ranges_add(&k->sources, k->outside.items[i]);
	ranges_normalise(&k->sources);
	add_text(&multicast, "224.0.0.0/4");
	add_text(&multicast, "255.255.255.255");
	add_text(&multicast, "ff00::/8");
	subtract(&k->sources, &multicast);
}

struct compile_classes *compile_classes_new(const struct compiled *c)
{
	struct compile_classes *k = mem_new(1, sizeof(*k));

	k->c = c;
	find_marks(&k->marks, c->policies);
	find_outside(k);
	for (size_t i = 0; c->settings->publish == DEFAULT_LOCAL && local_source_prefixes[i]; i++)
		add_text(&k->local, local_source_prefixes[i]);
	ranges_normalise(&k->local);
	return k;
}

void compile_classes_free(struct compile_classes *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->marks.len; i++)
		ranges_done(&k->marks.items[i].blocks);
	free(k->marks.items);
	ranges_done(&k->outside);
	ranges_done(&k->sources);
	ranges_done(&k->local);
	free(k);
}

/* The marks that an identity's rules make on the other side; pointers into K, each once. */
struct held_marks {
	const struct mark **items;
	size_t len, cap;
};

static void hold_marks(const struct compile_classes *k, const struct held_list *list, bool to,
		       struct held_marks *ret)
{
	for (size_t i = 0; i < list->len; i++) {
		struct mark key = {.rule = list->items[i].rule, .to = to};
		const struct mark *found = k->marks.len
						   ? bsearch(&key, k->marks.items, k->marks.len,
							     sizeof(key), compare_marks)
						   : NULL;
		bool had = false;

		for (size_t n = 0; n < ret->len; n++)
			had |= ret->items[n] == found;
		if (found && !had)
			MEM_PUSH(ret, found);
	}
}

/* ---- outside, in classes ---- */

struct pieces {
	struct ranges *items;
	size_t len, cap;
};

static void pieces_done(struct pieces *p)
{
	for (size_t i = 0; i < p->len; i++)
		ranges_done(&p->items[i]);
	free(p->items);
}

#define CLEANUP_PIECES __attribute__((cleanup(pieces_done)))

static void copy_family(const struct ranges *from, uint8_t family, struct pieces *ret)
{
	struct ranges copy = {NULL, 0, 0};

	for (size_t i = 0; i < from->len; i++) {
		if (from->items[i].first.family == family)
			ranges_add(&copy, from->items[i]);
	}
	MEM_PUSH(ret, copy);
}

/* Divides every piece into what BLOCKS hold and what they do not. */
static void divide(struct pieces *p, const struct ranges *blocks)
{
	size_t n = p->len;

	for (size_t i = 0; i < n; i++) {
		struct ranges in = ranges_intersect(&p->items[i], blocks);

		if (!in.len) {
			ranges_done(&in);
			continue;
		}
		ranges_subtract(&p->items[i], blocks);
		MEM_PUSH(p, in);
	}
}

static bool mark_names(const struct mark *mark, const char *interface)
{
	for (size_t i = 0; i < mark->npeers; i++) {
		if (mark->peers[i].kind == PEER_INTERFACE &&
		    glob_match(mark->peers[i].interface, interface))
			return true;
	}
	return false;
}

/* Those outside that use INTERFACE (NULL: one that no rule names). */
static void add_by_interface(const struct compile_classes *k, const struct held_marks *marks,
			     const char *interface, bool ingress, struct compile_members *ret)
{
	CLEANUP_PIECES struct pieces p = {NULL, 0, 0};
	const struct ranges *all = ingress ? &k->sources : &k->outside;

	copy_family(all, AF_INET, &p);
	copy_family(all, AF_INET6, &p);
	for (size_t i = 0; i < marks->len; i++) {
		if (!mark_names(marks->items[i], interface))
			divide(&p, &marks->items[i]->blocks);
	}
	if (ingress && k->local.len)
		divide(&p, &k->local);
	for (size_t i = 0; i < p.len; i++) {
		struct flow_end end = {.kind = END_OUTSIDE, .interface = interface};

		if (!p.items[i].len)
			continue;
		end.addr = p.items[i].items[0].first;
		members_add(ret, &end, members_next_class(ret));
	}
}

/* An interface that NAME stands for, as no other before it: which marks name it. */
static bool is_new_interface(const struct held_marks *marks, const char *name, uint8_t *seen,
			     size_t *nseen)
{
	uint8_t *own = seen + *nseen * marks->len;

	for (size_t i = 0; i < marks->len; i++)
		own[i] = mark_names(marks->items[i], name);
	for (size_t s = 0; s < *nseen; s++) {
		if (!memcmp(seen + s * marks->len, own, marks->len))
			return false;
	}
	++*nseen;
	return true;
}

struct names {
	const char **items;
	size_t len, cap;
};

/* The host's interfaces, and what the rules call interfaces that are not there now. A glob that is no match of itself and
 * of none that is there names nothing. */
static void candidates(const struct compile_classes *k, const struct held_marks *marks,
		       struct names *ret)
{
	const struct model *m = k->c->model;

	MEM_PUSH(ret, NULL);
	for (size_t i = 0; i < m->ninterfaces; i++) {
		if (!m->interfaces[i].bridge)
			MEM_PUSH(ret, m->interfaces[i].name);
	}
	for (size_t i = 0; i < marks->len; i++) {
		for (size_t n = 0; n < marks->items[i]->npeers; n++) {
			if (marks->items[i]->peers[n].kind == PEER_INTERFACE)
				MEM_PUSH(ret, marks->items[i]->peers[n].interface);
		}
	}
}

void compile_members_outside(const struct compile_classes *k, size_t identity, bool ingress,
			     struct compile_members *ret)
{
	const struct identity *id = &k->c->identities.items[identity];
	enum direction dir = ingress ? DIR_INGRESS : DIR_EGRESS;
	struct held_marks marks = {NULL, 0, 0};
	struct names names = {NULL, 0, 0};
	uint8_t *seen;
	size_t nseen = 0;

	hold_marks(k, &id->deny[dir], !ingress, &marks);
	hold_marks(k, &id->allow[dir], !ingress, &marks);
	if (ingress)
		hold_marks(k, &id->publish, false, &marks);
	candidates(k, &marks, &names);
	seen = mem_new(names.len * marks.len, 1);
	for (size_t i = 0; i < names.len; i++) {
		if (is_new_interface(&marks, names.items[i], seen, &nseen))
			add_by_interface(k, &marks, names.items[i], ingress, ret);
	}
	free(seen);
	free(names.items);
	free(marks.items);
}
