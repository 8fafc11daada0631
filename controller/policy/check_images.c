#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define DAYS	      "days, 1d to 3650d, or never"
#define DAYS_MAX      3650
#define REGISTRY      "HOST or HOST/PATH, perhaps with * and ?"
#define REGISTRIES    "[" REGISTRY "]"
#define REGISTRIES_AT 64 /* most of them: each is held against each image */

void days_read(struct policy_problems *p, const struct node *n, const char *label, uint32_t *ret)
{
	char word[CLIP_SIZE];
	uint32_t days = 0;
	size_t len;

	if (!keys_is_text(p, n, label, DAYS))
		return;
	len = strlen(n->text);
	if (strcmp(n->text, "never") != 0 &&
	    (len < 2 || n->text[len - 1] != 'd' ||
	     number_parse(n->text, len - 1, DAYS_MAX, &days) < 0 || !days)) {
		problem_error(p, &n->where, "\"%s\" is \"%s\" (expected %s)", label,
			      clip(n->text, word), DAYS);
		return;
	}
	*ret = days;
}

/* What would match no image's name, or NULL: names are held against it with their registry, without tag. */
static const char *mistake_of(const char *text)
{
	size_t host = strcspn(text, "/"), len = strlen(text);

	if (strstr(text, "://"))
		return "has a scheme";
	if (strchr(text, '@') || (strchr(text + host, ':') && !strchr(text + host, '[')))
		return "has a tag or a digest";
	if (!host || text[len - 1] == '/')
		return "has an empty part";
	/* As an image's name is read: what begins otherwise is of docker.io. */
	if (strcspn(text, ".:*?[") >= host &&
	    (host != strlen("localhost") || strncmp(text, "localhost", host) != 0))
		return "names no registry";
	return NULL;
}

static void read_registry(struct policy_problems *p, const struct node *n, struct settings *s)
{
	char *pattern = scalar_pattern(p, n, "registries"), word[CLIP_SIZE];
	const char *mistake = pattern ? mistake_of(pattern) : NULL;

	if (!pattern)
		return;
	if (mistake || strlen(pattern) > POLICY_REGISTRY_MAX) {
		problem_error(p, &n->where, "\"%s\" %s (expected %s, as in docker.io/library)",
			      clip(pattern, word), mistake ? mistake : "is too long", REGISTRY);
		free(pattern);
		return;
	}
	s->registries = array_grow(s->registries, s->nregistries, sizeof(*s->registries));
	s->registries[s->nregistries++] = pattern;
}

static void read_registries(struct policy_problems *p, const struct node *n, struct settings *s)
{
	if (!keys_is_list(p, n, "registries", REGISTRIES))
		return;
	if (n->nitems > REGISTRIES_AT) {
		problem_error(p, &n->where, "\"registries\" has %zu items (expected at most %d)",
			      n->nitems, REGISTRIES_AT);
		return;
	}
	for (size_t i = 0; i < n->nitems; i++)
		read_registry(p, n->items[i], s);
}

void check_images_read(struct policy_problems *p, const struct node *check, struct settings *s)
{
	const struct node *registries = keys_get(check, "registries"),
			  *age = keys_get(check, "image_age");

	if (registries)
		read_registries(p, registries, s);
	if (age)
		days_read(p, age, "image_age", &s->image_days);
}

void registries_free(struct settings *s)
{
	for (size_t i = 0; i < s->nregistries; i++)
		free(s->registries[i]);
	free(s->registries);
}
