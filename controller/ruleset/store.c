#include "store.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define FIRST_PIECE 512
#define LARGE_PIECE 65536

struct piece {
	struct piece *next;
	size_t size, used;
	char bytes[];
};

struct ruleset_store {
	struct piece *pieces; /* the first has room */
	const char *
		*texts; /* by hash, places that are free are NULL; their number is a power of two */
	size_t ntexts, nplaces;
};

struct ruleset_store *store_new(void)
{
	return mem_new(1, sizeof(struct ruleset_store));
}

void store_free(struct ruleset_store *s)
{
	if (!s)
		return;
	for (struct piece *p = s->pieces, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	free(s->texts);
	free(s);
}

/* Each is twice the last one: a small ruleset takes little, a large one few. */
static struct piece *add_piece(struct ruleset_store *s, size_t len)
{
	size_t size = s->pieces ? 2 * s->pieces->size : FIRST_PIECE;
	struct piece *p;

	if (size > LARGE_PIECE)
		size = LARGE_PIECE;
	if (size < len)
		size = len;
	p = mem_new(1, sizeof(*p) + size);
	*p = (struct piece) {.next = s->pieces, .size = size};
	s->pieces = p;
	return p;
}

const void *store_bytes(struct ruleset_store *s, const void *bytes, size_t len)
{
	struct piece *p = s->pieces;
	char *copy;

	if (!p || p->size - p->used < len)
		p = add_piece(s, len);
	copy = p->bytes + p->used;
	memcpy(copy, bytes, len);
	p->used += len;
	return copy;
}

static size_t place_of(const struct ruleset_store *s, const char *text)
{
	uint64_t hash = 14695981039346656037u;
	size_t i;

	for (const char *c = text; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 1099511628211u; /* FNV-1a */
	for (i = (size_t)(hash ^ hash >> 32) & (s->nplaces - 1); s->texts[i];
	     i = (i + 1) & (s->nplaces - 1))
		if (!strcmp(s->texts[i], text))
			break;
	return i;
}

static void make_room(struct ruleset_store *s)
{
	const char **old = s->texts;
	size_t nold = s->nplaces;

	if (2 * (s->ntexts + 1) <= s->nplaces)
		return;
	s->nplaces = nold ? 2 * nold : 16;
	s->texts = mem_new(s->nplaces, sizeof(*s->texts));
	for (size_t i = 0; i < nold; i++)
		if (old[i])
			s->texts[place_of(s, old[i])] = old[i];
	free(old);
}

const char *store_text(struct ruleset_store *s, const char *text)
{
	size_t place;

	if (!text)
		return NULL;
	make_room(s);
	place = place_of(s, text);
	if (!s->texts[place]) {
		s->texts[place] = store_bytes(s, text, strlen(text) + 1);
		s->ntexts++;
	}
	return s->texts[place];
}
