/*
 * store: bytes that live as long as a ruleset, close together and without a header each.
 */
#pragma once

#include <stddef.h>

struct ruleset_store;

struct ruleset_store *store_new(void);
void store_free(struct ruleset_store *s); /* NULL is fine */

/* A copy of LEN bytes, at no particular alignment. */
const void *store_bytes(struct ruleset_store *s, const void *bytes, size_t len);
/* The one copy of TEXT; NULL of NULL. */
const char *store_text(struct ruleset_store *s, const char *text);
