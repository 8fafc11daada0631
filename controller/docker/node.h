/*
 * node: JSON that knows where it stands, so that an error can name the place.
 *
 * A node is a value and the way to it; children point to their parents, which must live as long. Nothing
 * is owned: the json_t stays the caller's. Getters return 0 and fill the last argument, or the code of
 * the document with `SOURCE: "PATH" is missing` (or what else is wrong) in ERR.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "quaywall/addr.h"
#include "quaywall/error.h"

struct node {
	const struct node *parent; /* NULL: the document itself */
	const char *key;	   /* name in the parent; NULL: an item of a list */
	size_t index;
	const json_t *json; /* NULL: absent */
	const char *source; /* of the document: "GET /networks/abc" */
	int code;	    /* of the document: what errors return */
};

enum node_need {
	NODE_REQUIRED,
	NODE_OPTIONAL, /* absent or null gives the natural default */
};

static inline void node_cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define CLEANUP_JSON __attribute__((cleanup(node_cleanup_json)))

/* Parses a whole document, which must be of TYPE. The caller owns *RET; NODE points into it. NUL bytes in
 * strings and keys become U+FFFD. */
int node_parse(const char *source, int code, json_type type, const char *text, size_t len,
	       json_t **ret, struct node *ret_node, struct error *err);

struct node node_member(const struct node *n, const char *key); /* N is an object or absent */
struct node node_item(const struct node *n, size_t i);		/* N is an array */
size_t node_len(const struct node *n); /* of an array or object; absent: 0 */

/* Sets `SOURCE: "PATH" TEXT` and returns the document's code. */
int node_error(const struct node *n, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A list or an object; with NODE_OPTIONAL the json of *RET is NULL where it is absent. */
int node_array(const struct node *n, const char *key, enum node_need need, struct node *ret,
	       struct error *err);
int node_object(const struct node *n, const char *key, enum node_need need, struct node *ret,
		struct error *err);
/* N itself must be an object. */
int node_is_object(const struct node *n, struct error *err);

/* A copy that the caller frees, NULL where an optional one is absent. */
int node_string(const struct node *n, const char *key, enum node_need need, char **ret,
		struct error *err);
/* N itself must be a string. */
int node_text(const struct node *n, char **ret, struct error *err);
/* *RET is left alone where it is absent. */
int node_bool(const struct node *n, const char *key, bool *ret, struct error *err);
int node_number(const struct node *n, const char *key, enum node_need need, long long min,
		long long max, long long *ret, struct error *err);

/* The parsed form of a string; absent or "" gives family 0. */
int node_addr(const struct node *n, const char *key, struct addr *ret, struct error *err);
