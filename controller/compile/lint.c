#include "quaywall/compile.h"

#include <string.h>

#include "quaywall/mem.h"
#include "shadow.h"

/* What is looked through: one document with its instances. */
struct lint {
	const struct compiled *c;
	const struct model *model;
	const struct policy_document *doc;
	struct policy_problems *p;
	bool invented; /* the model says nothing about what exists */
	bool idle; /* the document governs nothing, so its other selectors hardly select either */
};

typedef bool (*endpoint_test)(const struct lint *l, const struct compile_instance *in,
			      const void *what, size_t endpoint);

/* Whether TEST holds for an endpoint in some instance of the document. */
static bool some_endpoint(const struct lint *l, endpoint_test test, const void *what)
{
	for (size_t i = 0; i < compile_instances(l->c); i++) {
		const struct compile_instance *in = compile_instance(l->c, i);

		if (in->document != l->doc)
			continue;
		for (size_t e = 0; e < l->model->nendpoints; e++)
			if (l->model->endpoints[e].container != MODEL_NONE && test(l, in, what, e))
				return true;
	}
	return false;
}

/* ---- selectors that select nothing ---- */

static bool is_governed(const struct lint *l, const struct compile_instance *in, const void *what,
			size_t endpoint)
{
	(void)what;
	return compile_governs(l->c, in, endpoint);
}

static bool is_selected(const struct lint *l, const struct compile_instance *in, const void *what,
			size_t endpoint)
{
	return compile_selects(l->c, in, what, endpoint);
}

static bool has_instance(const struct lint *l)
{
	for (size_t i = 0; i < compile_instances(l->c); i++)
		if (compile_instance(l->c, i)->document == l->doc)
			return true;
	return false;
}

/* Returns whether the document governs something. */
static bool check_governs(const struct lint *l)
{
	const struct selector *s = l->doc->governs;

	if (!s || some_endpoint(l, is_governed, NULL))
		return true;
	if (!has_instance(l))
		policy_problem_add(l->p, POLICY_WARNING, &s->where,
				   "no project matches '%s', so the template holds for none",
				   l->doc->scope);
	else
		policy_problem_add(l->p, POLICY_WARNING, &s->where,
				   "%s governs no running container", l->doc->name);
	return false;
}

static void check_selector(const struct lint *l, const struct selector *s, const char *what)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (some_endpoint(l, is_selected, s))
		return;
	policy_selector_print(l->doc, s, &text);
	policy_problem_add(l->p, POLICY_WARNING, &s->where, "%s%s selects no running container",
			   what, buf_text(&text));
}

static void check_peers(const struct lint *l, const struct policy_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* A group that selects nothing is told once, where it is defined. */
		if (peers[i].kind == PEER_SELECTOR && peers[i].selector->kind != SELECTOR_GROUP)
			check_selector(l, peers[i].selector, "");
	}
}

static void check_groups(const struct lint *l)
{
	for (size_t i = 0; i < l->doc->ngroups; i++) {
		const struct policy_group *g = &l->doc->groups[i];

		if (!some_endpoint(l, is_selected, g->selector))
			policy_problem_add(l->p, POLICY_WARNING, &g->where,
					   "group '%s' selects no running container", g->name);
	}
}

/* ---- publish rules ---- */

struct publication {
	const struct policy_rule *rule;
	const struct policy_ports *ports;
};

static bool is_end_of(const struct lint *l, const struct compile_instance *in,
		      const struct policy_rule *rule, size_t endpoint)
{
	for (size_t i = 0; i < rule->nto; i++)
		if (rule->to[i].kind != PEER_SELECTOR ||
		    compile_selects(l->c, in, rule->to[i].selector, endpoint))
			return true;
	return false;
}

static bool is_member(const struct lint *l, const struct compile_instance *in, const void *what,
		      size_t endpoint)
{
	return is_end_of(l, in, what, endpoint);
}

static bool is_published(const struct lint *l, const struct compile_instance *in, const void *what,
			 size_t endpoint)
{
	const struct publication *pub = what;
	const struct model_container *k =
		&l->model->containers[l->model->endpoints[endpoint].container];

	if (!is_end_of(l, in, pub->rule, endpoint))
		return false;
	for (size_t i = 0; i < k->nports; i++)
		if (k->ports[i].protocol == pub->ports->protocol &&
		    k->ports[i].host_port >= pub->ports->first &&
		    k->ports[i].host_port <= pub->ports->last)
			return true;
	return false;
}

static void check_published(const struct lint *l, const struct policy_rule *rule)
{
	/* That `to` selects nothing is a warning of its own. */
	if (!some_endpoint(l, is_member, rule))
		return;
	for (size_t i = 0; i < rule->nports; i++) {
		struct publication pub = {.rule = rule, .ports = &rule->ports[i]};
		CLEANUP_BUF struct buf text = BUF_INIT;

		if (some_endpoint(l, is_published, &pub))
			continue;
		policy_ports_print(pub.ports, &text);
		policy_problem_add(l->p, POLICY_WARNING, &rule->where,
				   "no container of this rule's `to` publishes %s",
				   buf_text(&text));
	}
}

/* The managed network with a subnet that holds all of CIDR, or NULL. */
static const struct model_network *network_of(const struct model *m, const struct prefix *cidr)
{
	for (size_t i = 0; i < m->nnetworks; i++)
		for (size_t j = 0; j < m->networks[i].nsubnets; j++)
			if (model_network_is_managed(&m->networks[i]) &&
			    prefix_contains_prefix(&m->networks[i].subnets[j], cidr))
				return &m->networks[i];
	return NULL;
}

/* `from` of publish speaks of outside: an address of this host's own side never matches. */
static void check_source(const struct lint *l, const struct policy_peer *peer)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct flow_end end = compile_end_of_addr(l->c, &peer->cidr.addr);
	const struct model_network *n = network_of(l->model, &peer->cidr);
	bool single = peer->cidr.len == 8 * addr_size(peer->cidr.addr.family);

	if (single && end.kind == END_ENDPOINT) {
		size_t container = l->model->endpoints[end.endpoint].container;

		buf_str(&text, "the address of ");
		if (container == MODEL_NONE)
			buf_str(&text, "an endpoint");
		else
			model_container_title(&l->model->containers[container], &text);
	} else if (single && end.kind == END_HOST) {
		buf_str(&text, "the host's own address");
	} else if (n) {
		buf_printf(&text, "in the network %s of this host's containers", n->name);
	} else {
		return;
	}
	policy_problem_add(l->p, POLICY_WARNING, &peer->where,
			   "`from` of publish speaks of outside, but this is %s: it never matches",
			   buf_text(&text));
}

/* ---- what needs no model ---- */

static void check_except(const struct lint *l, const struct policy_peer *peer)
{
	CLEANUP_RANGES struct ranges left = {0};

	if (peer->kind != PEER_CIDR || !peer->nexcept)
		return;
	shadow_peer_ranges(peer, &left);
	if (!left.len)
		policy_problem_add(l->p, POLICY_WARNING, &peer->where,
				   "`except` leaves nothing of the block");
}

static void check_shadow(const struct lint *l, size_t rule)
{
	const struct policy_rule *later = &l->doc->rules[rule];

	for (size_t i = 0; i < rule; i++) {
		const struct policy_rule *earlier = &l->doc->rules[i];

		if (!shadow_covers(l->doc, earlier, later))
			continue;
		policy_problem_add(l->p, POLICY_WARNING, &later->where,
				   "the rule says nothing new: the one in line %u covers it",
				   earlier->where.line);
		return;
	}
}

static void check_rule(const struct lint *l, size_t index)
{
	const struct policy_rule *rule = &l->doc->rules[index];

	check_shadow(l, index);
	for (size_t i = 0; i < rule->nfrom; i++)
		check_except(l, &rule->from[i]);
	for (size_t i = 0; i < rule->nto; i++)
		check_except(l, &rule->to[i]);
	if (l->invented || l->idle)
		return;
	check_peers(l, rule->from, rule->nfrom);
	check_peers(l, rule->to, rule->nto);
	if (rule->action != POLICY_PUBLISH)
		return;
	check_published(l, rule);
	for (size_t i = 0; i < rule->nfrom; i++)
		if (rule->from[i].kind == PEER_CIDR)
			check_source(l, &rule->from[i]);
}

void compile_lint(const struct compiled *c, struct policy_problems *p)
{
	const struct policy_set *set = compile_policies(c);
	struct lint l = {.c = c, .model = compile_model(c), .p = p};

	l.invented = !strcmp(l.model->engine_name, COMPILE_INVENTED);
	for (size_t d = 0; d < set->ndocuments; d++) {
		l.doc = &set->documents[d];
		l.idle = !l.invented && !check_governs(&l);
		if (!l.invented && !l.idle)
			check_groups(&l);
		for (size_t r = 0; r < l.doc->nrules; r++)
			check_rule(&l, r);
	}
}
