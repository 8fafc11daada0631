#include "ruleset-internal.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"

/*
 * Answers of flows that were cut. Conntrack, which has forgotten the flow, would take an answer that was on its
 * way (or that TCP sends again, or that one who streams goes on to send) for the first packet of a flow the
 * other way round. Where that is allowed, all that the refused end sends would pass as its answers.
 *
 * Whoever cuts puts the answers' addresses and ports here first. What does not begin a TCP flow never does, so
 * that stays until nobody sends any more: TCP tries again after two minutes at the latest. A datagram may begin a flow
 * by itself, as in protocols that use one port at both ends, and is let go in time.
 */

#define CHAIN_CUT    "answers_of_cut_flows"
#define STAY_SECONDS 180
#define MOST	     65535

const char *compile_cut_set(uint8_t family)
{
	return family == AF_INET6 ? "cut6" : "cut4";
}

void compile_cut_key(const struct compile_answer *a, uint8_t ret[static RULESET_KEY_MAX])
{
	struct key k = {.len = 0};

	key_addr(&k, &a->src);
	key_protocol(&k, a->protocol);
	key_port(&k, a->sport);
	key_addr(&k, &a->dst);
	key_port(&k, a->dport);
	memcpy(ret, k.bytes, RULESET_KEY_MAX);
}

static void write_set(const struct writer *w, int f)
{
	struct ruleset_set *set = ruleset_add_set(
		w->r, compile_cut_set(families[f]), SET_DYNAMIC,
		FIELDS(family_field(f), FIELD_PROTOCOL, FIELD_PORT, family_field(f), FIELD_PORT));

	set->timeout = STAY_SECONDS;
	set->size = MOST;
}

static struct ruleset_expr use_of_set(enum ruleset_expr_kind kind, int f)
{
	return (struct ruleset_expr) {
		.kind = kind,
		.name = (char *)compile_cut_set(families[f]),
		.loads = {family_saddr(f), LOAD_L4PROTO, LOAD_TH_SPORT, family_daddr(f),
			  LOAD_TH_DPORT},
		.nloads = 5,
	};
}

/* meta l4proto tcp update @cut4 { SADDR . l4proto . sport . DADDR . dport }, then drop */
void write_cut(const struct writer *w)
{
	struct ruleset_chain *chain;

	if (!w->c->enforcing)
		return;
	chain = ruleset_add_chain(w->r, CHAIN_CUT, HOOK_NONE, 0);
	for (int f = 0; f < 2; f++) {
		struct ruleset_expr stay = use_of_set(EXPR_DYNSET_STAY, f);
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		write_set(w, f);
		rule_l4proto(rule, IPPROTO_TCP);
		ruleset_add_expr(rule, &stay);
	}
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_DROP, NULL);
}

/*
 * SADDR . l4proto . sport . DADDR . dport @cut4 goto answers_of_cut_flows
 *
 * Of TCP a SYN, too: one who was served could begin anew, from the same ports, what the other end still takes for a
 * connection, and have the answers of one who may send it nothing.
 */
void match_cut(const struct writer *w, struct ruleset_chain *chain)
{
	for (int f = 0; w->c->enforcing && f < 2; f++) {
		struct ruleset_expr lookup = use_of_set(EXPR_LOOKUP, f);
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		ruleset_add_expr(rule, &lookup);
		rule_verdict(rule, VERDICT_GOTO, CHAIN_CUT);
	}
}
