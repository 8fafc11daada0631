/*
 * fill: what the engine's documents and the snapshot have in common on the way into a model.
 */
#pragma once

#include "node.h"

#include "quaywall/model.h"

/* The object KEY of N as labels; absent gives none. */
int fill_labels(const struct node *n, const char *key, struct model_label **ret, size_t *ret_len,
		struct error *err);

/* "tcp", "udp" or "sctp" at KEY of N. */
int fill_protocol(const struct node *n, const char *key, uint8_t *ret, struct error *err);

/* The string at KEY of N as a prefix with its host bits; an address alone gets its full length. */
int fill_prefix(const struct node *n, struct prefix *ret, struct error *err);

/* The list of strings at KEY of N as addresses; absent gives none. */
int fill_addrs(const struct node *n, const char *key, struct addr **ret, size_t *ret_len,
	       struct error *err);

/* The string at KEY of N as a MAC; absent or "": *RET_HAS is false. */
int fill_mac(const struct node *n, const char *key, bool *ret_has, uint8_t ret[static 6],
	     struct error *err);
