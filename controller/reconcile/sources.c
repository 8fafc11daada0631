#include "sources.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

struct sources *sources_new(void)
{
	return mem_new(1, sizeof(struct sources));
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	policy_file_done(&s->settings);
	policy_files_done(&s->policies);
	free(s);
}

static struct policy_file copy_file(const struct policy_file *f)
{
	struct policy_file copy = {.name = mem_strdup(f->name), .len = f->len};

	if (f->text)
		copy.text = mem_strndup(f->text, f->len);
	return copy;
}

struct sources *sources_copy(const struct sources *s)
{
	struct sources *copy = s ? sources_new() : NULL;

	if (!s)
		return NULL;
	copy->settings = copy_file(&s->settings);
	for (size_t i = 0; i < s->policies.len; i++)
		MEM_PUSH(&copy->policies, copy_file(&s->policies.items[i]));
	return copy;
}

static bool same_text(const struct policy_file *a, const struct policy_file *b)
{
	return a->len == b->len && (!a->len || memcmp(a->text, b->text, a->len) == 0);
}

bool sources_equal(const struct sources *a, const struct sources *b)
{
	if (!a || !b)
		return a == b;
	if (!a->settings.name != !b->settings.name || !same_text(&a->settings, &b->settings) ||
	    a->policies.len != b->policies.len)
		return false;
	for (size_t i = 0; i < a->policies.len; i++) {
		const struct policy_file *x = &a->policies.items[i], *y = &b->policies.items[i];

		if (strcmp(x->name, y->name) != 0 || !same_text(x, y))
			return false;
	}
	return true;
}

uint64_t sources_hash(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return hash;
}

/* With the length before the text, so that no two lists of files run into one another. */
static uint64_t hash_text(uint64_t hash, const char *text, size_t len)
{
	return sources_hash(sources_hash(hash, &len, sizeof(len)), text, len);
}

uint64_t sources_fingerprint(const struct sources *s)
{
	uint64_t hash = SOURCES_HASH_INIT;

	if (!s)
		return 0;
	if (s->settings.name)
		hash = hash_text(hash, s->settings.text, s->settings.len);
	for (size_t i = 0; i < s->policies.len; i++) {
		const struct policy_file *f = &s->policies.items[i];

		hash = hash_text(hash, f->name, strlen(f->name));
		hash = hash_text(hash, f->text, f->len);
	}
	return hash ? hash : 1;
}
