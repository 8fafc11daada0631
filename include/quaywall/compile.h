/*
 * compile: settings, policies and a model -> identities, and from them the ruleset and every verdict.
 *
 * Pure. An identity is a class of endpoints that no selector in force tells apart; chains belong to
 * identities, set elements to endpoints. The rules that hold for an identity are listed in one place
 * (rules.c), which both the verdict function and the ruleset are made from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/addr.h"
#include "quaywall/model.h"
#include "quaywall/policy.h"
#include "quaywall/ruleset.h"

#define QUAYWALL_TABLE "quaywall"

struct compiled;

/* Resolves POLICIES and SETTINGS over MODEL, all of which must outlive the result. Problems that only
 * show with a model (an extra address that governs more than one identity, or collides) go to P; where
 * there is an error NULL is returned. P may be NULL: then such a document's addresses are left out. */
struct compiled *compile_new(const struct settings *settings, const struct policy_set *policies,
			     const struct model *model, struct policy_problems *p);
void compile_free(struct compiled *c);

/* What a step changes: parts of the two tables as they were and as they are, which ruleset_compare() makes the difference
 * of; no bridge's where there is no such table. */
struct compile_step {
	struct ruleset *was, *is;
	struct ruleset *bridge_was, *bridge_is;
	struct ranges gone; /* addresses of endpoints that nobody has any more */
};

/*
 * Brings C, in place, to MODEL, which takes the place of the one that C was made from and must outlive it likewise: the
 * result is that of compile_new(). This is for what happens all the time, containers that come or go, and costs little
 * however many there are. Returns false, and leaves C as it is, where more changed, or what depends on others: addresses
 * and ports that two have, networks. A compile_new() is due then. RET is to be freed by compile_step_done().
 */
bool compile_follow(struct compiled *c, const struct model *model, struct compile_step *ret);
void compile_step_done(struct compile_step *s);

/* What the object was made from. */
const struct settings *compile_settings(const struct compiled *c);
const struct policy_set *compile_policies(const struct compiled *c);
const struct model *compile_model(const struct compiled *c);

/* The table `inet quaywall`, sorted. The caller frees. */
struct ruleset *compile_ruleset(const struct compiled *c);

/* The table `bridge quaywall`, which drops what the other one never sees: frames of containers that are
 * neither IP nor ARP. NULL where it is not wanted: nothing is refused, or `antispoof` is off. The
 * caller frees. */
struct ruleset *compile_bridge_ruleset(const struct compiled *c);

/* Whether a container that becomes known can have flows that are refused from then on: where its address,
 * unknown, was not refused, or the host's own packets, which never are while it is unknown, can be. */
bool compile_endpoint_tightens(const struct compiled *c);

/* An answer of a flow that is to be cut, as it is without conntrack. */
struct compile_answer {
	struct addr src, dst; /* of one family */
	uint8_t protocol;     /* one with ports */
	uint16_t sport, dport;
};

/* The set of such answers, in a ruleset that refuses anything, and the key of an element of it; and the part of the
 * ruleset that has those sets, for the caller to free. */
const char *compile_cut_set(uint8_t family);
struct ruleset *compile_cut_table(const struct compiled *c);
void compile_cut_key(const struct compile_answer *a, uint8_t ret[static RULESET_KEY_MAX]);

/* Whether some policy or default can refuse a packet between two containers of one bridge, so that
 * br_netfilter is needed. */
bool compile_needs_bridge_filter(const struct compiled *c);

/* Whether some policy or default refuses anything: in audit mode nothing does. The rule that drops what is for
 * 127.0.0.0/8 and not from this host, and antispoof, come with it. */
bool compile_enforces(const struct compiled *c);

/* ---- verdicts ---- */

enum flow_end_kind {
	END_ENDPOINT, /* an endpoint of the model */
	END_HOST,
	END_OUTSIDE, /* neither a container's nor the host's address */
	END_UNKNOWN, /* in a managed network, held by no known endpoint: rule 8 */
};

struct flow_end {
	enum flow_end_kind kind;
	size_t endpoint;       /* END_ENDPOINT: index into the model's endpoints */
	struct addr addr;      /* that the packet carries; family 0: any (END_HOST, END_OUTSIDE) */
	const char *interface; /* END_OUTSIDE: the host's, by which it comes or goes; or NULL */
};

/* The first packet of a flow. */
struct flow {
	struct flow_end from, to;
	uint8_t protocol; /* IPPROTO_*; 0 with every_port: every protocol */
	bool every_port;  /* asks whether every port of the protocol (or of all) is allowed */
	uint16_t port;	  /* the destination's, after translation; host order */
	bool published;	  /* comes from outside through a published port */
	uint16_t published_port;
};

enum flow_verdict { FLOW_ALLOW, FLOW_AUDIT, FLOW_DENY };

/* What decided at one end of a flow. */
enum flow_reason {
	REASON_NOT_JUDGED,    /* that end is not a container, or the container talks to itself */
	REASON_NOT_ISOLATED,  /* no policy isolates the direction and the default allows */
	REASON_ALLOW_RULE,    /* `rule` of `document` consents */
	REASON_PUBLISH_RULE,  /* likewise, for a published port */
	REASON_DENY_RULE,     /* `rule` refuses */
	REASON_ISOLATED,      /* `document` isolates, and no rule consents */
	REASON_DEFAULT,	      /* a default refuses: see `setting` */
	REASON_UNKNOWN,	      /* rule 8 */
	REASON_NOT_PUBLISHED, /* the published port is restricted, and no publish rule names it */
	REASON_HOST,	      /* rule 6: the host reaches its containers */
};

struct flow_consent {
	enum flow_reason reason;
	enum flow_verdict verdict;
	const struct policy_document *document; /* or NULL */
	const struct policy_rule *rule;		/* or NULL */
	const char *setting;			/* "defaults.containers" …, or NULL */
	bool limited;				/* consents within the rule's limit only */
};

struct verdict {
	enum flow_verdict verdict;
	struct flow_consent egress;	       /* of the source */
	struct flow_consent ingress;	       /* of the destination */
	const struct flow_consent *decided_by; /* one of the two */
};

/* Judges F. Where a rule has a limit, the verdict is the one within the limit. */
void compile_verdict(const struct compiled *c, const struct flow *f, struct verdict *ret);

/* The end that holds ADDR: an endpoint, the host, unknown, or outside. */
struct flow_end compile_end_of_addr(const struct compiled *c, const struct addr *a);

/* A container's or host's flow to the host's PORT (host order) at ADDR, if that is a published port: a flow to the
 * container behind it. Sets *RET to that end and *RET_PORT to the container's port. False: nobody publishes
 * it, or the container has no endpoint on a managed network. */
bool compile_published_target(const struct compiled *c, const struct addr *addr, uint8_t protocol,
			      uint16_t port, struct flow_end *ret, uint16_t *ret_port);

/* "shop.yaml:12 scrape", "defaults.containers", … where the consent comes from. */
void compile_consent_where(const struct flow_consent *consent, struct buf *out);
/* One sentence: "shop isolates ingress and no rule allows it (shop.yaml:2)". */
void compile_consent_print(const struct flow_consent *consent, bool egress, struct buf *out);

/* ---- documents as they hold ---- */

/* A document over a project: a template has one instance for each project that exists and matches,
 * any other document exactly one. */
struct compile_instance {
	const struct policy_document *document;
	const char *scope; /* the project that selectors which name none get; NULL for none */
};

size_t compile_instances(const struct compiled *c); /* how many */
const struct compile_instance *compile_instance(const struct compiled *c, size_t i);

/* Whether S, a selector of the instance's document but not its `for`, selects the endpoint. */
bool compile_selects(const struct compiled *c, const struct compile_instance *in,
		     const struct selector *s, size_t endpoint);

/* Whether the instance governs the endpoint. */
bool compile_governs(const struct compiled *c, const struct compile_instance *in, size_t endpoint);

/* ---- identities ---- */

struct compile_identity {
	const char *name; /* "shop/db"; with '.' and a hash where several had the same */
	size_t nendpoints;
	unsigned isolated; /* POLICY_INGRESS | POLICY_EGRESS by an enforcing policy or default */
	unsigned audited;  /* the same, by audit ones alone */
};

size_t compile_identities(const struct compiled *c); /* how many */
const struct compile_identity *compile_identity(const struct compiled *c, size_t i);
size_t compile_identity_of(const struct compiled *c, size_t endpoint); /* MODEL_NONE: not managed */

/* ---- what stands for many ---- */

/* Ends that stand for every end of an identity, of the host or of outside: a verdict that holds for one of each class holds
 * for all of it, whatever rules ask of addresses and interfaces. */
struct compile_member {
	struct flow_end
		end;  /* END_ENDPOINT: without an address, to be judged by each that it has */
	size_t class; /* from 0; members of one class stand side by side */
};

struct compile_members {
	struct compile_member *items;
	size_t len, cap;
};

void compile_members_done(struct compile_members *m);

/* What the rules say of addresses, as the functions below need it. C must outlive it. */
struct compile_classes;
struct compile_classes *compile_classes_new(const struct compiled *c);
void compile_classes_free(struct compile_classes *k);

/* Each appends to RET. Of an identity two endpoints of different containers stand for a class that has them, as no container
 * is judged against itself; classes differ by network, too. */
void compile_members_of(const struct compile_classes *k, size_t identity,
			struct compile_members *ret);
void compile_members_of_host(const struct compile_classes *k, struct compile_members *ret);
/* Outside, as an IDENTITY's flows come from there (INGRESS) or go there. */
void compile_members_outside(const struct compile_classes *k, size_t identity, bool ingress,
			     struct compile_members *ret);

/* The ports at which a verdict between two identities (MODEL_NONE: the host, outside) can begin to differ, ascending from
 * 1: what holds for one holds up to the next. */
struct compile_ports {
	uint16_t *items;
	size_t len, cap;
};

void compile_port_bounds(const struct compiled *c, size_t from, size_t to, uint8_t protocol,
			 struct compile_ports *ret);

/* ---- chains that count ---- */

#define COMPILE_COUNTED 9

/* A chain of the rulesets whose first rule counts all packets that come there (unless `log.rate` is 0 and `counters` off). What
 * follows logs them with "quaywall WORD" as the whole prefix, as many as the rate allows. */
struct compile_counted {
	uint8_t family; /* NFPROTO_* */
	const char *chain;
	const char *word;
};

const struct compile_counted *compile_counted_chain(size_t i); /* NULL from COMPILE_COUNTED on */

/* ---- overlay networks on the wire ---- */

/*
 * The dynamic sets that count VXLAN datagrams of overlay networks: by identifier (FIELD_VNI) and peer. Their names are
 * overlay_WAY_KIND4 and 6: WAY is "in" or "out"; KIND is "clear", "ipsec", or "others" for hosts that are no peers.
 * They exist where compile_watches_overlay() says so, and `counters` is on.
 */
#define COMPILE_OVERLAY_SETS 12
#define COMPILE_OVERLAY_KEPT 86400 /* seconds that an element stays which counts nothing */
extern const char *const compile_overlay_sets[COMPILE_OVERLAY_SETS];

/* There is an overlay network, or the settings refuse VXLAN. */
bool compile_watches_overlay(const struct compiled *c);

/* ---- checks that need a model ---- */

/* Runs the `expect:` of every document. Failures are errors in P, one for each expectation, with the
 * first pair that differs; the number of expectations that held comes back. A template's expectation
 * is held against all its instances together. */
size_t compile_run_expects(const struct compiled *c, struct policy_problems *p);

/* Warnings: a selector that selects nothing, a rule that an earlier one shadows, a publish rule for a
 * port that nobody publishes, a `from` of publish that is a container's or the host's address. */
void compile_lint(const struct compiled *c, struct policy_problems *p);

/* A model invented from the selectors of `expect:`: one container for each, with exactly its values, all
 * on one network for each project. Selectors that are not plain values are errors in P ('needs
 * --snapshot'); then NULL comes back. The caller frees. */
struct model *compile_invent_model(const struct policy_set *policies, struct policy_problems *p);

/* The engine's name in an invented model, by which compile_lint() knows not to wonder at selectors that
 * select nothing. */
#define COMPILE_INVENTED "invented world"

static inline void compile_cleanup(struct compiled **c)
{
	compile_free(*c);
}

#define CLEANUP_COMPILE_STEP __attribute__((cleanup(compile_step_done)))
#define CLEANUP_COMPILED     __attribute__((cleanup(compile_cleanup)))

static inline void compile_cleanup_classes(struct compile_classes **k)
{
	compile_classes_free(*k);
}

#define CLEANUP_MEMBERS __attribute__((cleanup(compile_members_done)))
#define CLEANUP_CLASSES __attribute__((cleanup(compile_cleanup_classes)))
