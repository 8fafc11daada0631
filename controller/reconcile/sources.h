/*
 * sources: the files that a world was made from, as they were read. With them the same settings and policies can
 * be had again when the files themselves are others by now.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/policy.h"

struct sources {
	struct policy_file settings; /* without a name: there was none */
	struct policy_files policies;
};

struct sources *sources_new(void);
struct sources *sources_copy(const struct sources *s); /* NULL gives NULL */
void sources_free(struct sources *s);

/* Whether both say the same. Where the settings file lies does not count. Two NULL are the same. */
bool sources_equal(const struct sources *a, const struct sources *b);

/* A short stand-in for the content, never 0; of NULL 0. */
uint64_t sources_fingerprint(const struct sources *s);
uint64_t sources_hash(uint64_t hash, const void *data, size_t len); /* FNV-1a, goes on from HASH */
#define SOURCES_HASH_INIT 14695981039346656037u

static inline void sources_cleanup(struct sources **s)
{
	sources_free(*s);
}

#define CLEANUP_SOURCES __attribute__((cleanup(sources_cleanup)))
