#include "compile-internal.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

/*
 * Which rules hold for which identity, and what isolates it. The verdict and the ruleset are both made
 * from these lists, so they cannot tell different stories.
 */

bool protocol_is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

bool rule_has_port(const struct policy_rule *rule, uint8_t protocol, uint16_t port)
{
	if (!rule->nports)
		return true;
	for (size_t i = 0; i < rule->nports; i++) {
		const struct policy_ports *p = &rule->ports[i];

		if (p->protocol == IPPROTO_ICMP && protocol_is_icmp(protocol))
			return true;
		if (p->protocol == protocol && p->first <= port && port <= p->last)
			return true;
	}
	return false;
}

enum policy_mode document_mode(const struct compiled *c, const struct policy_document *doc)
{
	return doc->mode == POLICY_MODE_DEFAULT ? c->settings->mode : doc->mode;
}

static unsigned direction_bit(enum direction dir)
{
	return dir == DIR_INGRESS ? POLICY_INGRESS : POLICY_EGRESS;
}

/* Whether a container of a managed network can have an address of the block. */
static bool can_be_containers(const struct compiled *c, const struct prefix *p)
{
	CLEANUP_RANGES struct ranges block = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges shared = {NULL, 0, 0};

	ranges_add_prefix(&block, p);
	shared = ranges_intersect(&block, &c->reach);
	return shared.len > 0;
}

/* Whether the rule's side PEERS can mean members of the identity. */
static enum own_match own_side(const struct compiled *c, const struct instance *in,
			       const struct policy_peer *peers, size_t n, const struct identity *id)
{
	enum own_match match = OWN_NONE;

	for (size_t i = 0; i < n; i++) {
		switch (peers[i].kind) {
		case PEER_ANY:
			return OWN_ALL;
		case PEER_CONTAINERS:
			if (id->is_container)
				return OWN_ALL;
			break;
		case PEER_SELECTOR:
			if (identity_selected(c, in, peers[i].selector, id))
				return OWN_ALL;
			break;
		case PEER_CIDR:
			if (can_be_containers(c, &peers[i].cidr))
				match = OWN_CIDRS;
			break;
		case PEER_WORLD:
		case PEER_HOST:
		case PEER_INTERFACE:
			break;
		}
	}
	return match;
}

static bool speaks_for(const struct policy_document *doc, enum direction dir)
{
	return !doc->isolate || doc->isolate & direction_bit(dir);
}

static void hold(struct held_list *list, const struct held *held)
{
	if (held->own != OWN_NONE)
		MEM_PUSH(list, *held);
}

static void hold_rule(struct compiled *c, struct identity *id, struct held held)
{
	const struct policy_rule *rule = held.rule;

	for (enum direction dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
		const struct policy_peer *own = dir == DIR_INGRESS ? rule->to : rule->from;
		size_t n = dir == DIR_INGRESS ? rule->nto : rule->nfrom;

		held.own = own_side(c, held.in, own, n, id);
		if (rule->action == POLICY_DENY)
			hold(&id->deny[dir], &held);
		else if (rule->action == POLICY_ALLOW && speaks_for(held.in->public.document, dir))
			hold(&id->allow[dir], &held);
		else if (rule->action == POLICY_PUBLISH && dir == DIR_INGRESS)
			hold(&id->publish, &held);
	}
}

void causes_add(struct causes *causes, bool enforce, const struct policy_document *doc,
		const char *setting)
{
	struct cause *cause = enforce ? &causes->enforce : &causes->audit;

	if (!cause_is_set(cause))
		*cause = (struct cause) {doc, setting};
}

static void hold_instance(struct compiled *c, struct identity *id, const struct instance *in)
{
	const struct policy_document *doc = in->public.document;
	bool enforce = document_mode(c, doc) == POLICY_ENFORCE;

	for (enum direction dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
		if (doc->isolate & direction_bit(dir))
			causes_add(&id->isolated[dir], enforce, doc, NULL);
	}
	for (size_t i = 0; i < doc->nrules; i++) {
		struct held held = {.in = in, .rule = &doc->rules[i], .enforce = enforce};

		hold_rule(c, id, held);
	}
}

static void add_defaults(struct compiled *c, struct identity *id)
{
	bool enforce = c->settings->mode == POLICY_ENFORCE;

	if (!id->is_container || c->settings->containers != DEFAULT_DENY)
		return;
	causes_add(&id->isolated[DIR_INGRESS], enforce, NULL, DEFAULT_CONTAINERS);
	causes_add(&id->isolated[DIR_EGRESS], enforce, NULL, DEFAULT_CONTAINERS);
}

/* A container on which some policy has a publish rule, or that is isolated for ingress, or any under
 * `defaults.publish: deny`. */
static void add_restrictions(struct compiled *c, struct identity *id)
{
	const struct causes *isolated = &id->isolated[DIR_INGRESS];

	for (size_t i = 0; i < id->publish.len; i++) {
		const struct held *held = &id->publish.items[i];

		causes_add(&id->restricted, held->enforce, held->in->public.document, NULL);
	}
	if (cause_is_set(&isolated->enforce))
		causes_add(&id->restricted, true, isolated->enforce.document,
			   isolated->enforce.setting);
	if (cause_is_set(&isolated->audit))
		causes_add(&id->restricted, false, isolated->audit.document,
			   isolated->audit.setting);
	if (id->is_container && c->settings->publish == DEFAULT_DENY)
		causes_add(&id->restricted, c->settings->mode == POLICY_ENFORCE, NULL,
			   DEFAULT_PUBLISH);
}

/* Whether a flow of the identity can be refused, and so one that was allowed before can have been cut. */
static bool can_be_refused(const struct compiled *c, const struct identity *id)
{
	const struct settings *s = c->settings;
	bool by_default = s->containers_to_host == DEFAULT_DENY ||
			  s->host_to_containers == DEFAULT_DENY || s->publish == DEFAULT_LOCAL;

	for (enum direction dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
		if (cause_is_set(&id->isolated[dir].enforce))
			return true;
		for (size_t i = 0; i < id->deny[dir].len; i++) {
			if (id->deny[dir].items[i].enforce)
				return true;
		}
	}
	return cause_is_set(&id->restricted.enforce) ||
	       (id->is_container && by_default && s->mode == POLICY_ENFORCE);
}

static void describe(struct identity *id)
{
	for (enum direction dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
		if (cause_is_set(&id->isolated[dir].enforce))
			id->public.isolated |= direction_bit(dir);
		else if (cause_is_set(&id->isolated[dir].audit))
			id->public.audited |= direction_bit(dir);
	}
}

/* ---- whether anything can be refused at all: by the text alone ---- */

static bool document_can_refuse(const struct policy_document *doc)
{
	if (doc->isolate)
		return true;
	for (size_t i = 0; i < doc->nrules; i++) {
		if (doc->rules[i].action != POLICY_ALLOW)
			return true;
	}
	return false;
}

static bool defaults_can_refuse(const struct settings *s)
{
	return s->containers == DEFAULT_DENY || s->publish != DEFAULT_ALLOW ||
	       s->containers_to_host == DEFAULT_DENY || s->host_to_containers == DEFAULT_DENY;
}

static void note_refusal(struct compiled *c, enum policy_mode mode)
{
	if (mode == POLICY_ENFORCE)
		c->enforcing = true;
	else
		c->auditing = true;
}

static void find_modes(struct compiled *c)
{
	const struct settings *s = c->settings;

	for (size_t i = 0; i < c->policies->ndocuments; i++) {
		const struct policy_document *doc = &c->policies->documents[i];

		if (document_can_refuse(doc))
			note_refusal(c, document_mode(c, doc));
	}
	if (defaults_can_refuse(s))
		note_refusal(c, s->mode);

	if (s->unknown == DEFAULT_ALLOW || (!c->enforcing && !c->auditing))
		c->unknown = UNKNOWN_PASS;
	else if (s->unknown == DEFAULT_AUDIT || s->mode == POLICY_AUDIT || !c->enforcing)
		c->unknown = UNKNOWN_AUDIT;
	else
		c->unknown = UNKNOWN_REFUSE;
}

void rules_find(struct compiled *c, struct identity *id)
{
	for (size_t n = 0; n < c->instances.len; n++) {
		if (identity_governed(c, &c->instances.items[n], id))
			hold_instance(c, id, &c->instances.items[n]);
	}
	add_defaults(c, id);
	add_restrictions(c, id);
	id->refuses = can_be_refused(c, id);
	describe(id);
}

static bool names_subnets(const struct compiled *c, const struct policy_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i].kind == PEER_CIDR && can_be_containers(c, &peers[i].cidr))
			return true;
	}
	return false;
}

static void find_cidrs(struct compiled *c)
{
	for (size_t d = 0; d < c->policies->ndocuments; d++) {
		const struct policy_document *doc = &c->policies->documents[d];

		for (size_t i = 0; i < doc->nrules && !c->names_subnets; i++)
			c->names_subnets =
				names_subnets(c, doc->rules[i].from, doc->rules[i].nfrom) ||
				names_subnets(c, doc->rules[i].to, doc->rules[i].nto);
	}
}

void rules_build(struct compiled *c)
{
	for (size_t i = 0; i < c->nmanaged; i++)
		rules_find(c, &c->identities.items[i]);
	find_modes(c);
	find_cidrs(c);
}
