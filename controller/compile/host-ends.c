#include "host-ends.h"

#include "quaywall/mem.h"

static bool peer_tells_apart(const struct policy_peer *peer, const struct addr *a,
			     const struct addr *b)
{
	if (peer->kind != PEER_CIDR)
		return false;
	if (prefix_contains(&peer->cidr, a) != prefix_contains(&peer->cidr, b))
		return true;
	for (size_t i = 0; i < peer->nexcept; i++)
		if (prefix_contains(&peer->except[i], a) != prefix_contains(&peer->except[i], b))
			return true;
	return false;
}

static bool rule_tells_apart(const struct policy_rule *rule, const struct addr *a,
			     const struct addr *b)
{
	for (size_t i = 0; i < rule->nfrom; i++)
		if (peer_tells_apart(&rule->from[i], a, b))
			return true;
	for (size_t i = 0; i < rule->nto; i++)
		if (peer_tells_apart(&rule->to[i], a, b))
			return true;
	return false;
}

static bool told_apart(const struct policy_set *set, const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return true;
	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t r = 0; r < set->documents[d].nrules; r++)
			if (rule_tells_apart(&set->documents[d].rules[r], a, b))
				return true;
	return false;
}

static bool is_loopback(const struct addr *a)
{
	static const struct prefix v4 = {{AF_INET, {127}}, 8};
	static const struct prefix v6 = {{AF_INET6, {[15] = 1}}, 128};

	return prefix_contains(&v4, a) || prefix_contains(&v6, a);
}

static void add_addr(const struct compiled *c, const struct addr *a, struct flow_ends *ret)
{
	struct flow_end end = {.kind = END_HOST, .addr = *a};

	/* No container reaches the host's loopback addresses. */
	if (is_loopback(a))
		return;
	for (size_t i = 0; i < ret->len; i++)
		if (!told_apart(compile_policies(c), &ret->items[i].addr, a))
			return;
	MEM_PUSH(ret, end);
}

void host_ends(const struct compiled *c, struct flow_ends *ret)
{
	const struct model *m = compile_model(c);
	struct flow_end any = {.kind = END_HOST};

	for (size_t i = 0; i < m->nnetworks; i++)
		for (size_t g = 0; g < m->networks[i].ngateways; g++)
			if (model_network_is_managed(&m->networks[i]))
				add_addr(c, &m->networks[i].gateways[g], ret);
	for (size_t i = 0; i < m->ninterfaces; i++)
		for (size_t a = 0; a < m->interfaces[i].naddrs; a++)
			add_addr(c, &m->interfaces[i].addrs[a].addr, ret);
	if (!ret->len)
		MEM_PUSH(ret, any);
}

void flow_ends_done(struct flow_ends *e)
{
	free(e->items);
	*e = (struct flow_ends) {0};
}
