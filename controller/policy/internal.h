/*
 * internal: what the files of the policy room share.
 *
 * Readers walk a node tree and fill plain data. A reader never stops at a mistake: it reports and
 * goes on with the next piece, so that one run finds everything. What it leaves half-built is legal to
 * free, and nobody uses it, as a set with errors is no set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/policy.h"
#include "yaml.h"

/* Where a reader is: DOC's groups are known by name once document.c has collected them. */
struct reader {
	struct policy_problems *problems;
	struct policy_document *doc; /* NULL in settings */
};

/* Room for one more object in an array of LEN that has no capacity field: it doubles at powers of two. */
void *array_grow(void *items, size_t len, size_t size);

/* ---- problems.c ---- */

void problem_error(struct policy_problems *p, const struct policy_where *where, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));
/* Sorts problems FROM… by line and column, and drops those that say the same of the same place (an
 * alias is read once for each use). */
void problems_sort(struct policy_problems *p, size_t from);
/* Sorts all of them, files in the order of the set. */
void problems_sort_files(struct policy_problems *p, const struct policy_set *set);

/* ---- names.c ---- */

#define CLIP_SIZE 80
/* TEXT for a message: cut at about 60 bytes, never inside a character. Returns BUF. */
const char *clip(const char *text, char buf[static CLIP_SIZE]);

/* How many letters to insert, delete, replace or swap to make A of B; SIZE_MAX for very long ones. */
size_t names_distance(const char *a, const char *b);
/* The known name that is near enough to be what WORD meant, or NULL. KNOWN ends with NULL. */
const char *names_nearest(const char *word, const char *const *known);
/* Appends `did you mean "from"?` or `expected one of from, to, ports`. */
void names_advice(const char *word, const char *const *known, struct buf *out);

/* ---- keys.c ---- */

/* Reports keys of the mapping MAP that are not in KNOWN (ends with NULL). */
void keys_check(struct policy_problems *p, const struct node *map, const char *const *known);
/* The value of KEY, or NULL; keys_node gives the key itself (for its place). */
const struct node *keys_get(const struct node *map, const char *key);
const struct node *keys_node(const struct node *map, const char *key);
/* The value; where it is missing an error: `no "from" (expected WHAT)`. */
const struct node *keys_require(struct policy_problems *p, const struct node *map, const char *key,
				const char *what);
/* Whether N is a mapping (a list that is not empty, a text that is not empty); else an error:
 * `"LABEL" is a list (expected WHAT)`. */
bool keys_is_mapping(struct policy_problems *p, const struct node *n, const char *label,
		     const char *what);
bool keys_is_list(struct policy_problems *p, const struct node *n, const char *label,
		  const char *what);
bool keys_is_text(struct policy_problems *p, const struct node *n, const char *label,
		  const char *what);

/* ---- scalars.c ---- */

struct choice {
	const char *word;
	int value;
};

/* One of CHOICES (ended by a NULL word). False with an error in P; *RET untouched then. */
bool scalar_choice(struct policy_problems *p, const struct node *n, const char *label,
		   const struct choice *choices, int *ret);
bool scalar_bool(struct policy_problems *p, const struct node *n, const char *label, bool *ret);
/* A decimal number from MIN to MAX. */
bool scalar_number(struct policy_problems *p, const struct node *n, const char *label, uint32_t min,
		   uint32_t max, uint32_t *ret);
/* "50/second". ZERO: a bare `0` is admitted. */
bool scalar_rate(struct policy_problems *p, const struct node *n, const char *label, bool zero,
		 uint32_t *ret_rate, enum policy_unit *ret_unit);
/* A text for people and comments, without control characters, at most MAX bytes; NULL on error. */
char *scalar_words(struct policy_problems *p, const struct node *n, const char *label, size_t max);
/* A glob as in fnmatch(3); NULL on error. */
char *scalar_pattern(struct policy_problems *p, const struct node *n, const char *label);
bool pattern_has_wildcard(const char *pattern);
/* The one text that a pattern without wildcards matches. */
char *pattern_unescape(const char *pattern);
/* Reads digits alone; -EINVAL for anything else or above MAX. */
int number_parse(const char *text, size_t len, uint32_t max, uint32_t *ret);
const char *unit_name(enum policy_unit unit);

/* ---- selector.c ---- */

/* IN_FOR: names of groups are refused. LABEL names the place in messages. NULL on error. */
struct selector *selector_read(struct reader *r, const struct node *n, const char *label,
			       bool in_for);
struct selector *selector_new(enum selector_kind kind, const struct policy_where *where);
void selector_add(struct selector *parent, struct selector *child);
void selector_free(struct selector *s);

/* ---- groups.c ---- */

/* Collects the names first, so that groups may name each other in any order, then reads them. */
void groups_read(struct reader *r, const struct node *n);
/* The index of the group NAME, or SIZE_MAX. */
size_t groups_find(const struct policy_document *doc, const char *name);
/* Reports circles, and groups that would grow without bound where they are spelled out. To be called
 * when the rest of the document is read. */
void groups_check(struct reader *r);

/* ---- peer.c ---- */

/* Which peers may stand here. */
enum peer_place { PLACE_RULE, PLACE_PUBLISH_FROM, PLACE_PUBLISH_TO };

/* Reads `from` or `to` (LABEL): one peer, or a list of alternatives. */
void peers_read(struct reader *r, const struct node *n, const char *label, enum peer_place place,
		struct policy_peer **ret, size_t *ret_len);
/* One end of an `expect`. */
bool end_read(struct reader *r, const struct node *n, const char *label, struct policy_end *ret);
void peer_done(struct policy_peer *peer);
bool peer_is_word(const char *text);
bool peer_looks_like_address(const char *text);

/* ---- cidr.c ---- */

/* An address or a block, with an error that names the right form. */
bool cidr_read(struct policy_problems *p, const struct node *n, const char *label,
	       struct prefix *ret);
/* The `except` of CIDR: one block or a list. */
void cidr_read_except(struct policy_problems *p, const struct node *n, const struct prefix *cidr,
		      struct prefix **ret, size_t *ret_len);

/* ---- ports.c ---- */

/* `port` or `ports` (LABEL): one, or a list. PUBLISHED: icmp is refused. */
void ports_read(struct policy_problems *p, const struct node *n, const char *label, bool published,
		struct policy_ports **ret, size_t *ret_len);

/* ---- rule.c, limit.c, expect.c ---- */

void rules_read(struct reader *r, const struct node *n, enum policy_action action);
void rule_done(struct policy_rule *rule);
const char *action_name(enum policy_action action);
void limit_read(struct policy_problems *p, const struct node *n, struct policy_limit *ret);
void expects_read(struct reader *r, const struct node *n);
void expect_done(struct policy_expect *e);

/* ---- document.c ---- */

void document_read(struct policy_set *set, const struct node *n, struct policy_problems *p);
void document_done(struct policy_document *doc);

/* ---- selector_print.c ---- */

/* RESOLVE: with the project that the scope gives, groups spelled out. */
void selector_print(const struct policy_document *doc, const struct selector *s, bool resolve,
		    struct buf *out);
/* Whether S cannot be shown as resolved without multiplying it out; RESOLVE is wrong then. */
bool selector_is_tangled(const struct selector *s);
/* How deep S nests with its groups spelled out. */
size_t selector_depth(const struct policy_document *doc, const struct selector *s);

/* ---- quote.c ---- */

/* TEXT as a YAML scalar that reads back as the same text: plain where that is safe. */
void quote_print(const char *text, struct buf *out);
