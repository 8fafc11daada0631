/*
 * plan: the policy that is to be written, before it is text.
 *
 * policy.c writes it, plan.c makes documents of pairs, rules.c and outside.c rules of a document's pairs, expects.c tests
 * of its rules, peers.c the names of ends, and check.c holds the text against the model.
 */
#pragma once

#include "internal.h"

#define PLAN_FEW 8 /* as many addresses stand one by one */

struct plan_pairs {
	const struct learn_pair **items; /* the table's */
	size_t len, cap;
};

struct plan_ports {
	struct policy_ports *items;
	size_t len, cap;
};

struct plan_rule {
	enum policy_action action; /* POLICY_ALLOW or POLICY_PUBLISH */
	char *from, *to;	   /* as YAML */
	struct plan_ports ports;
	uint64_t flows, refused;
	time_t last;
	char *note;   /* for its comment; or NULL */
	char *tested; /* the end outside, as one address for a test; NULL: none is known */
	bool range;   /* some of its ports are a range in which not all need have been seen */
	bool from_outside, to_outside;
	bool is_test; /* its test stands in this document */
};

struct plan_expect {
	char *from, *to; /* as YAML; TO may be NULL with `published` */
	struct plan_ports ports;
	bool published, allow;
	unsigned line; /* of the text; 0: not written */
	bool fails;    /* nobody is there to try it on */
};

struct plan_group {
	const struct learn_end *end; /* the table's */
	char *name;
};

struct plan_document {
	const char *project; /* NULL: of containers that have none */
	char *name;
	struct {
		struct plan_group *items;
		size_t len, cap;
	} groups;
	struct {
		struct plan_rule *items;
		size_t len, cap;
	} rules;
	struct {
		struct plan_expect *items;
		size_t len, cap;
	} expects;
};

struct plan {
	const struct settings *settings;
	const struct model *model;
	const struct learn_wish *wish;
	struct plan_pairs pairs; /* in the order of learn_pair_compare(): what rules are made of */
	struct plan_pairs refused;    /* only ever */
	struct plan_pairs unanswered; /* passed, and nobody served */
	struct plan_pairs unwritable; /* the language has no word for them */
	struct plan_pairs from_host;  /* pass without a rule */
	struct {
		struct plan_document *items;
		size_t len, cap;
	} documents;
};

/* ---- plan.c ---- */

void plan_init(struct plan *p, const struct learn_table *t, const struct settings *settings,
	       const struct model *m, const struct learn_wish *wish);
void plan_done(struct plan *p);
bool plan_document_has(const struct plan_document *d, const struct learn_end *end);

#define CLEANUP_PLAN __attribute__((cleanup(plan_done)))

/* ---- peers.c ---- */

int plan_compare_ends(const struct learn_end *a, const struct learn_end *b);
char *plan_name_document(const struct plan *p, const char *project);
/* The groups of D get their names, in their order. */
void plan_name_groups(struct plan_document *d);
/* END, a container or the host, as D calls it. */
char *plan_name_peer(const struct plan_document *d, const struct learn_end *end);
/* "{service: web}": what END is, for a group of its own document. */
void plan_print_selector(const struct learn_end *end, struct buf *out);

/* ---- outside.c ---- */

/* Addresses outside that do the same. */
struct plan_addresses {
	struct prefix *items;
	size_t len, cap;
	bool others; /* and more that are not known */
	bool blocks; /* and more that are known by their block alone */
};

void plan_addresses_add(struct plan_addresses *a, const struct learn_end *end);
/* As YAML: ANYWHERE ("world", "any") where they are many; *RET_NOTE says so, or NULL. */
char *plan_addresses_print(const struct plan *p, struct plan_addresses *a, const char *anywhere,
			   char **ret_note);

/* ---- rules.c ---- */

void plan_ports_add(struct plan_ports *ports, const struct learn_pair *p);
void plan_ports_normalise(struct plan_ports *ports);
void plan_ports_print(const struct plan_ports *ports, struct buf *out); /* "[5432, 53/udp]" */
/* Makes the rules of D. */
void plan_rules_make(const struct plan *p, struct plan_document *d);
void plan_rule_done(struct plan_rule *r);

/* ---- expects.c ---- */

/* Makes tests of the rules of D, and some of what is not in them. */
void plan_expects_make(const struct plan *p, struct plan_document *d);

/* ---- check.c ---- */

/* Reads TEXT as policies and holds its tests against the model: those that do not hold are marked. *RET_CHANGED: some were.
 * -EINVAL with ERR where it is no policy. */
int plan_check(struct plan *p, const struct buf *text, bool *ret_changed, struct error *err);
