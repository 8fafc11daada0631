#include "ruleset-internal.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"
#include "overlay.h"

/*
 * VXLAN of overlay networks, as the host's own hooks see it: in UDP datagrams between the host and its peers. Behind
 * any defragmentation, and before the engine's own rules, which it only adds to.
 *
 * Who can be told apart is a pair of an identifier (VNI) and a peer. Only known pairs are counted one by one; what is
 * between the host and others is counted in sets of its own, which a flood may fill without hiding a peer.
 */

/* raw - 10 in, and behind every mark, DNAT and choice of a route out. */
#define PRIORITY_IN  (-310)
#define PRIORITY_OUT 200

#define MOST_PAIRS    65535
#define MOST_STRANGER 1024

#define SET_PORTS     "overlay_ports"
#define SET_ENCRYPTED "overlay_encrypted"

/* What differs between the ways in and out. */
struct way {
	const char *base, *chain, *peers; /* names of chains */
	enum ruleset_hook hook;
	int32_t priority;
	bool in;
};

static const struct way ways[] = {
	{"overlay_input", "overlay_in", "overlay_in_peers", HOOK_INPUT, PRIORITY_IN, true},
	{"overlay_output", "overlay_out", "overlay_out_peers", HOOK_OUTPUT, PRIORITY_OUT, false},
};

const char *const compile_overlay_sets[COMPILE_OVERLAY_SETS] = {
	"overlay_in_clear4",  "overlay_in_clear6",  "overlay_in_ipsec4",   "overlay_in_ipsec6",
	"overlay_out_clear4", "overlay_out_clear6", "overlay_out_ipsec4",  "overlay_out_ipsec6",
	"overlay_in_others4", "overlay_in_others6", "overlay_out_others4", "overlay_out_others6",
};

static bool denies_clear(const struct settings *s)
{
	return s->plaintext != PLAINTEXT_ALERT;
}

bool compile_watches_overlay(const struct compiled *c)
{
	return denies_clear(c->settings) || c->settings->deny_strangers ||
	       model_has_overlay(c->model);
}

static void key_vni(struct key *k, uint32_t vni)
{
	const uint8_t wire[4] = {(uint8_t)(vni >> 16), (uint8_t)(vni >> 8), (uint8_t)vni};

	memcpy(k->bytes + k->len, wire, sizeof(wire));
	k->len += sizeof(wire);
}

static char *peers_name(int f)
{
	return mem_printf("overlay_peers%s", family_digit[f]);
}

/* ---- sets ---- */

/* None without an overlay network: another's VXLAN at the same port is none of ours. */
static void write_ports(const struct writer *w)
{
	struct ruleset_set *set = ruleset_add_set(w->r, SET_PORTS, 0, FIELDS(FIELD_PORT));
	const struct model *m = w->c->model;
	size_t n = model_has_overlay(m) ? m->nvxlan_ports : 0;

	for (size_t i = 0; i < n; i++) {
		struct key k = {.len = 0};

		key_port(&k, m->vxlan_ports[i]);
		set_add(set, &k, NULL, NULL);
	}
	if (n == 0 && model_has_overlay(m)) {
		struct key k = {.len = 0};

		key_port(&k, MODEL_VXLAN_PORT);
		set_add(set, &k, NULL, NULL);
	}
}

static void add_peers(struct ruleset_set *const sets[2], const struct model_network *n,
		      uint32_t vni, const char *comment)
{
	for (size_t i = 0; i < n->npeers; i++) {
		struct key k = {.len = 0};

		key_vni(&k, vni);
		key_addr(&k, &n->peers[i]);
		set_add(sets[n->peers[i].family == AF_INET6], &k, NULL, comment);
	}
}

static void write_networks(const struct writer *w)
{
	struct ruleset_set *encrypted = ruleset_add_set(w->r, SET_ENCRYPTED, 0, FIELDS(FIELD_VNI));
	const struct model *m = w->c->model;
	struct ruleset_set *peers[2];

	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = peers_name(f);

		peers[f] = ruleset_add_set(w->r, name, 0, FIELDS(FIELD_VNI, family_field(f)));
	}
	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];
		CLEANUP_FREE char *comment = ruleset_comment(n->name);

		for (size_t v = 0; model_network_is_overlay(n) && v < n->nvnis; v++) {
			struct key k = {.len = 0};

			key_vni(&k, n->vnis[v]);
			if (n->encrypted)
				set_add(encrypted, &k, NULL, comment);
			add_peers(peers, n, n->vnis[v], comment);
		}
	}
}

static void write_counting_sets(const struct writer *w)
{
	for (size_t i = 0; w->c->settings->counters && i < COMPILE_OVERLAY_SETS; i++) {
		bool others = strstr(compile_overlay_sets[i], "_others") != NULL;
		struct ruleset_set *set =
			ruleset_add_set(w->r, compile_overlay_sets[i], SET_DYNAMIC,
					FIELDS(FIELD_VNI, family_field(i % 2)));

		set->timeout = COMPILE_OVERLAY_KEPT;
		set->size = others ? MOST_STRANGER : MOST_PAIRS;
	}
}

/* ---- rules ---- */

static enum ruleset_load peer_load(const struct way *way, int f)
{
	return way->in ? family_saddr(f) : family_daddr(f);
}

static void match_ipsec(struct ruleset_rule *rule, const struct way *way, bool missing)
{
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {.kind = way->in ? EXPR_IPSEC_IN : EXPR_IPSEC_OUT,
						 .negate = missing});
}

/* update @overlay_in_clear4 { @th,96,24 . ip saddr counter } */
static void count_pair(struct ruleset_rule *rule, const struct way *way, const char *what, int f)
{
	CLEANUP_FREE char *name = mem_printf("%s_%s%s", way->chain, what, family_digit[f]);

	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_DYNSET_COUNT,
						       .name = name,
						       .loads = {LOAD_VNI, peer_load(way, f)},
						       .nloads = 2});
}

/*
 * @th,96,24 @overlay_encrypted meta ipsec missing goto refuse_cleartext
 * or, for `plaintext: deny`, of whatever identifier
 */
static void refuse_clear(const struct writer *w, struct ruleset_chain *chain, const struct way *way)
{
	struct ruleset_rule *rule;

	if (!denies_clear(w->c->settings))
		return;
	rule = ruleset_add_rule(chain, "overlay.plaintext");
	if (w->c->settings->plaintext == PLAINTEXT_DENY_ENCRYPTED)
		rule_lookup(rule, SET_ENCRYPTED, false, LOADS(LOAD_VNI));
	match_ipsec(rule, way, true);
	rule_verdict(rule, VERDICT_GOTO, CHAIN_REFUSE_CLEAR);
}

/* meta ipsec missing update @overlay_in_clear4 { … }, and what was encrypted by itself */
static void write_peers(const struct writer *w, const struct way *way)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, way->peers, HOOK_NONE, 0);

	for (int missing = 0; w->c->settings->counters && missing < 2; missing++) {
		for (int f = 0; f < 2; f++) {
			struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

			match_ipsec(rule, way, missing);
			count_pair(rule, way, missing ? "clear" : "ipsec", f);
		}
	}
	refuse_clear(w, chain, way);
}

/* @th,96,24 . ip saddr @overlay_peers4 goto overlay_in_peers; others are counted, and refused where that is wanted */
static void write_way(const struct writer *w, const struct way *way)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, way->chain, HOOK_NONE, 0);

	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = peers_name(f);
		struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

		rule_lookup(rule, name, false, LOADS(LOAD_VNI, peer_load(way, f)));
		rule_verdict(rule, VERDICT_GOTO, way->peers);
	}
	for (int f = 0; w->c->settings->counters && f < 2; f++)
		count_pair(ruleset_add_rule(chain, NULL), way, "others", f);
	if (w->c->settings->deny_strangers)
		rule_verdict(ruleset_add_rule(chain, "overlay.strangers"), VERDICT_GOTO,
			     CHAIN_REFUSE_STRANGER);
	else
		refuse_clear(w, chain, way);
}

/* meta l4proto udp th dport @overlay_ports jump overlay_in */
static void write_base(const struct writer *w, const struct way *way)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, way->base, way->hook, way->priority);
	struct ruleset_rule *rule = ruleset_add_rule(chain, NULL);

	rule_l4proto(rule, IPPROTO_UDP);
	rule_lookup(rule, SET_PORTS, false, LOADS(LOAD_TH_DPORT));
	rule_verdict(rule, VERDICT_JUMP, way->chain);
}

/* Dropped without an answer, which would go to whom a forged source names. */
static void write_refusal(const struct writer *w, const char *name, const char *what)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, name, HOOK_NONE, 0);

	write_log(w, chain, what);
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_DROP, NULL);
}

void write_overlay(const struct writer *w)
{
	const struct settings *s = w->c->settings;

	if (!compile_watches_overlay(w->c))
		return;
	write_ports(w);
	write_networks(w);
	write_counting_sets(w);
	if (denies_clear(s))
		write_refusal(w, CHAIN_REFUSE_CLEAR, "cleartext");
	if (s->deny_strangers)
		write_refusal(w, CHAIN_REFUSE_STRANGER, "stranger");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		write_peers(w, &ways[i]);
		write_way(w, &ways[i]);
		write_base(w, &ways[i]);
	}
}
