/*
 * The table bridge quaywall: a container may only use its own addresses, by its own port of the bridge.
 *
 * CAP_NET_RAW is among Docker's default capabilities, so the addresses in a frame are claims. The other table
 * takes them for granted; this one holds them against the port that the frame came in by, which no
 * container can choose. Its chain comes before the bridge learns from a frame.
 */
#include "bridge.h"

#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>

#include "quaywall/mem.h"

/* Just before the bridge's own filter (-200). */
#define PRIORITY (-210)

/* The engine names the host's ends of its containers so, each one, in every version. The name of the
 * bridge behind a port (meta ibrname) is not to be had of every kernel. */
#define CONTAINER_PORTS "veth*"

#define CHAIN_OWN4	   "from_own4"
#define CHAIN_OWN6	   "from_own6"
#define CHAIN_PORT	   "from_own_port"
#define CHAIN_SOLICIT	   "nd_solicit"
#define CHAIN_ADVERTISE	   "nd_advertise"
#define CHAIN_STRANGERS	   "from_strangers"
#define CHAIN_STRANGERS_ND "nd_strangers"

#define MAP_OWN		"icmpv6_own"
#define MAP_UNSPECIFIED "icmpv6_unspecified"
#define MAP_STRANGERS	"icmpv6_strangers"

#define DHCP_CLIENT   68
#define DHCPV6_CLIENT 546

/* ICMPv6 */
#define MLD_QUERY	  130
#define MLD_REPORT	  131
#define MLD_DONE	  132
#define ROUTER_SOLICIT	  133
#define ROUTER_ADVERT	  134
#define NEIGHBOUR_SOLICIT 135
#define NEIGHBOUR_ADVERT  136
#define REDIRECT	  137
#define MLD2_REPORT	  143

/* ---- what happens to a frame: what rule 8 does to an unknown address ---- */

/* [counter] goto refuse_spoofed | audit_spoofed */
static void end_rule(const struct writer *w, struct ruleset_rule *rule, enum unknown_action action)
{
	if (w->c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, VERDICT_GOTO, action == UNKNOWN_REFUSE ? CHAIN_SPOOFED : CHAIN_AUDITED);
}

static void refuse_rest(const struct writer *w, struct ruleset_chain *chain, const char *comment)
{
	end_rule(w, ruleset_add_rule(chain, comment), w->c->unknown);
}

static void write_refusals(const struct writer *w)
{
	const struct settings *s = w->c->settings;
	struct ruleset_chain *chain;

	ruleset_add_limit(w->r, LIMIT_LOG, s->log_rate ? s->log_rate : 1,
			  s->log_rate ? s->log_unit : POLICY_SECOND, s->log_burst);
	chain = ruleset_add_chain(w->r, CHAIN_SPOOFED, HOOK_NONE, 0);
	write_log(w, chain, "spoofed");
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_DROP, NULL);
	chain = ruleset_add_chain(w->r, CHAIN_AUDITED, HOOK_NONE, 0);
	write_log(w, chain, "audit spoofed");
	rule_verdict(ruleset_add_rule(chain, NULL), VERDICT_ACCEPT, NULL);
}

/* ---- matches ---- */

static struct ruleset_rule *match(struct ruleset_chain *chain, const char *comment, const char *set,
				  const enum ruleset_load *loads, size_t nloads)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, comment);

	rule_lookup(rule, set, false, loads, nloads);
	return rule;
}

static void let_pass(struct ruleset_rule *rule)
{
	rule_verdict(rule, VERDICT_ACCEPT, NULL);
}

static struct ruleset_rule *match_udp(struct ruleset_chain *chain, const char *comment,
				      uint16_t port)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, comment);

	rule_l4proto(rule, IPPROTO_UDP);
	rule_ports(rule, EXPR_TH_DPORT, port, port);
	return rule;
}

/* ip6 nexthdr != icmpv6: nobody needs a header before neighbour discovery's, and a fragment's (RFC 6980) or
 * another's would hide the target from the rules that follow. */
static void refuse_hidden(const struct writer *w, struct ruleset_chain *chain,
			  enum unknown_action action)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, "neighbour discovery behind headers");

	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_NEXTHDR,
						       .negate = true,
						       .number = IPPROTO_ICMPV6});
	end_rule(w, rule, action);
}

struct icmpv6_range {
	uint8_t first, last;
	enum ruleset_verdict verdict;
	const char *chain;
};

/* icmpv6 type vmap @NAME */
static void write_icmpv6_map(const struct writer *w, struct ruleset_rule *rule, const char *name,
			     const struct icmpv6_range *ranges, size_t n)
{
	struct ruleset_set *map =
		ruleset_add_set(w->r, name, SET_VERDICTS | SET_INTERVAL, FIELDS(FIELD_ICMPV6_TYPE));

	for (size_t i = 0; i < n; i++) {
		struct key first = {.len = 0}, last = {.len = 0};

		key_protocol(&first, ranges[i].first);
		key_protocol(&last, ranges[i].last);
		map_add(map, &first, &last, ranges[i].verdict, ranges[i].chain, NULL);
	}
	rule_vmap(rule, name, LOADS(LOAD_ICMPV6_TYPE));
}

/*
 * br_netfilter shows the other table IP and IPv6 alone. A VLAN tag hides a packet from it, while the
 * receiver takes a tag with VID 0 off again and sees an ordinary packet; its switch
 * bridge-nf-filter-vlan-tagged looks behind a single tag of 802.1Q, not behind 802.1ad or two. The kernel
 * looks behind the first tag for an address, so this must be asked of each frame.
 */
static void refuse_types(const struct writer *w, struct ruleset_chain *chain, const char *comment,
			 const uint16_t *but, size_t n)
{
	struct ruleset_rule *rule = ruleset_add_rule(chain, comment);

	for (size_t i = 0; i < n; i++)
		ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_ETHER_TYPE,
							       .negate = true,
							       .number = but[i]});
	/* Not as rule 8 is meant: what enforces would be passed by. */
	end_rule(w, rule, w->c->enforcing ? UNKNOWN_REFUSE : UNKNOWN_AUDIT);
}

static void refuse_tagged(const struct writer *w, struct ruleset_chain *chain, uint16_t but)
{
	refuse_types(w, chain, "tagged", &but, 1);
}

static void refuse_not_ip(const struct writer *w, struct ruleset_chain *chain)
{
	static const uint16_t seen[] = {ETH_P_IP, ETH_P_ARP, ETH_P_IPV6};

	refuse_types(w, chain, "neither IP nor ARP", seen, ARRAY_SIZE(seen));
}

/* ---- a container's own port ---- */

/* A DHCP server's answers go to the client's port, by whatever port it sends. */
static void write_own4(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_OWN4, HOOK_NONE, 0);

	refuse_tagged(w, chain, ETH_P_IP);
	end_rule(w, match_udp(chain, "DHCP server", DHCP_CLIENT), w->c->unknown);
	let_pass(ruleset_add_rule(chain, NULL));
}

/*
 * Router advertisements, redirects and queries for listeners are the host's alone: who asks for listeners, and lets
 * them take hours to answer, has the bridge forget them, and with them where neighbours are to be asked for.
 *
 * A first fragment that does not show its ICMPv6 type could be one; of later fragments no type shows, and they are
 * nothing without the first.
 */
static void write_own6(const struct writer *w)
{
	const char *end = w->c->unknown == UNKNOWN_REFUSE ? CHAIN_SPOOFED : CHAIN_AUDITED;
	const struct icmpv6_range types[] = {
		{0, MLD_QUERY - 1, VERDICT_ACCEPT, NULL},
		{MLD_QUERY, MLD_QUERY, VERDICT_GOTO, end},
		{MLD_REPORT, MLD_DONE, VERDICT_ACCEPT, NULL},
		{ROUTER_SOLICIT, ROUTER_SOLICIT, VERDICT_GOTO, CHAIN_SOLICIT},
		{ROUTER_ADVERT, ROUTER_ADVERT, VERDICT_GOTO, end},
		{NEIGHBOUR_SOLICIT, NEIGHBOUR_SOLICIT, VERDICT_GOTO, CHAIN_SOLICIT},
		{NEIGHBOUR_ADVERT, NEIGHBOUR_ADVERT, VERDICT_GOTO, CHAIN_ADVERTISE},
		{REDIRECT, REDIRECT, VERDICT_GOTO, end},
		{REDIRECT + 1, UINT8_MAX, VERDICT_ACCEPT, NULL},
	};
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_OWN6, HOOK_NONE, 0);
	struct ruleset_rule *rule;

	refuse_tagged(w, chain, ETH_P_IPV6);
	end_rule(w, match_udp(chain, "DHCPv6 server", DHCPV6_CLIENT), w->c->unknown);
	rule = ruleset_add_rule(chain, NULL);
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_L4PROTO,
						       .negate = true,
						       .number = IPPROTO_ICMPV6});
	let_pass(rule);
	write_icmpv6_map(w, ruleset_add_rule(chain, NULL), MAP_OWN, types, ARRAY_SIZE(types));
	rule = ruleset_add_rule(chain, NULL);
	rule_expr(rule, EXPR_LATER_FRAGMENT);
	let_pass(rule);
	refuse_rest(w, chain, "headers that hide what it is");
}

/* Whom a container asks for is its own business: what counts is that the source is its own. */
static void write_solicit(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_SOLICIT, HOOK_NONE, 0);

	refuse_hidden(w, chain, w->c->unknown);
	let_pass(ruleset_add_rule(chain, NULL));
}

/* iifname . @nh,384,128 @targets accept: the target is the port's own address, or a link-local one that nobody is
 * known to have (a container may form them otherwise than of its MAC). */
static void write_advertise(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_ADVERTISE, HOOK_NONE, 0);
	struct ruleset_rule *rule;

	refuse_hidden(w, chain, w->c->unknown);
	let_pass(match(chain, NULL, SET_TARGETS, LOADS(LOAD_IIFNAME, LOAD_ND_TARGET)));
	if (ruleset_find_set(w->r, SET_TARGET_BLOCKS))
		let_pass(
			match(chain, NULL, SET_TARGET_BLOCKS, LOADS(LOAD_IIFNAME, LOAD_ND_TARGET)));
	rule = match(chain, NULL, SET_LINK_TARGETS, LOADS(LOAD_ND_TARGET));
	rule_lookup(rule, SET_TAKEN_TARGETS, true, LOADS(LOAD_ND_TARGET));
	let_pass(rule);
	refuse_rest(w, chain, "another's address in ND");
}

/* What comes by a container's port with its MAC, but not from an address of its own: a node without an address yet
 * asks whether it may have it (and only for its own), and joins groups. */
static void write_port(const struct writer *w)
{
	static const struct icmpv6_range types[] = {
		{MLD_REPORT, MLD_DONE, VERDICT_ACCEPT, NULL},
		{ROUTER_SOLICIT, ROUTER_SOLICIT, VERDICT_ACCEPT, NULL},
		{NEIGHBOUR_SOLICIT, NEIGHBOUR_SOLICIT, VERDICT_GOTO, CHAIN_ADVERTISE},
		{MLD2_REPORT, MLD2_REPORT, VERDICT_ACCEPT, NULL},
	};
	static const struct prefix unspecified = {{AF_INET6, {0}}, 128};
	static const struct prefix link_local = {{AF_INET6, {0xfe, 0x80}}, 10};
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_PORT, HOOK_NONE, 0);
	struct ruleset_rule *rule;

	refuse_not_ip(w, chain);
	rule = ruleset_add_rule(chain, NULL);
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {.kind = EXPR_IP_SADDR, .prefix = unspecified});
	write_icmpv6_map(w, rule, MAP_UNSPECIFIED, types, ARRAY_SIZE(types));
	rule = ruleset_add_rule(chain, NULL);
	ruleset_add_expr(rule,
			 &(struct ruleset_expr) {.kind = EXPR_IP_SADDR, .prefix = link_local});
	rule_lookup(rule, SET_TAKEN6, true, LOADS(LOAD_IP6_SADDR));
	rule_verdict(rule, VERDICT_GOTO, CHAIN_OWN6);
	refuse_rest(w, chain, "another's address");
}

/* ---- ports that are nobody's, as far as is known ---- */

static void write_strangers_nd(const struct writer *w)
{
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_STRANGERS_ND, HOOK_NONE, 0);
	enum unknown_action action = w->c->unknown;

	refuse_hidden(w, chain, action);
	end_rule(w, match(chain, DEFAULT_UNKNOWN, SET_SUBNET_TARGETS, LOADS(LOAD_ND_TARGET)),
		 action);
	end_rule(w, match(chain, DEFAULT_UNKNOWN, SET_TAKEN_TARGETS, LOADS(LOAD_ND_TARGET)),
		 action);
}

/* Other programs' ports have such names, too, in bridges of their own: they are refused what only a container of
 * the engine would claim. The rest of an unknown container's is refused by the other table. */
static void write_strangers(const struct writer *w)
{
	const char *end = w->c->unknown == UNKNOWN_REFUSE ? CHAIN_SPOOFED : CHAIN_AUDITED;
	const struct icmpv6_range types[] = {
		{MLD_QUERY, MLD_QUERY, VERDICT_GOTO, end},
		{ROUTER_ADVERT, ROUTER_ADVERT, VERDICT_GOTO, end},
		{NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT, VERDICT_GOTO, CHAIN_STRANGERS_ND},
		{REDIRECT, REDIRECT, VERDICT_GOTO, end},
	};
	struct ruleset_chain *chain = ruleset_add_chain(w->r, CHAIN_STRANGERS, HOOK_NONE, 0);
	enum unknown_action action = w->c->unknown;
	const char *why = DEFAULT_UNKNOWN;

	refuse_not_ip(w, chain);
	if (action == UNKNOWN_PASS)
		return;
	end_rule(w, match(chain, why, SET_MACS, LOADS(LOAD_ETHER_SADDR)), action);
	end_rule(w, match(chain, why, "subnets4", LOADS(LOAD_IP_SADDR)), action);
	end_rule(w, match(chain, why, "subnets4", LOADS(LOAD_ARP_IP)), action);
	end_rule(w, match(chain, why, "subnets6", LOADS(LOAD_IP6_SADDR)), action);
	end_rule(w, match(chain, why, SET_TAKEN6, LOADS(LOAD_IP6_SADDR)), action);
	end_rule(w, match_udp(chain, why, DHCP_CLIENT), action);
	end_rule(w, match_udp(chain, why, DHCPV6_CLIENT), action);
	write_icmpv6_map(w, ruleset_add_rule(chain, NULL), MAP_STRANGERS, types, ARRAY_SIZE(types));
	write_strangers_nd(w);
}

/* ---- the base chain ---- */

/* iifname . ether saddr . ip saddr @own4 goto from_own4, and by the set of blocks where policies give any */
static void match_own(const struct writer *w, struct ruleset_chain *chain, int f,
		      const char *target)
{
	static const char *const sets[] = {"own", "own_blocks"};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		CLEANUP_FREE char *name = mem_printf("%s%s", sets[i], family_digit[f]);
		struct ruleset_rule *rule;

		if (!ruleset_find_set(w->r, name))
			continue;
		rule = match(chain, NULL, name,
			     LOADS(LOAD_IIFNAME, LOAD_ETHER_SADDR, family_saddr(f)));
		rule_verdict(rule, VERDICT_GOTO, target);
	}
}

/* iifname . arp saddr ether . arp saddr ip @own4 iifname . ether saddr @bound accept: a port has one MAC */
static void match_arp(const struct writer *w, struct ruleset_chain *chain)
{
	static const char *const sets[] = {"own4", "own_blocks4"};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		struct ruleset_rule *rule;

		if (!ruleset_find_set(w->r, sets[i]))
			continue;
		rule = match(chain, NULL, sets[i],
			     LOADS(LOAD_IIFNAME, LOAD_ARP_ETHER, LOAD_ARP_IP));
		rule_lookup(rule, SET_BOUND, false, LOADS(LOAD_IIFNAME, LOAD_ETHER_SADDR));
		let_pass(rule);
	}
}

static void write_prerouting(const struct writer *w)
{
	struct ruleset_chain *chain =
		ruleset_add_chain(w->r, "prerouting", HOOK_PREROUTING, PRIORITY);
	struct ruleset_rule *rule;

	match_own(w, chain, 0, CHAIN_OWN4);
	match_own(w, chain, 1, CHAIN_OWN6);
	match_arp(w, chain);
	rule = match(chain, NULL, SET_BOUND, LOADS(LOAD_IIFNAME, LOAD_ETHER_SADDR));
	rule_verdict(rule, VERDICT_GOTO, CHAIN_PORT);
	end_rule(w, match(chain, "another's MAC", SET_BOUND_PORTS, LOADS(LOAD_IIFNAME)),
		 w->c->unknown);
	rule = ruleset_add_rule(chain, NULL);
	rule_named(rule, EXPR_IIFNAME, CONTAINER_PORTS);
	rule_verdict(rule, VERDICT_GOTO, CHAIN_STRANGERS);
}

static void write_strangers_only(const struct writer *w)
{
	struct ruleset_rule *rule;

	write_strangers(w);
	rule = ruleset_add_rule(ruleset_add_chain(w->r, "prerouting", HOOK_PREROUTING, PRIORITY),
				NULL);
	rule_named(rule, EXPR_IIFNAME, CONTAINER_PORTS);
	rule_verdict(rule, VERDICT_GOTO, CHAIN_STRANGERS);
}

static void write_all(const struct writer *w)
{
	write_bridge_sets(w);
	write_own4(w);
	write_own6(w);
	write_solicit(w);
	write_advertise(w);
	write_port(w);
	write_strangers(w);
	write_prerouting(w);
}

static bool is_wanted(const struct compiled *c)
{
	return c->settings->antispoof && (c->enforcing || c->auditing);
}

struct ruleset *compile_bridge_ruleset(const struct compiled *c)
{
	struct writer w = {.c = c};

	if (!is_wanted(c))
		return NULL;
	w.r = ruleset_new(QUAYWALL_TABLE, NFPROTO_BRIDGE);
	write_refusals(&w);
	/* Where rule 8 is lifted containers may use unknown addresses, but what enforces is not to be
	 * passed by. */
	if (c->unknown == UNKNOWN_PASS)
		write_strangers_only(&w);
	else
		write_all(&w);
	ruleset_sort(w.r);
	return w.r;
}

struct ruleset *compile_bridge_part(const struct compiled *c, const struct extent *extent)
{
	struct writer w = {.c = c, .extent = extent};

	if (!is_wanted(c))
		return NULL;
	w.r = ruleset_new(QUAYWALL_TABLE, NFPROTO_BRIDGE);
	if (c->unknown != UNKNOWN_PASS)
		write_bridge_sets(&w);
	ruleset_sort(w.r);
	return w.r;
}
