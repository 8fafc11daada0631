#include "compile-internal.h"

/*
 * `addresses:` gives addresses that a container may hold besides its own to the one identity that the
 * document governs.
 */

static struct identity *only_governed(struct compiled *c, const struct instance *in,
				      size_t *ret_count)
{
	struct identity *only = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < c->nmanaged; i++) {
		if (!identity_governed(c, in, &c->identities.items[i]))
			continue;
		only = &c->identities.items[i];
		++*ret_count;
	}
	return only;
}

/* What holds an address of the prefix already, or NULL. */
static const char *collides(const struct compiled *c, const struct prefix *p)
{
	const struct model *m = c->model;

	for (size_t i = 0; i < c->addrs.len; i++) {
		if (prefix_contains(p, &c->addrs.items[i].addr))
			return "an endpoint's";
	}
	for (size_t i = 0; i < m->ninterfaces; i++) {
		for (size_t n = 0; n < m->interfaces[i].naddrs; n++) {
			if (prefix_contains(p, &m->interfaces[i].addrs[n].addr))
				return "the host's";
		}
	}
	return NULL;
}

static bool check(const struct compiled *c, const struct policy_document *doc, size_t count,
		  struct policy_problems *p)
{
	bool fine = true;

	if (count > 1) {
		if (p)
			policy_problem_add(p, POLICY_ERROR, &doc->addresses_where[0],
					   "`addresses` of a document that governs %zu identities "
					   "(expected one)",
					   count);
		return false;
	}
	for (size_t i = 0; i < doc->naddresses; i++) {
		const char *holder = collides(c, &doc->addresses[i]);
		char text[ADDR_TEXT_SIZE];

		if (!holder)
			continue;
		fine = false;
		if (p)
			policy_problem_add(p, POLICY_ERROR, &doc->addresses_where[i],
					   "%s holds %s address (expected addresses that nobody "
					   "else has)",
					   prefix_format(&doc->addresses[i], text), holder);
	}
	return fine;
}

/* Link-local addresses are a container's, or nobody's, wherever a bridge is involved. */
static void find_reach(struct compiled *c)
{
	static const struct prefix link_local = {{AF_INET6, {0xfe, 0x80}}, 10};

	for (size_t i = 0; i < c->subnets.len; i++)
		ranges_add(&c->reach, c->subnets.items[i]);
	ranges_add_prefix(&c->reach, &link_local);
	ranges_normalise(&c->reach);
	ranges_add_prefix(&c->containers, &link_local);
	ranges_normalise(&c->containers);
}

void extra_build(struct compiled *c, struct policy_problems *p)
{
	for (size_t i = 0; i < c->instances.len; i++) {
		const struct policy_document *doc = c->instances.items[i].public.document;
		struct identity *id;
		size_t count;

		if (!doc->naddresses)
			continue;
		c->gives_addresses = true;
		id = only_governed(c, &c->instances.items[i], &count);
		if (!check(c, doc, count, p) || !id)
			continue;
		for (size_t a = 0; a < doc->naddresses; a++) {
			ranges_add_prefix(&id->extra, &doc->addresses[a]);
			ranges_add_prefix(&c->subnets, &doc->addresses[a]);
			ranges_add_prefix(&c->containers, &doc->addresses[a]);
		}
		ranges_normalise(&id->extra);
	}
	ranges_normalise(&c->subnets);
	find_reach(c);
}
