/*
 * ruleset: one nftables table as plain data: wanted by the compiler, or read from the kernel.
 *
 * Rules are of a closed set of expressions, so that the same object can be printed as nft text, sent to
 * the kernel, read back from it and compared. Sets are all named: an anonymous set could not be
 * updated. Names are valid nft identifiers of at most 127 bytes; ruleset_identifier() makes one of any
 * bytes.
 *
 * Owned: every string and array below belongs to the struct ruleset; ruleset_free() frees the lot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/addr.h"
#include "quaywall/buf.h"

/* ---- sets and maps ---- */

/* What a key consists of. The comment is nft's type, then the bytes that the field takes in a key
 * (each field is padded to 4 bytes, as the kernel's registers are). */
enum ruleset_field {
	FIELD_IFNAME,	   /* ifname, 16 bytes, zero-padded */
	FIELD_IPV4,	   /* ipv4_addr, 4 bytes, network order */
	FIELD_IPV6,	   /* ipv6_addr, 16 bytes */
	FIELD_PROTOCOL,	   /* inet_proto, 1 byte and 3 of padding */
	FIELD_PORT,	   /* inet_service, 2 bytes, network order, and 2 of padding */
	FIELD_ICMPV6_TYPE, /* icmpv6_type, 1 byte and 3 of padding */
	FIELD_ETHER,	   /* ether_addr, 6 bytes and 2 of padding */
	FIELD_ND_TARGET, /* 16 bytes, an IPv6 address; nft knows it as typeof @nh,384,128 alone, so
			    * a set with it has typeof for all, and FIELD_IFNAME there is of iifname */
	FIELD_VNI, /* 3 bytes, network order, and 1 of padding; nft knows it as typeof @th,96,24 alone, and then
		    * addresses beside it are of sources */
};

#define RULESET_FIELDS_MAX 5
#define RULESET_KEY_MAX	   64 /* bytes */

#define SET_INTERVAL 1u /* elements are ranges in every field */
#define SET_DYNAMIC  2u /* filled by packets: its elements are neither printed nor compared */
#define SET_COUNTER  4u /* each element has a counter */
#define SET_VERDICTS 8u /* a map of verdicts */

enum ruleset_verdict {
	VERDICT_NONE, /* for a set's element */
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_RETURN,
	VERDICT_JUMP,
	VERDICT_GOTO,
};

/* A ruleset of a large host has hundreds of thousands: what they hold is kept by the ruleset, close together, and a
 * text that many have once. */
struct ruleset_element {
	const uint8_t *key;	/* fields one behind the other, padded: ruleset_key_size() bytes */
	const uint8_t *key_end; /* SET_INTERVAL: the last key, included; else KEY */
	const char *chain;	/* of VERDICT_JUMP and _GOTO */
	const char *comment;	/* or NULL; at most 120 bytes, printable ASCII without '"' */
	enum ruleset_verdict verdict;
};

struct ruleset_set {
	char *name;
	enum ruleset_field fields[RULESET_FIELDS_MAX];
	size_t nfields;
	unsigned flags;
	uint32_t timeout; /* SET_DYNAMIC: seconds until an element goes; 0: never */
	uint32_t size;	  /* SET_DYNAMIC: the most elements; 0 elsewhere */
	struct ruleset_element
		*elements; /* sorted by key once ruleset_sort() ran; never overlapping */
	size_t len, cap;
	bool unknown; /* read from the kernel and not of our making: equal to no set */
	struct ruleset_store *store; /* the ruleset's */
};

/* ---- limits ---- */

/* A named object: `limit NAME { rate RATE/UNIT burst BURST packets }`. */
struct ruleset_limit {
	char *name;
	uint32_t rate;
	uint32_t unit; /* seconds: 1, 60, 3600, 86400 */
	uint32_t burst;
};

/* ---- rules ---- */

/* What a packet's part is loaded from, for lookups. */
enum ruleset_load {
	LOAD_IIFNAME,
	LOAD_OIFNAME,
	LOAD_IP_SADDR,
	LOAD_IP_DADDR,
	LOAD_IP6_SADDR,
	LOAD_IP6_DADDR,
	LOAD_L4PROTO,
	LOAD_TH_DPORT, /* th dport, or tcp/udp/sctp dport where the rule fixed the protocol */
	LOAD_TH_SPORT,
	LOAD_ICMPV6_TYPE, /* only behind EXPR_L4PROTO of ICMPv6 */
	LOAD_ETHER_SADDR, /* the source in an Ethernet header */
	LOAD_ARP_ETHER,	  /* arp saddr ether */
	LOAD_ARP_IP,	  /* arp saddr ip */
	LOAD_ND_TARGET,	  /* @nh,384,128: 16 bytes behind an IPv6 header and 8 of ICMPv6, where
				 * neighbour discovery has its target if no other header is between */
	LOAD_VNI,	  /* @th,96,24: 3 bytes behind a UDP header and 4 of VXLAN's */
	LOAD_CT_ORIG_IP,  /* ct original ip saddr: who began the flow */
	LOAD_CT_ORIG_IP6,
	LOAD_CT_REPLY_IP, /* ct reply ip saddr: who answers, behind any translation */
	LOAD_CT_REPLY_IP6,
};

enum ruleset_expr_kind {
	/* matches; the text is nft's */
	EXPR_IIFNAME,	     /* iifname [!=] "NAME"; a NAME that ends in '*' is a prefix */
	EXPR_OIFNAME,	     /* oifname [!=] "NAME" */
	EXPR_CT_STATE,	     /* ct state [!=] a,b (any of the bits of CT_*) */
	EXPR_CT_DNAT,	     /* ct status [!=] dnat */
	EXPR_NFPROTO,	     /* meta nfproto ipv4 | ipv6: `number` is AF_INET or AF_INET6 */
	EXPR_L4PROTO,	     /* meta l4proto [!=] NUMBER */
	EXPR_ICMP,	     /* meta l4proto icmp (or ipv6-icmp) assumed before: icmp type NUMBER;
			     * `number` is the type, `family` AF_INET or AF_INET6 */
	EXPR_ICMP_CODE,	     /* icmp code NUMBER, likewise */
	EXPR_TH_DPORT,	     /* th dport FIRST-LAST (first == last: one port) */
	EXPR_CT_ORIG_PORT,   /* ct original proto-dst FIRST-LAST */
	EXPR_TCP_NOT_SYN,    /* tcp flags & (fin|syn|rst|ack) != syn */
	EXPR_FIB_LOCAL,	     /* fib daddr type [!=] local */
	EXPR_HOPLIMIT,	     /* ip6 hoplimit NUMBER */
	EXPR_NEXTHDR,	     /* ip6 nexthdr [!=] NUMBER: of the first header */
	EXPR_LATER_FRAGMENT, /* frag frag-off != 0: IPv6, and not the first fragment */
	EXPR_ETHER_TYPE,     /* ether type [!=] NUMBER, as on the wire: a VLAN tag shows */
	EXPR_MULTICAST,	     /* meta pkttype multicast: came in a frame to a group */
	EXPR_LINK_GROUP,     /* ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 */
	EXPR_IP_DADDR,	     /* ip daddr [!=] PREFIX, or ip6 */
	EXPR_IP_SADDR,	     /* ip saddr [!=] PREFIX, or ip6 */
	EXPR_IPSEC_IN,	     /* meta ipsec exists, negated missing: whether it came encrypted */
	EXPR_IPSEC_OUT,	     /* rt ipsec exists, negated missing: whether it will be encrypted */
	EXPR_LOOKUP,	     /* LOADS [!=] @SET */
	EXPR_VMAP,	     /* LOADS vmap @SET */
	/* statements */
	EXPR_LIMIT,	   /* limit name "NAME": goes on only within the limit */
	EXPR_DYNSET_LIMIT, /* update @SET { LOADS limit rate RATE/UNIT burst BURST packets } */
	EXPR_DYNSET_CONNS, /* add @SET { LOADS ct count NUMBER }: goes on only up to NUMBER */
	EXPR_DYNSET_COUNT, /* update @SET { LOADS counter }: counts the packet in the element */
	EXPR_DYNSET_STAY,  /* update @SET { LOADS }: the element's time begins again */
	EXPR_COUNTER,	   /* counter */
	EXPR_LOG,	   /* log prefix "TEXT" group NUMBER */
	EXPR_REJECT_RST,   /* reject with tcp reset */
	EXPR_REJECT_ADMIN, /* reject with icmpx admin-prohibited */
	EXPR_VERDICT,	   /* accept, drop, return, jump CHAIN, goto CHAIN */
};

#define CT_INVALID     1u
#define CT_ESTABLISHED 2u
#define CT_RELATED     4u
#define CT_NEW	       8u
#define CT_UNTRACKED   64u

struct ruleset_expr {
	enum ruleset_expr_kind kind;
	bool negate;
	uint8_t family;
	uint32_t number;
	uint16_t first, last;	    /* ports, host order */
	uint32_t rate, unit, burst; /* EXPR_DYNSET_LIMIT */
	struct prefix prefix;
	enum ruleset_load loads[RULESET_FIELDS_MAX];
	size_t nloads;
	enum ruleset_verdict verdict;
	/* Interface, set, limit, chain or log prefix (printable ASCII without '"' and '$', which nft
	 * takes for a variable, at most 120 bytes). */
	char *name;
};

struct ruleset_rule {
	struct ruleset_expr *exprs;
	size_t len, cap;
	char *comment; /* or NULL; as in an element */
	bool unknown;  /* read from the kernel and not of our making: equal to no rule */
};

enum ruleset_hook {
	HOOK_NONE,
	HOOK_PREROUTING,
	HOOK_INPUT,
	HOOK_FORWARD,
	HOOK_OUTPUT,
	HOOK_POSTROUTING
};

struct ruleset_chain {
	char *name;
	enum ruleset_hook hook; /* HOOK_NONE: not a base chain */
	int32_t priority;	/* of a base chain; type filter, policy accept */
	struct ruleset_rule *rules;
	size_t len, cap;
	bool unknown; /* read from the kernel, of another type or policy: equal to no chain */
};

/* ---- the table ---- */

struct ruleset {
	char *table;		      /* "quaywall" */
	uint8_t family;		      /* NFPROTO_INET (1) or NFPROTO_BRIDGE (7) */
	struct ruleset_limit *limits; /* sorted by name once ruleset_sort() ran; likewise below, but
				       * that sets whose name has a dot are last */
	size_t nlimits, limits_cap;
	struct ruleset_set **sets;
	size_t nsets, sets_cap;
	struct ruleset_chain **chains;
	size_t nchains, chains_cap;
	bool sorted;		     /* each of the three: finding is by halves then */
	struct ruleset_store *store; /* keys and texts of the elements */
};

struct ruleset *ruleset_new(const char *table, uint8_t family);
void ruleset_free(struct ruleset *r);

/* Each returns the new object, which stays the ruleset's and stays where it is. */
struct ruleset_set *ruleset_add_set(struct ruleset *r, const char *name, unsigned flags,
				    const enum ruleset_field *fields, size_t nfields);
struct ruleset_chain *ruleset_add_chain(struct ruleset *r, const char *name, enum ruleset_hook hook,
					int32_t priority);
void ruleset_add_limit(struct ruleset *r, const char *name, uint32_t rate, uint32_t unit,
		       uint32_t burst);
/* The returned rule is good until the next one of the same chain is added. COMMENT may be NULL. */
struct ruleset_rule *ruleset_add_rule(struct ruleset_chain *c, const char *comment);
/* Copies EXPR, its name included, so callers may pass literals. What an expression takes for granted
 * is put before it unless the rule has it already, as nft does: EXPR_NFPROTO before whatever reads an
 * IP header or ICMP's, EXPR_L4PROTO before EXPR_ICMP, EXPR_TCP_NOT_SYN, EXPR_REJECT_RST and LOAD_ICMPV6_TYPE,
 * EXPR_ETHER_TYPE before ARP's loads and EXPR_LATER_FRAGMENT.
 * Of the two, where they meet, EXPR_NFPROTO comes first.
 * Fields that the kind does not use are dropped, host bits of a prefix cleared: equal rules are equal
 * field by field. */
void ruleset_add_expr(struct ruleset_rule *rule, const struct ruleset_expr *expr);
/* Copies E, its keys and strings included. Its KEY_END counts with SET_INTERVAL alone. */
void ruleset_add_element(struct ruleset_set *s, const struct ruleset_element *e);

struct ruleset_set *ruleset_find_set(const struct ruleset *r, const char *name);
struct ruleset_chain *ruleset_find_chain(const struct ruleset *r, const char *name);

size_t ruleset_key_size(const struct ruleset_set *s); /* bytes of a key, padding included */
/* Where field N of a key begins, and how many bytes count. */
size_t ruleset_field_offset(const struct ruleset_set *s, size_t n);
size_t ruleset_field_size(enum ruleset_field f);

/* Sorts limits, sets, chains and elements (rules keep their order). Elements with the same key:
 * the first one added stays. */
void ruleset_sort(struct ruleset *r);

/* An nft identifier of any bytes: what is not [A-Za-z0-9_./-] becomes '_', the length is cut to 80; a
 * text that had to be changed gets '.' and 16 hex digits of a hash of the original, and so does one
 * that is empty or ends like that by itself: two different texts do not give one identifier (64 bits of
 * SipHash; FNV or CRC would let a hostile name be made to collide at will). Begins with PREFIX (a
 * valid identifier itself). The caller frees. */
char *ruleset_identifier(const char *prefix, const char *text);

/* TEXT as a comment: what nft cannot print in quotes becomes '?', cut to 120 bytes. The caller frees. */
char *ruleset_comment(const char *text);

/* The table as text that `nft -f` loads, in the form that `nft list` prints (without counters'
 * values). Deterministic: the same ruleset gives the same bytes. */
void ruleset_print(const struct ruleset *r, struct buf *out);

/* ---- difference ---- */

/* In the order in which a difference holds them, which is one that a transaction can take: what goes
 * comes first, so that an object of another declaration can take the name. */
enum ruleset_change_kind {
	CHANGE_DELETE_TABLE, /* with all in it: only where nothing less will do */
	CHANGE_ADD_TABLE,
	CHANGE_FLUSH_RULES, /* the rules of the (old) chain go */
	CHANGE_DELETE_ELEMENTS,
	CHANGE_DELETE_CHAIN, /* its rules went before */
	CHANGE_DELETE_SET,
	CHANGE_DELETE_LIMIT,
	CHANGE_ADD_LIMIT,
	CHANGE_ADD_SET,	  /* without its elements: CHANGE_ADD_ELEMENTS follows */
	CHANGE_ADD_CHAIN, /* without its rules: CHANGE_SET_RULES follows */
	CHANGE_SET_RULES, /* the chain, empty by now, gets its rules */
	CHANGE_ADD_ELEMENTS,
};

/* One step. Pointers are into the two rulesets that were compared, which must live as long. */
struct ruleset_change {
	enum ruleset_change_kind kind;
	const struct ruleset_limit *limit;
	const struct ruleset_set *set;
	const struct ruleset_chain
		*chain; /* the old one of what goes, the wanted one of what comes */
	const struct ruleset_element **elements; /* owned by the change */
	size_t len, cap;
};

struct ruleset_diff {
	struct ruleset_change *items; /* in an order that one transaction can take */
	size_t len, cap;
};

/* What turns OLD (NULL: no table) into WANTED, both sorted. An element whose verdict or comment
 * changed is deleted and added. A set, limit or base chain whose declaration changed goes and comes
 * under its name (then each chain that uses it is set anew too). Nothing to do: len is 0. */
void ruleset_compare(const struct ruleset *old, const struct ruleset *wanted,
		     struct ruleset_diff *ret);
void ruleset_diff_done(struct ruleset_diff *d);

/* Readable: lines that begin with '+' or '-', nft text behind, grouped under "set NAME" or "chain
 * NAME". */
void ruleset_diff_print(const struct ruleset *old, const struct ruleset *wanted,
			const struct ruleset_diff *d, struct buf *out);

static inline void ruleset_cleanup(struct ruleset **r)
{
	ruleset_free(*r);
}

#define CLEANUP_RULESET	     __attribute__((cleanup(ruleset_cleanup)))
#define CLEANUP_RULESET_DIFF __attribute__((cleanup(ruleset_diff_done)))
