/*
 * What the files share that write the ruleset of a compiled set. Each identity has up to six chains:
 *
 *   from_X     forward: what X sends, by destination
 *   to_X       forward: what X receives, by source
 *   publish_X  forward, from to_X: what comes from outside through a published port (DNAT)
 *   proxy_X    input: the same by docker-proxy, before it connects as the host
 *   host_X     input: what X sends to the host, and to published ports by docker-proxy
 *   local_X    output: what the host sends to X
 *   resume_from_X, resume_to_X   forward: TCP in the middle, which conntrack does not know
 *
 * A chain judges one end of a flow: `return` consents, the end of an isolating chain refuses.
 */
#pragma once

#include "compile-internal.h"

/* ---- writer.c: keys, elements and rules ---- */

struct key {
	uint8_t bytes[RULESET_KEY_MAX];
	size_t len;
};

void key_ifname(struct key *k, const char *name);
void key_addr(struct key *k, const struct addr *a);
void key_protocol(struct key *k, uint8_t protocol);
void key_port(struct key *k, uint16_t port);

void set_add(struct ruleset_set *s, const struct key *first, const struct key *last,
	     const char *comment);
/* For a set whose key is an address alone. */
void set_add_range(struct ruleset_set *s, const struct addr_range *range, const char *comment);
void map_add(struct ruleset_set *s, const struct key *first, const struct key *last,
	     enum ruleset_verdict verdict, const char *chain, const char *comment);

void rule_expr(struct ruleset_rule *rule, enum ruleset_expr_kind kind);
void rule_not(struct ruleset_rule *rule, enum ruleset_expr_kind kind, const char *name);
void rule_named(struct ruleset_rule *rule, enum ruleset_expr_kind kind, const char *name);
void rule_ct_state(struct ruleset_rule *rule, uint32_t bits);
void rule_l4proto(struct ruleset_rule *rule, uint8_t protocol);
void rule_ports(struct ruleset_rule *rule, enum ruleset_expr_kind kind, uint16_t first,
		uint16_t last);
void rule_lookup(struct ruleset_rule *rule, const char *set, bool negate,
		 const enum ruleset_load *loads, size_t nloads);
void rule_vmap(struct ruleset_rule *rule, const char *map, const enum ruleset_load *loads,
	       size_t nloads);
void rule_verdict(struct ruleset_rule *rule, enum ruleset_verdict verdict, const char *chain);

#define LOADS(...)                                 \
	(const enum ruleset_load[]) {__VA_ARGS__}, \
		sizeof((const enum ruleset_load[]) {__VA_ARGS__}) / sizeof(enum ruleset_load)

/* ---- box.c: disjoint boxes of addresses, protocol and ports for the interval sets ---- */

struct box {
	struct addr_range addrs;
	uint8_t protocol; /* boxes of two protocols never overlap */
	uint16_t first, last;
	const struct held *held; /* where it comes from */
};

struct boxes {
	struct box *items;
	size_t len, cap;
};

/* Adds what of BOX no earlier box holds, in pieces. */
void boxes_add(struct boxes *list, const struct box *box);

/* ---- peers.c: the far side of a rule as addresses ---- */

struct strings {
	const char **items; /* not owned */
	size_t len, cap;
};

/* A link-local address says who it is only together with the link. */
struct link_peers {
	struct link_peer {
		struct addr addr;
		const char *bridge;
	} * items;
	size_t len, cap;
};

struct peers {
	bool exact_wanted;	   /* the rule names containers: the hash sets exist, if empty */
	bool ranges_wanted[2];	   /* by family: likewise for interval sets */
	bool everything;	   /* every address of both families */
	struct ranges exact;	   /* container addresses, each a range of one; not normalised */
	struct link_peers links;   /* their link-local ones, on managed networks */
	struct ranges ranges;	   /* normalised */
	struct strings interfaces; /* of {interface: …}: names, or prefixes that end in '*' */
};

enum side { SIDE_FROM, SIDE_TO, SIDE_HOST, SIDE_LOCAL, SIDE_OUTSIDE };

struct writer;

void peers_of(const struct writer *w, const struct held *held, enum side side, struct peers *ret);
void peers_done(struct peers *p);
/* The CIDRs of the rule's own side, where held->own is OWN_CIDRS. */
struct ranges own_ranges(const struct held *held, enum side side);

#define CLEANUP_PEERS __attribute__((cleanup(peers_done)))

/* ---- clause.c, form.c: lists of rules as sets and rules of a chain ---- */

/* A part of a compiled set: what some endpoints contribute to the sets, those of other identities' chains included, and
 * all that some identities have. */
struct extent {
	const struct index_list *endpoints;
	const struct index_list
		*touched;		/* identities whose sets some of the endpoints can be in */
	const struct index_list *whole; /* other identities */
	const struct index_list
		*ports;	  /* of c->published: what leads to them, for all other identities */
	bool with_shared; /* and the sets that those share with all others */
};

struct writer {
	const struct compiled *c;
	struct ruleset *r;
	void **sets; /* root of a tsearch(3) tree: the sets by name */
	const struct extent
		*extent; /* NULL: all of it. Else no other endpoints and ports become elements */
};

/* The published ports that become elements. */
size_t written_ports(const struct writer *w);
const struct published *written_port(const struct writer *w, size_t i);
/* Whether all that the identity has is written beside the extent. */
bool is_written_whole(const struct writer *w, const struct identity *id);

/* Where a list of rules is written, and what follows from a match. */
struct clause {
	const struct writer *w;
	struct ruleset_chain *chain;
	enum side side;
	const char *sets;		  /* what the names of its sets begin with */
	enum ruleset_expr_kind port_kind; /* EXPR_TH_DPORT, or EXPR_CT_ORIG_PORT behind DNAT */
	const char *word; /* what a rule's own log says: "accepted", "refused", "audit" */
	enum ruleset_verdict verdict;
	const char *target; /* chain of a goto or jump */
	bool logs;	    /* target logs by itself: a rule with its own log takes quiet instead */
	const char *quiet;  /* or NULL: just goes on */
};

/* Writes the rules of the list; of deny rules those that ENFORCE says. */
void clause_write(const struct clause *clause, const struct held_list *list, bool enforce);

/* [IFNAME .] FAR . meta l4proto . PORT @SETS_port* VERDICT, for those of the sets that exist. */
void clause_match_ports(const struct writer *w, struct ruleset_chain *chain, enum side side,
			const char *sets, enum ruleset_load port, enum ruleset_verdict verdict);
/* [IFNAME .] FAR @SETS_addr* VERDICT, and likewise @SETS_net*. */
void clause_match_peers(const struct writer *w, struct ruleset_chain *chain, enum side side,
			const char *sets, enum ruleset_verdict verdict);

/* One rule as nft rules of its own: for what cannot share sets. INDEX is its place in the list. PARTS is
 * what of its peers to write. */
#define FORM_EXACT	1u
#define FORM_RANGES	2u
#define FORM_INTERFACES 4u
#define FORM_ALL	7u
void form_write(const struct clause *clause, const struct held *held, size_t index,
		const struct peers *peers, unsigned parts);
/* The same with the ports' place taken by a lookup in PORTS, a set of protocol . port. */
void form_write_ports(const struct clause *clause, const struct held *held, size_t index,
		      const struct peers *peers, const char *ports);

/* Whether each port can be an element beside a container's address. */
bool ports_fit_elements(const struct policy_ports *p);
char *held_comment(const struct held *held); /* "shop.yaml:12 scrape"; the caller frees */
unsigned counter_flag(const struct compiled *c);
/* The set of that name, made if it is not there; *FRESH says whether it was. */
struct ruleset_set *set_get(const struct writer *w, const char *name, unsigned flags,
			    const enum ruleset_field *fields, size_t nfields, bool *fresh);

#define FIELDS(...)                                 \
	(const enum ruleset_field[]) {__VA_ARGS__}, \
		sizeof((const enum ruleset_field[]) {__VA_ARGS__}) / sizeof(enum ruleset_field)

static const uint8_t families[2] = {AF_INET, AF_INET6};
static const char *const family_digit[2] = {"4", "6"};

static inline enum ruleset_field family_field(int f)
{
	return f ? FIELD_IPV6 : FIELD_IPV4;
}

static inline enum ruleset_load family_saddr(int f)
{
	return f ? LOAD_IP6_SADDR : LOAD_IP_SADDR;
}

static inline enum ruleset_load family_daddr(int f)
{
	return f ? LOAD_IP6_DADDR : LOAD_IP_DADDR;
}

/* Where the far end's and the own address of a side stand in the packet. */
enum ruleset_load far_load(enum side side, int f);
enum ruleset_load own_load(enum side side, int f);
/* The interface that the far end is behind: where the packet came from or goes to. */
enum ruleset_load far_ifname(enum side side);

/* ---- chain.c, publish.c, hairpin.c, skeleton.c ---- */

#define CHAIN_REFUSE	      "refuse"
#define CHAIN_REFUSE_LOCAL    "refuse_local"
#define CHAIN_QUIET	      "refuse_quietly"
#define CHAIN_QUIET_LOCAL     "refuse_local_quietly"
#define CHAIN_REFUSE_UNKNOWN  "refuse_unknown"
#define CHAIN_AUDIT	      "audit"
#define CHAIN_AUDIT_UNKNOWN   "audit_unknown"
#define CHAIN_HOST_CONTAINERS "containers_to_host" /* input, from a managed bridge */
#define LIMIT_LOG	      "log_rate"

/* self4, self6: bridge . address . address of a container that reaches itself */
struct ruleset_set *self_set(const struct writer *w, int f);

/* Whether an ICMP error is judged by who sends it. */
bool judges_errors(const struct compiled *c);

/* ends4, ends6: bridge . address . the same address, of each container; BLOCKS: ends_blocks4, ends_blocks6, with
 * `addresses:` of policies on the right */
struct ruleset_set *ends_set(const struct writer *w, int f, bool blocks);

/* An address that two endpoints of one bridge show is changing owners: the engine gave it away before the
 * old one's end was read. Until that is settled it is nobody's. */
bool addr_is_contested(const struct compiled *c, size_t endpoint, const struct addr *a);

/* Whose element it is, for who reads the table; the caller frees. */
char *endpoint_comment(const struct model *m, const struct model_endpoint *e);

#define SET_BRIDGES "bridges"

bool has_chain(const struct compiled *c, const struct identity *id, enum side side);
bool has_publish_chain(const struct compiled *c, const struct identity *id);
/* "from_shop/db" for PREFIX "from_"; the caller frees. */
char *chain_name(const struct identity *id, const char *prefix);
const char *side_prefix(enum side side);

void write_side(const struct writer *w, const struct identity *id, enum side side);
/* Of its chains what has sets of containers' addresses: nothing else changes where one comes or goes. */
void write_peer_sets(const struct writer *w, const struct identity *id);
void write_resumes(const struct writer *w, const struct identity *id);
void write_denies(const struct writer *w, struct ruleset_chain *chain, const struct identity *id,
		  enum side side);
void clause_refuses(struct clause *clause, enum side side, bool enforce);
void write_end(const struct writer *w, struct ruleset_chain *chain, const struct causes *causes,
	       const char *what, const char *refuse);
void write_publish(const struct writer *w, const struct identity *id);
/* The extent's ports in the sets of deny rules, for docker-proxy. */
void write_denied_ports(const struct writer *w);
void write_published_maps(const struct writer *w);
void write_hairpin(const struct writer *w, const struct identity *id, struct ruleset_chain *chain);
void write_unknown_hairpin(const struct writer *w, struct ruleset_chain *chain);
/* A rule that logs at the common rate, where `log` has one. */
void write_log(const struct writer *w, struct ruleset_chain *chain, const char *what);
void write_skeleton(const struct writer *w);
/* flows.c: what the chains of every hook begin with, and the chains that this leads to */
void write_beginning(const struct writer *w, struct ruleset_chain *chain, bool from_host);
void write_not_new(const struct writer *w);
void write_cut(const struct writer *w); /* cut.c */
void match_cut(const struct writer *w, struct ruleset_chain *chain);
void write_overlay(const struct writer *w); /* overlay.c */
void write_endpoint_maps(const struct writer *w);
void write_shared_hairpin(const struct writer *w); /* the sets that identities' chains share */
void write_some_ports(const struct writer *w);	   /* the extent's, in the maps of hairpin.c */
void write_self_sets(const struct writer *w);
void write_endpoints(const struct writer *w);
void write_some_endpoints(const struct writer *w, const struct index_list *endpoints);

/* ---- table.c, bridge.c: a part of the two tables; the bridge's is sorted, and NULL where there is none ---- */

struct part {
	struct ruleset *ruleset;
	void *sets;	 /* as the writer's */
	size_t nstaying; /* of its sets: the first ones are not those of whole identities */
};

/* To be finished together with the other half. */
void compile_part(const struct compiled *c, const struct extent *extent, struct part *ret);
/* Both hold the same sets then, but for those of whole identities, and are sorted; the two rulesets are the caller's. */
void finish_parts(struct part *was, struct part *is);
struct ruleset *compile_bridge_part(const struct compiled *c, const struct extent *extent);
