#include "ruleset-internal.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

char *chain_name(const struct identity *id, const char *prefix)
{
	return mem_printf("%s%s", prefix, id->name);
}

const char *side_prefix(enum side side)
{
	static const char *const prefixes[] = {
		[SIDE_FROM] = "from_",	 [SIDE_TO] = "to_",	    [SIDE_HOST] = "host_",
		[SIDE_LOCAL] = "local_", [SIDE_OUTSIDE] = "proxy_",
	};

	return prefixes[side];
}

static enum direction side_direction(enum side side)
{
	return side == SIDE_FROM || side == SIDE_HOST ? DIR_EGRESS : DIR_INGRESS;
}

static bool is_isolated(const struct identity *id, enum direction dir)
{
	return cause_is_set(&id->isolated[dir].enforce) || cause_is_set(&id->isolated[dir].audit);
}

bool has_publish_chain(const struct compiled *c, const struct identity *id)
{
	return cause_is_set(&id->restricted.enforce) || cause_is_set(&id->restricted.audit) ||
	       (id->is_container && c->settings->publish == DEFAULT_LOCAL);
}

/* Whether some of the rules can mean the host. */
static bool concerns_host(const struct held_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct policy_rule *rule = list->items[i].rule;

		for (size_t p = 0; p < rule->nfrom; p++) {
			enum policy_peer_kind kind = rule->from[p].kind;

			if (kind == PEER_ANY || kind == PEER_HOST || kind == PEER_CIDR)
				return true;
		}
	}
	return false;
}

bool compile_endpoint_tightens(const struct compiled *c)
{
	if (!c->enforcing)
		return false;
	if (c->unknown != UNKNOWN_REFUSE || c->settings->host_to_containers == DEFAULT_DENY)
		return true;
	for (size_t i = 0; i < c->nmanaged; i++) {
		if (concerns_host(&c->identities.items[i].deny[DIR_INGRESS]))
			return true;
	}
	return false;
}

bool has_chain(const struct compiled *c, const struct identity *id, enum side side)
{
	switch (side) {
	case SIDE_FROM:
		return id->refuses || id->deny[DIR_EGRESS].len || is_isolated(id, DIR_EGRESS);
	case SIDE_TO:
		return id->refuses || id->deny[DIR_INGRESS].len || is_isolated(id, DIR_INGRESS) ||
		       has_publish_chain(c, id);
	case SIDE_HOST: /* published ports of others may be refused by their end alone */
		return c->enforcing || c->auditing;
	case SIDE_LOCAL:
		return id->refuses || concerns_host(&id->deny[DIR_INGRESS]) ||
		       (id->is_container && c->settings->host_to_containers == DEFAULT_DENY);
	case SIDE_OUTSIDE:
		return id->deny[DIR_INGRESS].len || has_publish_chain(c, id);
	}
	return false;
}

/* What makes the end of a chain refuse: isolation, and the defaults of the host's ways. */
static struct causes end_causes(const struct compiled *c, const struct identity *id, enum side side)
{
	struct causes causes = {0};
	bool enforce = c->settings->mode == POLICY_ENFORCE;

	if (side != SIDE_LOCAL)
		causes = id->isolated[side_direction(side)];
	if (side == SIDE_HOST && id->is_container &&
	    c->settings->containers_to_host == DEFAULT_DENY)
		causes_add(&causes, enforce, NULL, DEFAULT_CONTAINERS_TO_HOST);
	if (side == SIDE_LOCAL && id->is_container &&
	    c->settings->host_to_containers == DEFAULT_DENY)
		causes_add(&causes, enforce, NULL, DEFAULT_HOST_TO_CONTAINERS);
	return causes;
}

static const char *refuse_chain(enum side side)
{
	return side == SIDE_LOCAL ? CHAIN_REFUSE_LOCAL : CHAIN_REFUSE;
}

/* What follows from a match of a deny rule. */
void clause_refuses(struct clause *clause, enum side side, bool enforce)
{
	clause->logs = true;
	clause->word = enforce ? "refused" : "audit";
	clause->verdict = enforce ? VERDICT_GOTO : VERDICT_JUMP;
	clause->target = enforce ? refuse_chain(side) : CHAIN_AUDIT;
	clause->quiet = NULL;
	if (enforce)
		clause->quiet = side == SIDE_LOCAL ? CHAIN_QUIET_LOCAL : CHAIN_QUIET;
}

void write_denies(const struct writer *w, struct ruleset_chain *chain, const struct identity *id,
		  enum side side)
{
	const struct held_list *deny = &id->deny[side_direction(side)];
	CLEANUP_FREE char *denied = mem_printf("%s.deny", chain->name);
	CLEANUP_FREE char *audited = mem_printf("%s.audit", chain->name);
	struct clause clause = {
		.w = w,
		.chain = chain,
		.side = side,
		.sets = denied,
		.port_kind = EXPR_TH_DPORT,
	};

	clause_refuses(&clause, side, true);
	clause_write(&clause, deny, true);
	clause.sets = audited;
	clause_refuses(&clause, side, false);
	clause_write(&clause, deny, false);
}

static char *cause_comment(const struct cause *cause, const char *what)
{
	CLEANUP_FREE char *text = NULL;

	if (cause->setting)
		return ruleset_comment(cause->setting);
	text = mem_printf("%s:%u %s %s", cause->document->where.file, cause->document->where.line,
			  cause->document->name, what);
	return ruleset_comment(text);
}

/* [counter] goto refuse, or jump audit */
void write_end(const struct writer *w, struct ruleset_chain *chain, const struct causes *causes,
	       const char *what, const char *refuse)
{
	bool enforce = cause_is_set(&causes->enforce);
	const struct cause *cause = enforce ? &causes->enforce : &causes->audit;
	CLEANUP_FREE char *comment = NULL;
	struct ruleset_rule *rule;

	if (!cause_is_set(cause))
		return;
	comment = cause_comment(cause, what);
	rule = ruleset_add_rule(chain, comment);
	if (w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, enforce ? VERDICT_GOTO : VERDICT_JUMP, enforce ? refuse : CHAIN_AUDIT);
}

static void write_allows(const struct writer *w, struct ruleset_chain *chain,
			 const struct identity *id, enum side side, const struct causes *causes)
{
	CLEANUP_FREE char *sets = mem_printf("%s.allow", chain->name);
	struct clause clause = {
		.w = w,
		.chain = chain,
		.side = side,
		.sets = sets,
		.port_kind = EXPR_TH_DPORT,
		.word = "accepted",
		.verdict = VERDICT_RETURN,
	};

	if (cause_is_set(&causes->enforce) || cause_is_set(&causes->audit))
		clause_write(&clause, &id->allow[side_direction(side)], true);
}

/* ct status dnat iifname != @bridges goto publish_X: whoever translated it, the engine or another tool. The set is asked
 * last: hardly a packet between containers is translated. */
static void write_publish_branch(const struct writer *w, struct ruleset_chain *chain,
				 const struct identity *id)
{
	CLEANUP_FREE char *target = chain_name(id, "publish_");
	struct ruleset_rule *rule;

	if (!has_publish_chain(w->c, id))
		return;
	rule = ruleset_add_rule(chain, NULL);
	rule_expr(rule, EXPR_CT_DNAT);
	rule_lookup(rule, SET_BRIDGES, true, LOADS(LOAD_IIFNAME));
	rule_verdict(rule, VERDICT_GOTO, target);
}

static bool denies(const struct identity *id, enum direction dir)
{
	for (size_t i = 0; i < id->deny[dir].len; i++) {
		if (id->deny[dir].items[i].enforce)
			return true;
	}
	return cause_is_set(&id->isolated[dir].enforce);
}

/* Whether what is a packet of this side's way can be an answer to a flow that is refused: one the other way. */
static bool can_answer_refused(const struct compiled *c, const struct identity *id, enum side side)
{
	bool container = id->is_container && c->settings->mode == POLICY_ENFORCE;

	switch (side) {
	case SIDE_FROM:
		return denies(id, DIR_INGRESS) || cause_is_set(&id->restricted.enforce) ||
		       (container && c->settings->publish == DEFAULT_LOCAL);
	case SIDE_TO:
		return denies(id, DIR_EGRESS);
	case SIDE_HOST:
		return denies(id, DIR_INGRESS) ||
		       (container && c->settings->host_to_containers == DEFAULT_DENY);
	case SIDE_LOCAL:
		return denies(id, DIR_EGRESS) ||
		       (container && c->settings->containers_to_host == DEFAULT_DENY);
	case SIDE_OUTSIDE:
		return false;
	}
	return false;
}

/*
 * tcp flags & (fin|syn|rst|ack) != syn ct state new goto TARGET
 *
 * A TCP flow begins with a SYN. Conntrack picks one up in the middle, by a packet of either end: then a refused flow
 * that it did not know (within a bridge, while br_netfilter was off) would live on as one of the other
 * direction. Where that direction can be refused nothing of it, a packet in the middle is as good as a SYN: the engine
 * makes conntrack forget flows that go on, when a container's networks change.
 */
static void write_middle(const struct writer *w, struct ruleset_chain *chain,
			 const struct identity *id, enum side side, const char *target)
{
	struct ruleset_rule *rule;

	if (!can_answer_refused(w->c, id, side))
		return;
	rule = ruleset_add_rule(chain, NULL);
	rule_l4proto(rule, IPPROTO_TCP);
	rule_expr(rule, EXPR_TCP_NOT_SYN);
	rule_ct_state(rule, CT_NEW);
	rule_verdict(rule, VERDICT_GOTO, target);
}

/*
 * Where br_netfilter was off, conntrack knows no flow within a bridge, and when it is switched on all are in
 * the middle. What goes to a port that a rule names may go on: that is no reply. A reply to a flow that a rule
 * allows is dropped without an answer: the flow's next packet the other way makes it known, and the reply is sent
 * again. Anything else ends.
 */
static void write_resume(const struct writer *w, const struct identity *id, enum side side)
{
	enum side other = side == SIDE_FROM ? SIDE_TO : SIDE_FROM;
	CLEANUP_FREE char *name = mem_printf("resume_%s%s", side_prefix(side), id->name);
	CLEANUP_FREE char *sets = mem_printf("%s%s.allow", side_prefix(side), id->name);
	CLEANUP_FREE char *replies = mem_printf("%s%s.allow", side_prefix(other), id->name);
	struct ruleset_chain *chain = ruleset_add_chain(w->r, name, HOOK_NONE, 0);

	clause_match_ports(w, chain, side, sets, LOAD_TH_DPORT, VERDICT_RETURN);
	clause_match_ports(w, chain, side, replies, LOAD_TH_SPORT, VERDICT_DROP);
	clause_match_peers(w, chain, side, replies, VERDICT_DROP);
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_GOTO, CHAIN_QUIET);
}

void write_resumes(const struct writer *w, const struct identity *id)
{
	for (enum side side = SIDE_FROM; side <= SIDE_TO; side++) {
		if (has_chain(w->c, id, side) && can_answer_refused(w->c, id, side))
			write_resume(w, id, side);
	}
}

void write_side(const struct writer *w, const struct identity *id, enum side side)
{
	struct causes causes = end_causes(w->c, id, side);
	CLEANUP_FREE char *name = NULL;
	CLEANUP_FREE char *resume = NULL;
	struct ruleset_chain *chain;

	if (!has_chain(w->c, id, side))
		return;
	name = chain_name(id, side_prefix(side));
	chain = ruleset_add_chain(w->r, name, HOOK_NONE, 0);
	if (side == SIDE_HOST || side == SIDE_LOCAL)
		write_middle(w, chain, id, side,
			     side == SIDE_LOCAL ? CHAIN_QUIET_LOCAL : CHAIN_QUIET);
	if (side == SIDE_HOST)
		write_hairpin(w, id, chain);
	write_denies(w, chain, id, side);
	resume = mem_printf("resume_%s", name);
	if (side == SIDE_FROM || side == SIDE_TO)
		write_middle(w, chain, id, side, resume);
	if (side == SIDE_TO)
		write_publish_branch(w, chain, id);
	write_allows(w, chain, id, side, &causes);
	write_end(w, chain, &causes,
		  side_direction(side) == DIR_EGRESS ? "isolates egress" : "isolates ingress",
		  refuse_chain(side));
}

void write_peer_sets(const struct writer *w, const struct identity *id)
{
	for (enum side side = SIDE_FROM; side <= SIDE_TO; side++) {
		struct causes causes = end_causes(w->c, id, side);
		CLEANUP_FREE char *name = chain_name(id, side_prefix(side));
		struct ruleset_chain *chain;

		if (!has_chain(w->c, id, side))
			continue;
		chain = ruleset_add_chain(w->r, name, HOOK_NONE, 0);
		write_denies(w, chain, id, side);
		write_allows(w, chain, id, side, &causes);
	}
}
