/*
 * texts: what findings say. Of a host with thousands of containers a report has tens of thousands of findings, which
 * have a few hundred evidences and remedies, and one subject for all of a container. So each text is kept once.
 */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define CHUNK_SIZE 16384 /* bytes; a longer text has one of its own */
#define FIRST_SIZE 64	 /* slots */

struct chunk {
	struct chunk *next;
	char bytes[];
};

struct check_texts {
	struct chunk *chunks;
	char *at; /* in the first of them */
	size_t room;
	char **slots; /* by their hash, or the next that is free; a power of two */
	size_t nslots, used;
};

static size_t hash_of(const char *s)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * 1099511628211u;
	return (size_t)(hash ^ hash >> 32);
}

/* Where S is, or is to be: there is always a slot that is free. */
static char **find(const struct check_texts *t, const char *s)
{
	size_t at = hash_of(s) & (t->nslots - 1);

	while (t->slots[at] && strcmp(t->slots[at], s) != 0)
		at = (at + 1) & (t->nslots - 1);
	return &t->slots[at];
}

static void make_room(struct check_texts *t)
{
	struct check_texts larger = *t;

	if (t->slots && t->used < t->nslots / 2)
		return;
	larger.nslots = t->slots ? t->nslots * 2 : FIRST_SIZE;
	larger.slots = mem_new(larger.nslots, sizeof(*larger.slots));
	for (size_t i = 0; t->slots && i < t->nslots; i++)
		if (t->slots[i])
			*find(&larger, t->slots[i]) = t->slots[i];
	free(t->slots);
	*t = larger;
}

static char *copy(struct check_texts *t, const char *s)
{
	size_t size = strlen(s) + 1;
	char *to;

	if (size > t->room) {
		struct chunk *chunk;

		t->room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = mem_new(1, sizeof(*chunk) + t->room);
		chunk->next = t->chunks;
		t->chunks = chunk;
		t->at = chunk->bytes;
	}
	to = memcpy(t->at, s, size);
	t->at += size;
	t->room -= size;
	return to;
}

char *texts_keep(struct check_texts **texts, const char *s)
{
	struct check_texts *t;
	char **slot;

	if (!s)
		return NULL;
	if (!*texts)
		*texts = mem_new(1, sizeof(**texts));
	t = *texts;
	make_room(t);
	slot = find(t, s);
	if (!*slot) {
		*slot = copy(t, s);
		t->used++;
	}
	return *slot;
}

void texts_close(struct check_texts *t)
{
	if (!t)
		return;
	free(t->slots);
	t->slots = NULL;
	t->nslots = t->used = 0;
}

void texts_free(struct check_texts *t)
{
	texts_close(t);
	while (t && t->chunks) {
		struct chunk *next = t->chunks->next;

		free(t->chunks);
		t->chunks = next;
	}
	free(t);
}
