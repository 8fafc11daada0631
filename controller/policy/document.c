#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

void document_done(struct policy_document *doc)
{
	for (size_t i = 0; i < doc->ngroups; i++) {
		free(doc->groups[i].name);
		selector_free(doc->groups[i].selector);
	}
	for (size_t i = 0; i < doc->nrules; i++)
		rule_done(&doc->rules[i]);
	for (size_t i = 0; i < doc->nexpects; i++)
		expect_done(&doc->expects[i]);
	selector_free(doc->governs);
	free(doc->groups);
	free(doc->rules);
	free(doc->expects);
	free(doc->addresses);
	free(doc->addresses_where);
	free(doc->scope);
	free(doc->name);
}

static bool is_name(const char *text)
{
	static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(text);

	return len >= 1 && len <= 63 && strspn(text, inner) == len && !strchr("._-", text[0]);
}

static void read_name(struct reader *r, const struct node *root)
{
	char word[CLIP_SIZE];
	const struct node *n = keys_require(r->problems, root, "policy", "the policy's name");

	if (!n || !keys_is_text(r->problems, n, "policy", "the policy's name"))
		return;
	r->doc->where = keys_node(root, "policy")->where;
	if (is_name(n->text))
		r->doc->name = mem_strdup(n->text);
	else
		problem_error(r->problems, &n->where,
			      "\"%s\" is no name of a policy (expected [a-z0-9][a-z0-9._-]{0,62})",
			      clip(n->text, word));
}

/* The project at the top of `for`: the scope of every selector that names none. */
static void take_scope(struct policy_document *doc)
{
	const struct selector *s = doc->governs;

	if (!s || s->kind != SELECTOR_ALL)
		return;
	for (size_t i = 0; i < s->nchildren; i++) {
		if (s->children[i]->kind != SELECTOR_PROJECT || !s->children[i]->pattern)
			continue;
		doc->is_template = pattern_has_wildcard(s->children[i]->pattern);
		doc->scope = doc->is_template ? mem_strdup(s->children[i]->pattern)
					      : pattern_unescape(s->children[i]->pattern);
		return;
	}
}

static void read_for(struct reader *r, const struct node *root)
{
	const char *forms = "the containers it governs: {KEY: VALUE, …}, a list of them, or all";
	const struct node *n = keys_require(r->problems, root, "for", forms);

	if (!n)
		return;
	if (node_is_empty(n)) {
		keys_is_text(r->problems, n, "for", forms);
		return;
	}
	if (n->kind == NODE_SCALAR && strcmp(n->text, "all") == 0)
		return;
	r->doc->governs = selector_read(r, n, "for", true);
	take_scope(r->doc);
}

static void read_direction(struct reader *r, const struct node *n)
{
	static const struct choice choices[] = {
		{"ingress", POLICY_INGRESS}, {"egress", POLICY_EGRESS}, {NULL, 0}};
	int direction;

	if (!scalar_choice(r->problems, n, "isolate", choices, &direction))
		return;
	if (r->doc->isolate & (unsigned)direction)
		problem_error(r->problems, &n->where, "%s stands twice (expected it once)",
			      n->text);
	r->doc->isolate |= (unsigned)direction;
}

static void read_isolate(struct reader *r, const struct node *root)
{
	const struct node *n = keys_get(root, "isolate");

	r->doc->isolate = n ? 0 : POLICY_INGRESS | POLICY_EGRESS;
	if (!n)
		return;
	if (n->kind == NODE_SCALAR && !node_is_empty(n)) {
		read_direction(r, n);
		return;
	}
	if (n->kind == NODE_SEQUENCE && n->nitems == 0)
		return;
	if (!keys_is_list(r->problems, n, "isolate", "a list of ingress, egress, or []"))
		return;
	for (size_t i = 0; i < n->nitems; i++)
		read_direction(r, n->items[i]);
}

static void read_mode(struct reader *r, const struct node *root)
{
	static const struct choice choices[] = {
		{"enforce", POLICY_ENFORCE}, {"audit", POLICY_AUDIT}, {NULL, 0}};
	const struct node *n = keys_get(root, "mode");
	int mode;

	if (n && scalar_choice(r->problems, n, "mode", choices, &mode))
		r->doc->mode = (enum policy_mode)mode;
}

static void read_address(struct reader *r, const struct node *n)
{
	struct policy_document *doc = r->doc;
	struct prefix prefix;

	if (!cidr_read(r->problems, n, "addresses", &prefix))
		return;
	doc->addresses = array_grow(doc->addresses, doc->naddresses, sizeof(prefix));
	doc->addresses_where =
		array_grow(doc->addresses_where, doc->naddresses, sizeof(struct policy_where));
	doc->addresses[doc->naddresses] = prefix;
	doc->addresses_where[doc->naddresses++] = n->where;
}

static void read_addresses(struct reader *r, const struct node *root)
{
	const struct node *n = keys_get(root, "addresses");

	if (!n)
		return;
	if (n->kind == NODE_SCALAR && !node_is_empty(n)) {
		read_address(r, n);
		return;
	}
	if (!keys_is_list(r->problems, n, "addresses", "a list of addresses and blocks"))
		return;
	for (size_t i = 0; i < n->nitems; i++)
		read_address(r, n->items[i]);
}

static int compare_rules(const void *a, const void *b)
{
	const struct policy_where *x = &((const struct policy_rule *)a)->where,
				  *y = &((const struct policy_rule *)b)->where;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

static void read_rules(struct reader *r, const struct node *root)
{
	static const enum policy_action actions[] = {POLICY_ALLOW, POLICY_DENY, POLICY_PUBLISH};
	struct policy_document *doc = r->doc;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const struct node *n = keys_get(root, action_name(actions[i]));
		if (n)
			rules_read(r, n, actions[i]);
	}
	if (doc->nrules)
		qsort(doc->rules, doc->nrules, sizeof(*doc->rules), compare_rules);
}

/* Compose's extension fields: a place for anchors, without meaning of its own. */
static bool is_extension(const struct node *key)
{
	return key->kind == NODE_SCALAR && strncmp(key->text, "x-", 2) == 0;
}

static void check_keys(struct reader *r, const struct node *root)
{
	static const char *const known[] = {"policy", "for",	   "isolate", "mode",
					    "groups", "allow",	   "deny",    "publish",
					    "expect", "addresses", NULL};
	struct node rest = {.kind = NODE_MAPPING, .where = root->where};

	rest.items = mem_new(root->nitems, sizeof(struct node *));
	for (size_t i = 0; i < root->nitems; i += 2) {
		if (is_extension(root->items[i]))
			continue;
		rest.items[rest.nitems++] = root->items[i];
		rest.items[rest.nitems++] = root->items[i + 1];
	}
	keys_check(r->problems, &rest, known);
	free(rest.items);
}

static void read_parts(struct reader *r, const struct node *root)
{
	const struct node *groups = keys_get(root, "groups"), *expects = keys_get(root, "expect");

	check_keys(r, root);
	read_name(r, root);
	read_for(r, root);
	read_isolate(r, root);
	read_mode(r, root);
	read_addresses(r, root);
	if (groups)
		groups_read(r, groups);
	read_rules(r, root);
	if (expects)
		expects_read(r, expects);
	groups_check(r);
}

/* A file for a cluster in the policy directory: one error says more than one for each key. */
static bool is_kubernetes(const struct node *root)
{
	return keys_get(root, "apiVersion") && keys_get(root, "kind") && !keys_get(root, "policy");
}

void document_read(struct policy_set *set, const struct node *n, struct policy_problems *p)
{
	struct policy_document doc = {.where = n->where};
	struct reader r = {.problems = p, .doc = &doc};

	if (n->kind != NODE_MAPPING) {
		problem_error(p, &n->where, "the document is %s (expected policy: NAME, for: …)",
			      node_kind_name(n));
		return;
	}
	if (is_kubernetes(n)) {
		problem_error(
			p, &n->where,
			"Kubernetes documents are not supported yet (expected policy: NAME, for: …)");
		return;
	}
	read_parts(&r, n);
	set->documents = array_grow(set->documents, set->ndocuments, sizeof(doc));
	set->documents[set->ndocuments++] = doc;
}
