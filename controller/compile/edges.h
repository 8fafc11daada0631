/*
 * edges: where a verdict can change as the port goes up.
 *
 * A verdict depends on the port only through the ranges that rules name, so between two edges one port
 * speaks for all: a question about a range takes a few verdicts instead of 65536.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "quaywall/policy.h"

struct edges {
	uint32_t *items; /* first ports of segments, sorted, without doubles; up to 65535 */
	size_t len, cap;
};

/* The edges of PROTOCOL (one of struct policy_ports) in every rule of SET. */
struct edges edges_of(const struct policy_set *set, uint8_t protocol);

/* Adds one; values above 65535 are left out. To be sorted before use. */
void edges_add(struct edges *e, uint32_t port);
void edges_sort(struct edges *e);

/* The last port of the segment that begins at FIRST, at most LAST. Sorted. */
uint16_t edges_segment_end(const struct edges *e, uint16_t first, uint16_t last);

void edges_done(struct edges *e);

#define CLEANUP_EDGES __attribute__((cleanup(edges_done)))
