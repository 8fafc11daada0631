#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* What is held of the object, which has gone. */
static void entry_clear(struct entry *e)
{
	model_free(e->piece);
	if (e->container)
		model_container_done(e->container);
	free(e->container);
	e->piece = NULL;
	e->container = NULL;
}

void entry_done(struct entry *e)
{
	free(e->id);
	entry_clear(e);
	for (size_t i = 0; i < e->nlabels; i++) {
		free(e->labels[i].key);
		free(e->labels[i].value);
	}
	free(e->labels);
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->len; i++)
		entry_done(&t->items[i]);
	free(t->items);
}

/* Where ID is, or would be. */
static size_t table_place(const struct table *t, const char *id)
{
	size_t low = 0, high = t->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(t->items[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct table *t, size_t at, const char *id)
{
	return at < t->len && !strcmp(t->items[at].id, id);
}

struct entry *table_find(const struct table *t, const char *id)
{
	size_t at = table_place(t, id);

	return is_at(t, at, id) ? &t->items[at] : NULL;
}

struct entry *table_find_again(const struct table *t, const char *id, size_t *place)
{
	/* Of those before it one came or went, mostly. */
	if (!is_at(t, *place, id)) {
		if (is_at(t, *place + 1, id))
			++*place;
		else if (*place && is_at(t, *place - 1, id))
			--*place;
		else
			*place = table_place(t, id);
	}
	return is_at(t, *place, id) ? &t->items[*place] : NULL;
}

struct entry *table_add(struct table *t, const char *id)
{
	size_t at = table_place(t, id);

	if (is_at(t, at, id))
		return &t->items[at];
	t->items = mem_grow(t->items, &t->cap, t->len + 1, sizeof(*t->items));
	memmove(&t->items[at + 1], &t->items[at], (t->len - at) * sizeof(*t->items));
	t->items[at] = (struct entry) {.id = mem_strdup(id), .asked = t->floor};
	t->len++;
	return &t->items[at];
}

void table_sweep(struct table *t, bool (*goes)(const struct entry *e, const void *data),
		 const void *data)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->len; i++) {
		if (goes(&t->items[i], data))
			entry_done(&t->items[i]);
		else
			t->items[kept++] = t->items[i];
	}
	t->len = kept;
}

static bool is_gone(const struct entry *e, const void *asked)
{
	return !e->piece && !e->container && e->asked < *(const uint64_t *)asked;
}

void table_sweep_gone(struct table *t, uint64_t asked)
{
	table_sweep(t, is_gone, &asked);
	if (t->floor < asked)
		t->floor = asked;
}

bool table_drop(struct table *t, const char *id, uint64_t asked)
{
	struct entry *e = table_add(t, id);
	bool was = e->piece || e->container;

	if (e->asked > asked)
		return false;
	e->asked = asked;
	entry_clear(e);
	return was;
}
