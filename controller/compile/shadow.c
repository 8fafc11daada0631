#include "shadow.h"

#include <string.h>

#include "quaywall/mem.h"

/* ---- selectors ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What a group stands for. */
static const struct selector *resolve(const struct policy_document *doc, const struct selector *s)
{
	while (s->kind == SELECTOR_GROUP)
		s = doc->groups[s->group].selector;
	return s;
}

static bool same_selector(const struct policy_document *doc, const struct selector *a,
			  const struct selector *b)
{
	a = resolve(doc, a);
	b = resolve(doc, b);
	if (a->kind != b->kind || a->nchildren != b->nchildren || !same_text(a->key, b->key) ||
	    !same_text(a->pattern, b->pattern))
		return false;
	for (size_t i = 0; i < a->nchildren; i++)
		if (!same_selector(doc, a->children[i], b->children[i]))
			return false;
	return true;
}

/* How many projects are named within. */
static size_t count_projects(const struct policy_document *doc, const struct selector *s)
{
	size_t n;

	s = resolve(doc, s);
	n = s->kind == SELECTOR_PROJECT;
	for (size_t i = 0; i < s->nchildren; i++)
		n += count_projects(doc, s->children[i]);
	return n;
}

static bool has_child(const struct policy_document *doc, const struct selector *s,
		      const struct selector *child)
{
	for (size_t i = 0; i < s->nchildren; i++)
		if (same_selector(doc, s->children[i], child))
			return true;
	return false;
}

/* Equal, or B has all of A's conditions and more, or A is a list and covers B with one item. */
static bool selector_covers(const struct policy_document *doc, const struct selector *a,
			    const struct selector *b)
{
	a = resolve(doc, a);
	b = resolve(doc, b);
	if (same_selector(doc, a, b))
		return true;
	/* The project that the scope gives to what names none stands in neither. */
	if (doc->scope && count_projects(doc, a) != count_projects(doc, b))
		return false;
	if (b->kind == SELECTOR_ANY) {
		for (size_t i = 0; i < b->nchildren; i++)
			if (!selector_covers(doc, a, b->children[i]))
				return false;
		return true;
	}
	if (a->kind == SELECTOR_ANY) {
		for (size_t i = 0; i < a->nchildren; i++)
			if (selector_covers(doc, a->children[i], b))
				return true;
		return false;
	}
	if (a->kind != SELECTOR_ALL || b->kind != SELECTOR_ALL)
		return false;
	for (size_t i = 0; i < a->nchildren; i++)
		if (!has_child(doc, b, a->children[i]))
			return false;
	return true;
}

/* ---- peers ---- */

void shadow_peer_ranges(const struct policy_peer *peer, struct ranges *ret)
{
	CLEANUP_RANGES struct ranges except = {0}, block = {0};

	ranges_add_prefix(&block, &peer->cidr);
	for (size_t i = 0; i < peer->nexcept; i++)
		ranges_add_prefix(&except, &peer->except[i]);
	ranges_normalise(&block);
	ranges_normalise(&except);
	ranges_subtract(&block, &except);
	for (size_t i = 0; i < block.len; i++)
		ranges_add(ret, block.items[i]);
	ranges_normalise(ret);
}

/* OUTSIDE: the peers are `from` of publish, where every address is one from outside. */
static bool peer_covers(const struct policy_document *doc, const struct policy_peer *a,
			const struct policy_peer *b, bool outside)
{
	if (a->kind == PEER_ANY)
		return true;
	if (a->kind == PEER_WORLD)
		return b->kind == PEER_WORLD || b->kind == PEER_INTERFACE ||
		       (outside && (b->kind == PEER_ANY || b->kind == PEER_CIDR));
	if (a->kind == PEER_CONTAINERS)
		return b->kind == PEER_CONTAINERS || b->kind == PEER_SELECTOR;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case PEER_SELECTOR:
		return selector_covers(doc, a->selector, b->selector);
	case PEER_INTERFACE:
		return !strcmp(a->interface, b->interface);
	case PEER_CIDR:
		return false; /* all CIDRs together: see cidrs_cover() */
	default:
		return true;
	}
}

/* Whether the CIDRs of A's list hold together what B holds. */
static bool cidrs_cover(const struct policy_peer *a, size_t na, const struct policy_peer *b)
{
	CLEANUP_RANGES struct ranges all = {0}, rest = {0};

	if (b->kind != PEER_CIDR)
		return false;
	for (size_t i = 0; i < na; i++)
		if (a[i].kind == PEER_CIDR)
			shadow_peer_ranges(&a[i], &all);
	shadow_peer_ranges(b, &rest);
	ranges_subtract(&rest, &all);
	return !rest.len;
}

static bool peers_cover(const struct policy_document *doc, const struct policy_peer *a, size_t na,
			const struct policy_peer *b, size_t nb, bool outside)
{
	for (size_t j = 0; j < nb; j++) {
		bool covered = cidrs_cover(a, na, &b[j]);

		for (size_t i = 0; i < na; i++)
			covered = covered || peer_covers(doc, &a[i], &b[j], outside);
		if (!covered)
			return false;
	}
	return true;
}

/* ---- ports ---- */

/* The first port from AT on that A's entries of PROTOCOL do not hold. */
static uint32_t covered_until(const struct policy_rule *a, uint8_t protocol, uint32_t at)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < a->nports; i++) {
			const struct policy_ports *p = &a->ports[i];

			if (p->protocol != protocol || p->first > at || p->last < at)
				continue;
			at = p->last + 1u;
			moved = true;
		}
	}
	return at;
}

static bool ports_cover(const struct policy_rule *a, const struct policy_rule *b)
{
	if (!a->nports)
		return true;
	for (size_t i = 0; i < b->nports; i++)
		if (covered_until(a, b->ports[i].protocol, b->ports[i].first) <= b->ports[i].last)
			return false;
	return b->nports > 0;
}

bool shadow_covers(const struct policy_document *doc, const struct policy_rule *earlier,
		   const struct policy_rule *later)
{
	bool outside = later->action == POLICY_PUBLISH;

	/* Beyond an earlier rule's limit the later one still consents; and a log is an effect. */
	if (earlier->action != later->action || earlier->limit.set || (later->log && !earlier->log))
		return false;
	return ports_cover(earlier, later) &&
	       peers_cover(doc, earlier->from, earlier->nfrom, later->from, later->nfrom,
			   outside) &&
	       peers_cover(doc, earlier->to, earlier->nto, later->to, later->nto, false);
}
