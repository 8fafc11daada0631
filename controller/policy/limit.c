#include "internal.h"

#define BURST_DEFAULT 5 /* as nft(8) */

static void read_per(struct policy_problems *p, const struct node *n, struct policy_limit *ret)
{
	static const struct choice choices[] = {{"source", 1}, {NULL, 0}};
	int value;

	if (scalar_choice(p, n, "per", choices, &value))
		ret->per_source = true;
}

static void read_keys(struct policy_problems *p, const struct node *n, struct policy_limit *ret)
{
	const struct node *rate = keys_get(n, "new"), *burst = keys_get(n, "burst"),
			  *per = keys_get(n, "per"), *connections = keys_get(n, "connections");

	if (rate)
		scalar_rate(p, rate, "new", false, &ret->new_rate, &ret->new_unit);
	if (burst)
		scalar_number(p, burst, "burst", 1, UINT32_MAX, &ret->burst);
	if (per)
		read_per(p, per, ret);
	if (connections)
		scalar_number(p, connections, "connections", 1, UINT32_MAX, &ret->connections);
	if (burst && !rate)
		problem_error(p, &keys_node(n, "burst")->where,
			      "\"burst\" without \"new\" (expected both)");
	else if (!rate && !connections)
		problem_error(p, &n->where,
			      "a limit of nothing (expected \"new\", \"connections\" or both)");
}

void limit_read(struct policy_problems *p, const struct node *n, struct policy_limit *ret)
{
	static const char *const known[] = {"new", "burst", "per", "connections", NULL};

	if (!keys_is_mapping(p, n, "limit",
			     "{new: 50/second, burst: 100, per: source, connections: 20}"))
		return;
	*ret = (struct policy_limit) {
		.set = true, .where = n->where, .new_unit = POLICY_SECOND, .burst = BURST_DEFAULT};
	keys_check(p, n, known);
	read_keys(p, n, ret);
}
