#include "images.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define REPOSITORY_MAX 512 /* bytes; the engine takes 255 */

static bool is_registry(const char *text, size_t len)
{
	static const char local[] = "localhost";

	return memchr(text, '.', len) || memchr(text, ':', len) ||
	       (len == sizeof(local) - 1 && !strncmp(text, local, len));
}

/* NAME without tag and digest. */
static char *repository_of(const char *name)
{
	static const char old[] = "index.docker.io/";
	const char *slash = strchr(name, '/');

	if (!strncmp(name, old, sizeof(old) - 1))
		return mem_printf("docker.io/%s", name + sizeof(old) - 1);
	if (slash && is_registry(name, (size_t)(slash - name)))
		return mem_strdup(name);
	return mem_printf("docker.io/%s%s", slash ? "" : "library/", name);
}

void reference_read(const char *text, struct reference *ret)
{
	size_t len = strcspn(text, "@");
	CLEANUP_FREE char *name = mem_strndup(text, len);
	char *slash = strrchr(name, '/'), *colon = strrchr(slash ? slash : name, ':');

	ret->digest = text[len] != '\0';
	ret->tag = colon ? mem_strdup(colon + 1) : NULL;
	if (colon)
		*colon = '\0';
	ret->repository = repository_of(name);
}

void reference_done(struct reference *r)
{
	free(r->repository);
	free(r->tag);
}

/* Whether PATTERN matches REPOSITORY or a folder of it: a `*` stays within one part, or `*.example.com` would be
 * anybody's who calls an image so. */
static bool matches(const char *pattern, const char *repository)
{
	CLEANUP_FREE char *part = mem_strdup(repository);

	while (true) {
		char *slash = strrchr(part, '/');

		if (fnmatch(pattern, part, FNM_PATHNAME) == 0)
			return true;
		if (!slash)
			return false;
		*slash = '\0';
	}
}

bool registries_have(const struct settings *s, const char *repository)
{
	if (strlen(repository) > REPOSITORY_MAX)
		return false;
	for (size_t i = 0; i < s->nregistries; i++)
		if (matches(s->registries[i], repository))
			return true;
	return false;
}
