#include "plan.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- ports ---- */

void plan_ports_add(struct plan_ports *ports, const struct learn_pair *p)
{
	struct policy_ports item = {p->protocol, p->port, p->port_last};

	if (p->published_port)
		item.first = item.last = p->published_port;
	if (p->protocol == IPPROTO_ICMP)
		item = (struct policy_ports) {IPPROTO_ICMP, 0, UINT16_MAX};
	else if (!item.first)
		item.first = 1; /* of a range: 0 cannot be said */
	MEM_PUSH(ports, item);
}

/* TCP's first, ICMP last. */
static int rank(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP ? UINT16_MAX : protocol;
}

static int compare_ports(const void *a, const void *b)
{
	const struct policy_ports *x = a, *y = b;

	if (x->protocol != y->protocol)
		return rank(x->protocol) - rank(y->protocol);
	return x->first != y->first ? (int)x->first - (int)y->first : (int)x->last - (int)y->last;
}

/* In order; what touches is one range, which says the same. */
void plan_ports_normalise(struct plan_ports *ports)
{
	size_t kept = 0;

	if (ports->len)
		qsort(ports->items, ports->len, sizeof(*ports->items), compare_ports);
	for (size_t i = 0; i < ports->len; i++) {
		const struct policy_ports *next = &ports->items[i];
		struct policy_ports *last = kept ? &ports->items[kept - 1] : NULL;

		if (!last || last->protocol != next->protocol || next->first > last->last + 1u)
			ports->items[kept++] = *next;
		else if (next->last > last->last)
			last->last = next->last;
	}
	ports->len = kept;
}

static void print_one(const struct policy_ports *p, struct buf *out)
{
	static const char *const suffixes[] = {[IPPROTO_UDP] = "/udp", [IPPROTO_SCTP] = "/sctp"};

	if (p->protocol == IPPROTO_ICMP) {
		buf_str(out, "icmp");
		return;
	}
	if (p->first == p->last)
		buf_printf(out, "%u", p->first);
	else
		buf_printf(out, "%u-%u", p->first, p->last);
	if (p->protocol != IPPROTO_TCP)
		buf_str(out, suffixes[p->protocol]);
}

void plan_ports_print(const struct plan_ports *ports, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < ports->len; i++) {
		if (i)
			buf_str(out, ", ");
		print_one(&ports->items[i], out);
	}
	buf_char(out, ']');
}

static bool same_ports(const struct learn_pair *a, const struct learn_pair *b)
{
	return a->protocol == b->protocol && a->range == b->range && a->port == b->port &&
	       a->port_last == b->port_last && a->published_port == b->published_port;
}

/* ---- a rule ---- */

void plan_rule_done(struct plan_rule *r)
{
	free(r->from);
	free(r->to);
	free(r->ports.items);
	free(r->note);
	free(r->tested);
}

static void count(struct plan_rule *r, const struct learn_pair *p)
{
	r->range |= p->range && p->port_last > p->port;
	r->flows += p->allowed + p->audited;
	r->refused += p->refused;
	if (p->last > r->last)
		r->last = p->last;
}

/* A flow between two documents is tested in one of them: that of containers without a project, where all names are
 * plain, else the destination's. */
static bool tests_here(const struct plan_document *d, const struct learn_pair *p)
{
	if (p->from.kind != LEARN_CONTAINER || p->to.kind != LEARN_CONTAINER)
		return true;
	if (!p->from.project || !p->to.project)
		return !d->project;
	return plan_document_has(d, &p->to);
}

static bool touches(const struct plan_document *d, const struct learn_pair *p)
{
	return plan_document_has(d, &p->from) || plan_document_has(d, &p->to);
}

/* ---- between containers, and with the host ---- */

static bool same_ends(const struct learn_pair *a, const struct learn_pair *b)
{
	return plan_compare_ends(&a->from, &b->from) == 0 && plan_compare_ends(&a->to, &b->to) == 0;
}

/* The pairs stand in the order of their ends. */
static void make_inside(const struct plan *p, struct plan_document *d)
{
	const struct learn_pair *before = NULL;

	for (size_t i = 0; i < p->pairs.len; i++) {
		const struct learn_pair *pair = p->pairs.items[i];
		struct plan_rule fresh = {.action = POLICY_ALLOW};

		if (pair_outside((struct learn_pair *)pair) || !touches(d, pair))
			continue;
		if (!before || !same_ends(before, pair)) {
			fresh.from = plan_name_peer(d, &pair->from);
			fresh.to = plan_name_peer(d, &pair->to);
			fresh.is_test = tests_here(d, pair);
			MEM_PUSH(&d->rules, fresh);
		}
		before = pair;
		plan_ports_add(&d->rules.items[d->rules.len - 1].ports, pair);
		count(&d->rules.items[d->rules.len - 1], pair);
	}
}

/* ---- with outside ---- */

static bool comes_in(const struct learn_pair *p)
{
	return p->from.kind == LEARN_OUTSIDE;
}

static const struct learn_end *inside_of(const struct learn_pair *p)
{
	return comes_in(p) ? &p->to : &p->from;
}

/* By the container, the way and the port, so that the addresses stand side by side. */
static int compare_spots(const void *a, const void *b)
{
	const struct learn_pair *const *x = a, *const *y = b;
	struct learn_pair p = **x, q = **y;
	int r = plan_compare_ends(inside_of(*x), inside_of(*y));

	if (r == 0)
		r = (int)comes_in(*x) - (int)comes_in(*y);
	if (r == 0)
		r = (int)p.published_port - (int)q.published_port;
	if (r == 0)
		r = (int)p.protocol - (int)q.protocol;
	if (r == 0)
		r = (int)p.range - (int)q.range;
	if (r == 0)
		r = (int)p.port - (int)q.port;
	if (r == 0)
		r = (int)p.port_last - (int)q.port_last;
	return r ? r : learn_pair_compare(*x, *y);
}

/* One address's range of ports is none of another's. */
static bool same_spot(const struct learn_pair *a, const struct learn_pair *b)
{
	return comes_in(a) == comes_in(b) && plan_compare_ends(inside_of(a), inside_of(b)) == 0 &&
	       same_ports(a, b);
}

static char *one_address(const struct learn_pair *p)
{
	const struct learn_end *outside = comes_in(p) ? &p->from : &p->to;
	char text[ADDR_TEXT_SIZE];

	if (!addr_is_set(&outside->addr) || outside->block)
		return NULL;
	addr_format(&outside->addr, text);
	return outside->addr.family == AF_INET6 ? mem_printf("\"%s\"", text) : mem_strdup(text);
}

/* The rule of the N pairs of one spot. */
static struct plan_rule rule_of(const struct plan *p, const struct plan_document *d,
				const struct learn_pair *const *pairs, size_t n)
{
	bool in = comes_in(pairs[0]), published = pairs[0]->published_port != 0;
	struct plan_rule r = {.action = published ? POLICY_PUBLISH : POLICY_ALLOW, .is_test = true};
	struct plan_addresses a = {.items = NULL};
	char *peers, *name = plan_name_peer(d, inside_of(pairs[0]));

	for (size_t i = 0; i < n; i++) {
		plan_addresses_add(&a, in ? &pairs[i]->from : &pairs[i]->to);
		plan_ports_add(&r.ports, pairs[i]);
		count(&r, pairs[i]);
		if (!r.tested)
			r.tested = one_address(pairs[i]);
	}
	peers = plan_addresses_print(p, &a, published ? "any" : "world", &r.note);
	r.from_outside = in;
	r.to_outside = !in;
	r.from = in ? peers : name;
	r.to = in ? name : peers;
	free(a.items);
	return r;
}

static bool may_join(const struct plan_rule *a, const struct plan_rule *b)
{
	return a->action == b->action && strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0;
}

/* Ports that the same do from or to the same addresses are of one rule. */
static void add_rule(struct plan_document *d, size_t from, struct plan_rule *r)
{
	for (size_t i = from; i < d->rules.len; i++) {
		struct plan_rule *known = &d->rules.items[i];

		if (!may_join(known, r))
			continue;
		for (size_t k = 0; k < r->ports.len; k++)
			MEM_PUSH(&known->ports, r->ports.items[k]);
		known->flows += r->flows;
		known->refused += r->refused;
		known->range |= r->range;
		known->last = r->last > known->last ? r->last : known->last;
		plan_rule_done(r);
		return;
	}
	MEM_PUSH(&d->rules, *r);
}

static struct plan_pairs outside_pairs(const struct plan *p, const struct plan_document *d)
{
	struct plan_pairs found = {.items = NULL};

	for (size_t i = 0; i < p->pairs.len; i++)
		if (pair_outside((struct learn_pair *)p->pairs.items[i]) &&
		    touches(d, p->pairs.items[i]))
			MEM_PUSH(&found, p->pairs.items[i]);
	if (found.len)
		qsort(found.items, found.len, sizeof(*found.items), compare_spots);
	return found;
}

static void make_outside(const struct plan *p, struct plan_document *d)
{
	struct plan_pairs pairs = outside_pairs(p, d);
	size_t from = d->rules.len;

	for (size_t i = 0, n; i < pairs.len; i += n) {
		struct plan_rule r;

		for (n = 1; i + n < pairs.len && same_spot(pairs.items[i], pairs.items[i + n]);)
			n++;
		/* Rules are joined with those of the same container only. */
		if (i &&
		    plan_compare_ends(inside_of(pairs.items[i - 1]), inside_of(pairs.items[i])))
			from = d->rules.len;
		r = rule_of(p, d, pairs.items + i, n);
		add_rule(d, from, &r);
	}
	free(pairs.items);
}

void plan_rules_make(const struct plan *p, struct plan_document *d)
{
	make_inside(p, d);
	make_outside(p, d);
	for (size_t i = 0; i < d->rules.len; i++)
		plan_ports_normalise(&d->rules.items[i].ports);
}
