/*
 * yaml: a file's text as trees of nodes, each with its place.
 *
 * libyaml gives events; here they become one tree per document, and everything that makes a tree
 * dangerous or doubtful to read is refused on the way: bytes that are no text, tabs, depth, size,
 * duplicate keys, tags, aliases that expand without bound. Aliases are copied and merge keys (`<<`)
 * merged, as Compose users expect, so that whoever walks a tree meets neither.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/policy.h"

#define YAML_DOCUMENT_MAX (1024 * 1024) /* characters */
#define YAML_DEPTH_MAX	  32
#define YAML_COPIES_MAX	  10000 /* nodes that aliases may add to a document */
#define YAML_ANCHORS_MAX  1000

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
	enum node_kind kind;
	struct policy_where where;
	char *text;	     /* NODE_SCALAR; without NUL inside */
	bool plain;	     /* NODE_SCALAR: not quoted, no block */
	bool anchored;	     /* an alias further on may mean it */
	struct node **items; /* NODE_SEQUENCE: the items; NODE_MAPPING: key, value, key, value … */
	size_t nitems;
};

struct yaml_documents {
	struct node **items;
	size_t len, cap;
};

/* Parses TEXT. Documents without content are left out; with a mistake in the YAML itself the
 * documents before it are still there. FILE must outlive the nodes. */
void yaml_read(const char *file, const char *text, size_t len, struct policy_problems *p,
	       struct yaml_documents *ret);
void yaml_documents_done(struct yaml_documents *d);

/* "a list", "a mapping", "a text", for messages. */
const char *node_kind_name(const struct node *n);
/* A scalar that nobody wrote: `key:` with nothing after it. */
bool node_is_empty(const struct node *n);

void node_free(struct node *n);

#define CLEANUP_YAML __attribute__((cleanup(yaml_documents_done)))

/* ---- text.c: what must hold before libyaml sees the bytes ---- */

/* UTF-8 without NUL and control bytes, no line indented by a tab. False where P gained an error. */
bool text_check(const char *file, const char *text, size_t len, struct policy_problems *p);

/* ---- merge.c ---- */

/* Reports keys of the mapping N that stand twice, and that are no text. */
void mapping_check_keys(const struct node *n, struct policy_problems *p);
/* Replaces the `<<` of the mapping N by what it names; keys of N win, then the earlier of a list. What
 * falls away goes to the list DROPPED: it may hold anchors, which aliases further on mean. */
void mapping_merge(struct node *n, struct policy_problems *p, struct node *dropped);
