#include "rechecks.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS  5000

static struct recheck *find(struct rechecks *r, const char *id)
{
	for (size_t i = 0; i < r->len; i++) {
		if (!strcmp(r->items[i].id, id))
			return &r->items[i];
	}
	return NULL;
}

static struct recheck *add(struct rechecks *r, const char *id)
{
	struct recheck item = {.id = mem_strdup(id), .due = INT64_MAX};

	MEM_PUSH(r, item);
	return &r->items[r->len - 1];
}

void rechecks_add(struct rechecks *r, const char *id, int64_t due)
{
	struct recheck *item = find(r, id);

	if (!item)
		item = add(r, id);
	item->due = due;
}

void rechecks_add_missing(struct rechecks *r, const char *id, int64_t now)
{
	struct recheck *item = find(r, id);

	if (!item)
		item = add(r, id);
	if (item->delay > 0 && item->due != INT64_MAX)
		return;
	item->delay = item->delay > 0 ? item->delay * 2 : FIRST_DELAY_MS;
	if (item->delay <= LAST_DELAY_MS)
		item->due = now + item->delay;
}

void rechecks_run(struct rechecks *r, int64_t now, void (*each)(void *data, const char *id),
		  void *data)
{
	for (size_t i = r->len; i-- > 0;) {
		struct recheck *item = &r->items[i];

		if (item->due > now)
			continue;
		item->due = INT64_MAX;
		each(data, item->id);
		if (item->delay > 0)
			continue;
		free(item->id);
		*item = r->items[--r->len];
	}
}

int64_t rechecks_next(const struct rechecks *r)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < r->len; i++) {
		if (r->items[i].due < next)
			next = r->items[i].due;
	}
	return next;
}

void rechecks_forget_missing(struct rechecks *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->len; i++) {
		if (r->items[i].due == INT64_MAX) {
			free(r->items[i].id);
			continue;
		}
		r->items[i].delay = 0;
		r->items[kept++] = r->items[i];
	}
	r->len = kept;
}

void rechecks_done(struct rechecks *r)
{
	for (size_t i = 0; i < r->len; i++)
		free(r->items[i].id);
	free(r->items);
	*r = (struct rechecks) {0};
}
