#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define NAME_MAX_BYTES 64 /* it stands in comments of set elements, which hold 128 */

const char *action_name(enum policy_action action)
{
	static const char *const names[] = {
		[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_PUBLISH] = "publish"};
	return names[action];
}

void rule_done(struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->nfrom; i++)
		peer_done(&rule->from[i]);
	for (size_t i = 0; i < rule->nto; i++)
		peer_done(&rule->to[i]);
	free(rule->from);
	free(rule->to);
	free(rule->ports);
	free(rule->name);
}

static void check_keys(struct policy_problems *p, const struct node *n, enum policy_action action)
{
	static const char *const allow[] = {"from", "to", "ports", "name", "log", "limit", NULL};
	static const char *const deny[] = {"from", "to", "ports", "name", "log", "limit", NULL};
	static const char *const publish[] = {"to", "port", "from", "name", "log", "limit", NULL};
	static const char *const *const known[] = {
		[POLICY_ALLOW] = allow, [POLICY_DENY] = deny, [POLICY_PUBLISH] = publish};
	const struct node *limit = keys_node(n, "limit");

	keys_check(p, n, known[action]);
	if (action == POLICY_DENY && limit)
		problem_error(p, &limit->where,
			      "\"limit\" in deny (expected it in allow or publish only)");
}

static void read_ends(struct reader *r, const struct node *n, struct policy_rule *rule)
{
	bool publish = rule->action == POLICY_PUBLISH;
	const struct node *from =
		keys_require(r->problems, n, "from",
			     publish ? "who outside may reach it" : "who begins the flow");
	const struct node *to = keys_require(
		r->problems, n, "to", publish ? "the container that publishes" : "whom it reaches");

	if (from)
		peers_read(r, from, "from", publish ? PLACE_PUBLISH_FROM : PLACE_RULE, &rule->from,
			   &rule->nfrom);
	if (to)
		peers_read(r, to, "to", publish ? PLACE_PUBLISH_TO : PLACE_RULE, &rule->to,
			   &rule->nto);
}

static void read_rest(struct reader *r, const struct node *n, struct policy_rule *rule)
{
	const struct node *name = keys_get(n, "name"), *log = keys_get(n, "log"),
			  *limit = keys_get(n, "limit");

	if (name)
		rule->name = scalar_words(r->problems, name, "name", NAME_MAX_BYTES);
	if (log)
		scalar_bool(r->problems, log, "log", &rule->log);
	if (limit && rule->action != POLICY_DENY)
		limit_read(r->problems, limit, &rule->limit);
}

static void read_ports(struct reader *r, const struct node *n, struct policy_rule *rule)
{
	bool publish = rule->action == POLICY_PUBLISH;
	const struct node *ports =
		publish ? keys_require(r->problems, n, "port", "the published port, as in 8443/tcp")
			: keys_get(n, "ports");

	if (ports)
		ports_read(r->problems, ports, publish ? "port" : "ports", publish, &rule->ports,
			   &rule->nports);
}

static struct policy_rule read_rule(struct reader *r, const struct node *n,
				    enum policy_action action)
{
	struct policy_rule rule = {.action = action, .where = n->where};

	check_keys(r->problems, n, action);
	read_ends(r, n, &rule);
	read_ports(r, n, &rule);
	read_rest(r, n, &rule);
	return rule;
}

void rules_read(struct reader *r, const struct node *n, enum policy_action action)
{
	struct policy_document *doc = r->doc;
	const char *form =
		action == POLICY_PUBLISH ? "{to: …, port: …, from: …}" : "{from: …, to: …}";
	char *forms CLEANUP_FREE = mem_printf("a list of %s", form);

	if (!keys_is_list(r->problems, n, action_name(action), forms))
		return;
	for (size_t i = 0; i < n->nitems; i++) {
		if (!keys_is_mapping(r->problems, n->items[i], action_name(action), form))
			continue;
		struct policy_rule rule = read_rule(r, n->items[i], action);
		doc->rules = array_grow(doc->rules, doc->nrules, sizeof(rule));
		doc->rules[doc->nrules++] = rule;
	}
}
