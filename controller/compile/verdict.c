#include "compile-internal.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

/* ---- matching ---- */

static bool cidr_holds(const struct policy_peer *peer, const struct flow_end *end)
{
	if (!addr_is_set(&end->addr) || !prefix_contains(&peer->cidr, &end->addr))
		return false;
	for (size_t i = 0; i < peer->nexcept; i++) {
		if (prefix_contains(&peer->except[i], &end->addr))
			return false;
	}
	return true;
}

static bool peer_is(const struct compiled *c, const struct instance *in,
		    const struct policy_peer *peer, const struct flow_end *end)
{
	bool endpoint = end->kind == END_ENDPOINT;

	switch (peer->kind) {
	case PEER_ANY:
		return true;
	case PEER_CONTAINERS:
		return endpoint && c->owner[end->endpoint] != MODEL_NONE;
	case PEER_SELECTOR:
		return endpoint && endpoint_selected(c, in, peer->selector, end->endpoint);
	case PEER_WORLD:
		return end->kind == END_OUTSIDE;
	case PEER_HOST:
		return end->kind == END_HOST;
	case PEER_CIDR:
		return cidr_holds(peer, end);
	case PEER_INTERFACE:
		return end->kind == END_OUTSIDE && glob_match(peer->interface, end->interface);
	}
	return false;
}

static bool one_peer_is(const struct compiled *c, const struct instance *in,
			const struct policy_peer *peers, size_t n, const struct flow_end *end)
{
	for (size_t i = 0; i < n; i++) {
		if (peer_is(c, in, &peers[i], end))
			return true;
	}
	return false;
}

static bool rule_matches(const struct compiled *c, const struct held *held, const struct flow *f)
{
	const struct policy_rule *rule = held->rule;
	uint16_t port = rule->action == POLICY_PUBLISH ? f->published_port : f->port;

	return rule_has_port(rule, f->protocol, port) &&
	       one_peer_is(c, held->in, rule->from, rule->nfrom, &f->from) &&
	       one_peer_is(c, held->in, rule->to, rule->nto, &f->to);
}

/* The first matching rule: one without a limit before one with. NULL: none. */
static const struct held *first_match(const struct compiled *c, const struct held_list *list,
				      const struct flow *f)
{
	const struct held *limited = NULL;

	for (size_t i = 0; i < list->len; i++) {
		const struct held *held = &list->items[i];

		if (!rule_matches(c, held, f))
			continue;
		if (!held->rule->limit.set)
			return held;
		if (!limited)
			limited = held;
	}
	return limited;
}

/* ---- one end ---- */

static struct flow_consent by_rule(const struct held *held, enum flow_reason reason,
				   enum flow_verdict verdict)
{
	return (struct flow_consent) {
		.reason = reason,
		.verdict = verdict,
		.document = held->in->public.document,
		.rule = held->rule,
		.limited = held->rule->limit.set,
	};
}

static struct flow_consent by_cause(const struct cause *cause, enum flow_reason reason,
				    enum flow_verdict verdict)
{
	return (struct flow_consent) {
		.reason = cause->setting ? REASON_DEFAULT : reason,
		.verdict = verdict,
		.document = cause->document,
		.setting = cause->setting,
	};
}

static struct flow_consent passes(enum flow_reason reason)
{
	return (struct flow_consent) {.reason = reason, .verdict = FLOW_ALLOW};
}

/* The refusal of an enforcing cause, else the audit of an auditing one, else consent. */
static struct flow_consent by_causes(const struct causes *causes, enum flow_reason reason)
{
	if (cause_is_set(&causes->enforce))
		return by_cause(&causes->enforce, reason, FLOW_DENY);
	if (cause_is_set(&causes->audit))
		return by_cause(&causes->audit, reason, FLOW_AUDIT);
	return passes(REASON_NOT_ISOLATED);
}

static struct flow_consent by_default(const struct compiled *c, const char *setting)
{
	return (struct flow_consent) {
		.reason = REASON_DEFAULT,
		.verdict = c->settings->mode == POLICY_ENFORCE ? FLOW_DENY : FLOW_AUDIT,
		.setting = setting,
	};
}

static struct flow_consent worse(const struct flow_consent *a, const struct flow_consent *b)
{
	return b->verdict > a->verdict ? *b : *a;
}

static struct flow_consent judge_denies(const struct compiled *c, const struct held_list *deny,
					const struct flow *f)
{
	struct flow_consent found = passes(REASON_NOT_ISOLATED);

	for (size_t i = 0; i < deny->len; i++) {
		const struct held *held = &deny->items[i];

		if (!rule_matches(c, held, f))
			continue;
		if (held->enforce)
			return by_rule(held, REASON_DENY_RULE, FLOW_DENY);
		if (found.verdict == FLOW_ALLOW)
			found = by_rule(held, REASON_DENY_RULE, FLOW_AUDIT);
	}
	return found;
}

static struct flow_consent judge_published(const struct compiled *c, const struct identity *id,
					   const struct flow *f)
{
	const struct held *rule = first_match(c, &id->publish, f);
	struct flow_consent consent, local;

	if (rule)
		return by_rule(rule, REASON_PUBLISH_RULE, FLOW_ALLOW);
	consent = by_causes(&id->restricted, REASON_NOT_PUBLISHED);
	if (!id->is_container || c->settings->publish != DEFAULT_LOCAL ||
	    addr_is_local_source(&f->from.addr))
		return consent;
	local = by_default(c, DEFAULT_PUBLISH);
	return worse(&consent, &local);
}

static struct flow_consent judge_from_host(const struct compiled *c, const struct identity *id,
					   const struct flow *f)
{
	const struct held *rule;

	if (!id->is_container || c->settings->host_to_containers != DEFAULT_DENY)
		return passes(REASON_HOST);
	rule = first_match(c, &id->allow[DIR_INGRESS], f);
	if (rule)
		return by_rule(rule, REASON_ALLOW_RULE, FLOW_ALLOW);
	return by_default(c, DEFAULT_HOST_TO_CONTAINERS);
}

static struct flow_consent judge_isolation(const struct compiled *c, const struct identity *id,
					   enum direction dir, const struct flow *f)
{
	struct flow_consent consent = by_causes(&id->isolated[dir], REASON_ISOLATED);
	bool to_host = dir == DIR_EGRESS && f->to.kind == END_HOST && id->is_container &&
		       c->settings->containers_to_host == DEFAULT_DENY;
	const struct held *rule;

	if (to_host) {
		struct flow_consent deny = by_default(c, DEFAULT_CONTAINERS_TO_HOST);

		consent = worse(&consent, &deny);
	}
	if (consent.verdict == FLOW_ALLOW)
		return consent;
	rule = first_match(c, &id->allow[dir], f);
	return rule ? by_rule(rule, REASON_ALLOW_RULE, FLOW_ALLOW) : consent;
}

static struct flow_consent judge_end(const struct compiled *c, const struct flow_end *end,
				     enum direction dir, const struct flow *f)
{
	const struct identity *id;
	struct flow_consent denied, rest;

	if (end->kind != END_ENDPOINT || compile_identity_of(c, end->endpoint) == MODEL_NONE)
		return passes(REASON_NOT_JUDGED);
	id = &c->identities.items[c->identity_of[end->endpoint]];
	denied = judge_denies(c, &id->deny[dir], f);
	if (denied.verdict == FLOW_DENY)
		return denied;
	if (dir == DIR_INGRESS && f->published && f->from.kind == END_OUTSIDE)
		rest = judge_published(c, id, f);
	else if (dir == DIR_INGRESS && f->from.kind == END_HOST)
		rest = judge_from_host(c, id, f);
	else
		rest = judge_isolation(c, id, dir, f);
	if (denied.verdict == FLOW_AUDIT && rest.verdict != FLOW_DENY)
		return denied;
	return rest;
}

/* ---- the flow ---- */

static bool talks_to_itself(const struct compiled *c, const struct flow *f)
{
	return f->from.kind == END_ENDPOINT && f->to.kind == END_ENDPOINT &&
	       c->owner[f->from.endpoint] != MODEL_NONE &&
	       c->owner[f->from.endpoint] == c->owner[f->to.endpoint];
}

static struct flow_consent judge_unknown(const struct compiled *c)
{
	static const enum flow_verdict verdicts[] = {
		[UNKNOWN_PASS] = FLOW_ALLOW,
		[UNKNOWN_AUDIT] = FLOW_AUDIT,
		[UNKNOWN_REFUSE] = FLOW_DENY,
	};

	return (struct flow_consent) {
		.reason = REASON_UNKNOWN,
		.verdict = verdicts[c->unknown],
		.setting = DEFAULT_UNKNOWN,
	};
}

void verdict_between(const struct compiled *c, const struct flow *f, bool judge_self,
		     struct verdict *ret)
{
	if (!judge_self && talks_to_itself(c, f)) {
		ret->egress = ret->ingress = passes(REASON_NOT_JUDGED);
	} else {
		ret->egress = judge_end(c, &f->from, DIR_EGRESS, f);
		ret->ingress = judge_end(c, &f->to, DIR_INGRESS, f);
	}
	if (f->from.kind == END_UNKNOWN)
		ret->egress = judge_unknown(c);
	if (f->to.kind == END_UNKNOWN && f->from.kind != END_HOST)
		ret->ingress = judge_unknown(c);
	ret->decided_by = ret->ingress.verdict > ret->egress.verdict ? &ret->ingress : &ret->egress;
	ret->verdict = ret->decided_by->verdict;
}

/* ---- every port ---- */

/* A verdict can only change where the ports of some rule begin or end, so one port of each stretch between
 * those is asked. */
struct stretches {
	uint16_t *items;
	size_t len, cap;
};

static void add_stretches(struct stretches *ports, const struct policy_rule *rule, uint8_t protocol)
{
	for (size_t i = 0; i < rule->nports; i++) {
		const struct policy_ports *p = &rule->ports[i];

		if (p->protocol != protocol)
			continue;
		MEM_PUSH(ports, p->first);
		if (p->last < UINT16_MAX)
			MEM_PUSH(ports, (uint16_t)(p->last + 1));
	}
}

static struct stretches stretches_of(const struct compiled *c, uint8_t protocol)
{
	struct stretches ports = {NULL, 0, 0};

	MEM_PUSH(&ports, 1);
	for (size_t d = 0; d < c->policies->ndocuments; d++) {
		const struct policy_document *doc = &c->policies->documents[d];

		for (size_t r = 0; r < doc->nrules; r++)
			add_stretches(&ports, &doc->rules[r], protocol);
	}
	return ports;
}

static void keep_worst(const struct compiled *c, const struct flow *f, bool *first,
		       struct verdict *worst)
{
	struct verdict v;

	verdict_between(c, f, false, &v);
	if (*first || v.verdict > worst->verdict) {
		*worst = v;
		worst->decided_by = v.decided_by == &v.egress ? &worst->egress : &worst->ingress;
	}
	*first = false;
}

static void judge_every_port(const struct compiled *c, const struct flow *f, struct verdict *worst)
{
	/* GRE stands for the protocols that no rule can name. */
	static const uint8_t all[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
				      IPPROTO_GRE};
	const uint8_t *protocols = f->protocol ? &f->protocol : all;
	size_t nprotocols = f->protocol ? 1 : ARRAY_SIZE(all);
	bool first = true;

	for (size_t p = 0; p < nprotocols; p++) {
		struct stretches ports = stretches_of(c, protocols[p]);
		struct flow one = *f;

		one.protocol = protocols[p];
		for (size_t i = 0; i < ports.len; i++) {
			one.port = ports.items[i];
			keep_worst(c, &one, &first, worst);
		}
		free(ports.items);
	}
}

void compile_verdict(const struct compiled *c, const struct flow *f, struct verdict *ret)
{
	if (f->every_port)
		judge_every_port(c, f, ret);
	else
		verdict_between(c, f, false, ret);
}
