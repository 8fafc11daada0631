/*
 * What the files of the room compile share. An instance is a document over a project; an atom is one
 * selector of an instance; the signature of an endpoint is which atoms select it, and endpoints with one
 * signature (and one Compose service, so that chains can be named for people) are one identity.
 */
#pragma once

#include "quaywall/compile.h"

/* ---- instances and atoms ---- */

struct instance {
	struct compile_instance public;
	size_t document;   /* index into the policy set */
	size_t first_atom; /* of its selectors, in the order of struct catalog */
};

/* The selectors of one document's rules, sorted by pointer, each with its place in the document: the
 * atoms are in that order, so that they are the same from run to run. */
struct cataloged {
	const struct selector *selector;
	size_t place;
};

struct catalog {
	struct cataloged *items;
	size_t len, cap;
	bool names_project;    /* some selector can mean other projects than the instance's */
	bool names_containers; /* some peer is all of them */
	bool limits;	       /* some rule has a limit */
};

struct project {
	char *name;
	size_t containers; /* how many are of it */
};

struct index_list {
	size_t *items;
	size_t len, cap;
};

/* The atoms that select an endpoint, ascending: few of the many that there are. */
struct signature {
	uint32_t *items;
	size_t len, cap;
};

/* ---- rules that hold ---- */

enum own_match {
	OWN_NONE,  /* the rule's own side never means this identity */
	OWN_ALL,   /* it means every address of the identity */
	OWN_CIDRS, /* it means those addresses that its CIDRs hold */
};

/* A rule of a policy that governs an identity, and that names it on the side in question. */
struct held {
	const struct instance *in;
	const struct policy_rule *rule;
	enum own_match own;
	bool enforce;
};

struct held_list {
	struct held *items;
	size_t len, cap;
};

/* What isolates, restricts or denies: the first enforcing cause and the first auditing one. */
struct cause {
	const struct policy_document *document; /* NULL: a default, see setting */
	const char *setting;			/* NULL: none at all when document is NULL too */
};

struct causes {
	struct cause enforce, audit;
};

static inline bool cause_is_set(const struct cause *cause)
{
	return cause->document || cause->setting;
}

enum direction { DIR_INGRESS, DIR_EGRESS };

/* What makes two endpoints one identity. */
struct identity_key {
	bool managed; /* its endpoints are on a managed network */
	char *title;  /* for people */
	struct signature signature;
};

struct identity {
	struct compile_identity public;
	struct identity_key key;
	char *name;		   /* a valid, unique nft identifier */
	bool managed;		   /* its endpoints are on a managed network */
	bool refuses;		   /* some flow of it can be refused, in either direction */
	bool is_container;	   /* false: an endpoint of the engine itself, as ingress-sbox */
	struct index_list members; /* endpoints, by id */
	struct ranges extra; /* `addresses:` of the document that governs just this identity */
	struct held_list deny[2], allow[2]; /* by direction */
	struct held_list publish;
	struct causes isolated[2];
	struct causes restricted; /* published ports, but for `defaults.publish: local` */
};

/* A published port with the end that it leads to. */
struct published {
	const struct model_port *port;
	size_t container; /* netns owner: where the port is published */
	size_t endpoint;  /* the first of the container's managed endpoints */
};

struct addr_owner {
	struct addr addr;
	size_t endpoint;
};

enum unknown_action { UNKNOWN_PASS, UNKNOWN_AUDIT, UNKNOWN_REFUSE };

struct compiled {
	const struct settings *settings;
	const struct policy_set *policies;
	const struct model *model;

	struct catalog *catalogs; /* as many as documents */
	struct {
		struct instance *items;
		size_t len, cap;
	} instances;
	struct {
		struct project *items; /* sorted by name; scopes point to the names */
		size_t len, cap;
	} projects; /* that exist and have an instance of a template */
	size_t natoms;
	struct index_list *selected; /* for each atom: the identities that it selects */

	size_t *owner; /* for each endpoint: the container whose labels count, or MODEL_NONE */
	size_t *owned, *next_owned; /* a container's first endpoint, an endpoint's next of the same
				     * owner; or MODEL_NONE */
	bool *known;		    /* for each endpoint: its addresses are programmed */
	struct {
		struct identity *items; /* managed ones first */
		size_t len, cap;
	} identities;
	size_t nmanaged;     /* identities */
	size_t *identity_of; /* for each endpoint; MODEL_NONE where not known */

	struct {
		struct addr_owner *items; /* sorted by address */
		size_t len, cap;
	} addrs;
	struct {
		struct published *items; /* sorted by protocol and host port */
		size_t len, cap;
	} published;

	struct ranges subnets; /* of managed networks, and every `addresses:` */
	struct ranges reach; /* where a managed endpoint's address can be: those, and link-local */
	struct ranges containers; /* all that is not world: reach, and endpoints elsewhere */
	bool gives_addresses;	  /* a document has `addresses:` */
	bool names_subnets; /* a rule has CIDRs that hold addresses which containers can have */
	bool enforcing, auditing; /* some enforcing (auditing) policy or default can refuse */
	enum unknown_action unknown;
};

/* index-list.c */
bool index_list_has(const struct index_list *list, size_t i);
void index_list_sort(struct index_list *list);
/* Into a sorted one. */
void index_list_insert(struct index_list *list, size_t i);

/* compile.c */
void identity_done(struct identity *id);

/* select.c */
bool selects(const struct compiled *c, const struct instance *in, const struct selector *s,
	     size_t endpoint); /* evaluates, without the atoms */
bool instance_governs(const struct compiled *c, const struct instance *in, size_t endpoint);
bool glob_match(const char *pattern, const char *text);
bool glob_is_plain(const char *pattern);

/* instances.c */
void instances_build(struct compiled *c);
size_t project_find(const struct compiled *c, const char *name); /* or MODEL_NONE */
bool project_counts(const struct compiled *c, const char *name); /* a template matches it */
size_t catalog_find(const struct catalog *catalog, const struct selector *s); /* its place */

/* signature.c */
size_t atom_of(const struct compiled *c, const struct instance *in, const struct selector *s);
size_t atom_of_governing(const struct compiled *c, const struct instance *in);
struct signature signature_find(const struct compiled *c, size_t endpoint); /* the caller's */
bool signature_has(const struct signature *s, size_t atom);
int signature_compare(const struct signature *a, const struct signature *b);
/* The same for the same documents, whatever else runs. */
uint32_t signature_hash(const struct compiled *c, const struct identity *id);

/* identity.c */
void identities_build(struct compiled *c);
struct identity_key identity_key_of(const struct compiled *c, size_t endpoint);
void identity_key_done(struct identity_key *key);
/* The identity of KEY, and whether it is there; else where it would stand. */
size_t identity_find(const struct compiled *c, const struct identity_key *key, bool *ret_there);
/* Makes one there, which takes KEY over, with its name and its rules; others move behind it. */
void identity_insert(struct compiled *c, size_t at, struct identity_key *key);
void identity_remove(struct compiled *c, size_t at); /* that has no member */
bool identity_is_free(const struct compiled *c,
		      const struct identity_key *key);	     /* its title, and name */
bool identity_is_alone(const struct compiled *c, size_t at); /* no other shares its title */
void identity_add_member(struct identity *id, size_t endpoint);
/* Managed ones first. */
int identity_key_compare(const struct identity_key *a, const struct identity_key *b);
bool identity_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, const struct identity *id);
bool endpoint_selected(const struct compiled *c, const struct instance *in,
		       const struct selector *s, size_t endpoint);
/* The identities that a selector of the instance's rules selects. */
const struct index_list *selected_identities(const struct compiled *c, const struct instance *in,
					     const struct selector *s);
bool identity_governed(const struct compiled *c, const struct instance *in,
		       const struct identity *id);

/* rules.c */
void rules_build(struct compiled *c);
void rules_find(struct compiled *c, struct identity *id); /* which hold for it: it has none yet */
bool rule_has_port(const struct policy_rule *rule, uint8_t protocol, uint16_t port);
bool protocol_is_icmp(uint8_t protocol);
void causes_add(struct causes *causes, bool enforce, const struct policy_document *doc,
		const char *setting);
enum policy_mode document_mode(const struct compiled *c, const struct policy_document *doc);

/* ends.c */
void ends_build(struct compiled *c);
void endpoint_find_owner(struct compiled *c, size_t endpoint); /* and whether it is known */
void list_owned(struct compiled *c); /* by owner; each container's in the order of the model */
/* Adds the addresses of an endpoint; nobody else has them. */
void addrs_insert(struct compiled *c, size_t endpoint);
/* Adds what a container publishes; its endpoints are known. */
void published_insert(struct compiled *c, size_t container);
bool addr_is_hosts(const struct model *m, const struct addr *a);
/* Where the owners of the address begin in c->addrs, or would stand. */
size_t addrs_find(const struct compiled *c, const struct addr *a);
struct flow_end published_end(const struct compiled *c, const struct published *p);
bool addr_is_local_source(const struct addr *a); /* `publish: local` */
extern const char *const local_source_prefixes[];

/* extra.c */
void extra_build(struct compiled *c, struct policy_problems *p);

/* verdict.c. JUDGE_SELF: also a container that talks to itself. RET points into itself: not to be
 * copied. */
void verdict_between(const struct compiled *c, const struct flow *f, bool judge_self,
		     struct verdict *ret);

#define DEFAULT_CONTAINERS	   "defaults.containers"
#define DEFAULT_PUBLISH		   "defaults.publish"
#define DEFAULT_UNKNOWN		   "defaults.unknown"
#define DEFAULT_CONTAINERS_TO_HOST "defaults.containers_to_host"
#define DEFAULT_HOST_TO_CONTAINERS "defaults.host_to_containers"
