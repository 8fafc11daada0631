#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

uint64_t source_hash(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	/* A text's end counts, too: "a", "bc" is not "ab", "c". */
	hash *= 1099511628211u;
	return hash ? hash : 1;
}

void source_copy(char *dst, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len >= size) {
		len = size - 1;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	if (len)
		memcpy(dst, text, len);
	dst[len] = '\0';
}

void source_done(struct source *s)
{
	for (size_t i = 0; i < ALERT_KINDS; i++)
		episode_done(&s->episodes[i]);
	free(s->tried);
	*s = (struct source) {.hash = 0};
}

struct source *source_find(struct source *sources, size_t n, uint64_t hash, const char *name)
{
	struct source *oldest = sources;

	for (size_t i = 0; i < n; i++) {
		if (sources[i].hash == hash && !strcmp(sources[i].name, name))
			return &sources[i];
		if (sources[i].last_ms < oldest->last_ms)
			oldest = &sources[i];
	}
	source_done(oldest);
	oldest->hash = hash;
	source_copy(oldest->name, sizeof(oldest->name), name);
	return oldest;
}

uint32_t source_try(struct source *s, const struct alert_limit *limit, uint64_t hash, uint64_t ms)
{
	struct tried *oldest, *found = NULL;
	uint64_t span = (uint64_t)limit->seconds * 1000;
	uint32_t different = 0;

	if (!s->tried)
		s->tried = mem_new(limit->count, sizeof(*s->tried));
	oldest = s->tried;
	for (uint32_t i = 0; i < limit->count; i++) {
		struct tried *t = &s->tried[i];

		if (t->ms && t->hash == hash)
			found = t;
		if (t->ms < oldest->ms)
			oldest = t;
	}
	found = found ? found : oldest;
	*found = (struct tried) {.hash = hash, .ms = ms};
	for (uint32_t i = 0; i < limit->count; i++)
		different += s->tried[i].ms && ms - s->tried[i].ms < span;
	return different;
}
