#include "compile-internal.h"

#include <fnmatch.h>
#include <string.h>

#include "quaywall/mem.h"

/*
 * A selector is a condition in disjunctive form once its lists and `any` are multiplied out. Each of those
 * alternatives that names no project gets the document's. Instead of multiplying out, evaluation keeps
 * apart by which kind of alternative a container matched.
 */
#define BY_NONE	   0u
#define BY_UNNAMED 1u /* matched by an alternative that names no project */
#define BY_NAMED   2u /* matched by one that does */

struct subject {
	const struct compiled *c;
	const struct instance *in;
	const struct model_container *container;
	const struct model_network *network;
	bool in_for;
};

bool glob_match(const char *pattern, const char *text)
{
	return text && fnmatch(pattern, text, 0) == 0;
}

bool glob_is_plain(const char *pattern)
{
	return !strpbrk(pattern, "*?[\\");
}

static bool has_registry(const char *reference, const char *slash)
{
	size_t len = (size_t)(slash - reference);

	for (size_t i = 0; i < len; i++) {
		if (reference[i] == '.' || reference[i] == ':')
			return true;
	}
	return len == strlen("localhost") && !strncmp(reference, "localhost", len);
}

/* "nginx" -> "docker.io/library/nginx:latest", as the engine completes a reference. */
static char *image_full_form(const char *reference)
{
	const char *slash = strchr(reference, '/');
	const char *last = strrchr(reference, '/');
	const char *prefix = "";
	const char *tag = "";

	if (!strncmp(reference, "sha256:", strlen("sha256:")))
		return mem_strdup(reference);
	if (!slash)
		prefix = "docker.io/library/";
	else if (!has_registry(reference, slash))
		prefix = "docker.io/";
	if (!strchr(last ? last : reference, ':') && !strchr(reference, '@'))
		tag = ":latest";
	return mem_printf("%s%s%s", prefix, reference, tag);
}

static bool image_matches(const char *pattern, const char *image)
{
	CLEANUP_FREE char *full = image_full_form(image);
	CLEANUP_FREE char *full_pattern = NULL;

	if (glob_match(pattern, image) || glob_match(pattern, full))
		return true;
	if (!glob_is_plain(pattern))
		return false;
	full_pattern = image_full_form(pattern);
	return !strcmp(full_pattern, full);
}

/* An image cannot say who a container is; other labels count whoever set them. */
static bool label_matches(const struct selector *s, const struct model_container *container)
{
	const char *value =
		model_container_label(container, s->key, model_label_is_identity(s->key));

	return value && (!s->pattern || glob_match(s->pattern, value));
}

static unsigned project_match(const struct subject *on, const struct selector *s)
{
	const char *project = model_container_project(on->container);

	/* A template's own project is the one of this instance. */
	if (on->in_for && on->in->public.scope)
		return project && !strcmp(project, on->in->public.scope) ? BY_NAMED : BY_NONE;
	if (!strcmp(s->pattern, "*"))
		return BY_NAMED;
	return glob_match(s->pattern, project) ? BY_NAMED : BY_NONE;
}

static bool in_scope(const struct subject *on, unsigned by)
{
	const char *scope = on->in->public.scope;
	const char *project;

	if (by & BY_NAMED || !scope)
		return by != BY_NONE;
	project = model_container_project(on->container);
	return by & BY_UNNAMED && project && !strcmp(project, scope);
}

static unsigned match(const struct subject *on, const struct selector *s);

static unsigned match_all(const struct subject *on, const struct selector *s)
{
	bool named = false, unnamed = true;

	for (size_t i = 0; i < s->nchildren; i++) {
		unsigned by = match(on, s->children[i]);

		if (by == BY_NONE)
			return BY_NONE;
		named = named || by & BY_NAMED;
		unnamed = unnamed && by & BY_UNNAMED;
	}
	return (named ? BY_NAMED : 0) | (unnamed ? BY_UNNAMED : 0);
}

static unsigned match_any(const struct subject *on, const struct selector *s)
{
	unsigned by = BY_NONE;

	for (size_t i = 0; i < s->nchildren; i++)
		by |= match(on, s->children[i]);
	return by;
}

/* What stands in `not` gets no project, and a project named there is no scope of its own. */
static unsigned match_not(const struct subject *on, const struct selector *s)
{
	return match(on, s->children[0]) == BY_NONE ? BY_UNNAMED : BY_NONE;
}

/* A group got its project where it is defined. */
static unsigned match_group(const struct subject *on, const struct selector *s)
{
	const struct policy_document *doc = on->in->public.document;

	return in_scope(on, match(on, doc->groups[s->group].selector)) ? BY_NAMED : BY_NONE;
}

static unsigned match(const struct subject *on, const struct selector *s)
{
	const struct model_container *container = on->container;

	switch (s->kind) {
	case SELECTOR_ALL:
		return match_all(on, s);
	case SELECTOR_ANY:
		return match_any(on, s);
	case SELECTOR_NOT:
		return match_not(on, s);
	case SELECTOR_GROUP:
		return match_group(on, s);
	case SELECTOR_PROJECT:
		return project_match(on, s);
	case SELECTOR_NAME:
		return glob_match(s->pattern, container->name) ? BY_UNNAMED : BY_NONE;
	case SELECTOR_SERVICE:
		return glob_match(s->pattern, model_container_service(container)) ? BY_UNNAMED
										  : BY_NONE;
	case SELECTOR_IMAGE:
		return image_matches(s->pattern, container->image) ? BY_UNNAMED : BY_NONE;
	case SELECTOR_NETWORK:
		return glob_match(s->pattern, on->network->name) ? BY_UNNAMED : BY_NONE;
	case SELECTOR_LABEL:
		return label_matches(s, container) ? BY_UNNAMED : BY_NONE;
	}
	return BY_NONE;
}

static bool subject_of(const struct compiled *c, const struct instance *in, size_t endpoint,
		       struct subject *ret)
{
	const struct model *m = c->model;

	if (c->owner[endpoint] == MODEL_NONE)
		return false;
	*ret = (struct subject) {
		.c = c,
		.in = in,
		.container = &m->containers[c->owner[endpoint]],
		.network = &m->networks[m->endpoints[endpoint].network],
	};
	return true;
}

bool selects(const struct compiled *c, const struct instance *in, const struct selector *s,
	     size_t endpoint)
{
	struct subject on;

	return subject_of(c, in, endpoint, &on) && in_scope(&on, match(&on, s));
}

/*
 * `for`: only the project at its top is the template's; a project deeper inside (in `any`, in `not`) is
 * what it says.
 */
bool instance_governs(const struct compiled *c, const struct instance *in, size_t endpoint)
{
	const struct selector *s = in->public.document->governs;
	struct subject on;

	if (!subject_of(c, in, endpoint, &on))
		return false;
	if (!s)
		return true;
	if (!in->public.document->scope)
		return match(&on, s) != BY_NONE;
	for (size_t i = 0; i < s->nchildren; i++) {
		on.in_for = s->children[i]->kind == SELECTOR_PROJECT;
		if (match(&on, s->children[i]) == BY_NONE)
			return false;
	}
	return true;
}

bool compile_selects(const struct compiled *c, const struct compile_instance *in,
		     const struct selector *s, size_t endpoint)
{
	return selects(c, (const struct instance *)in, s, endpoint);
}

bool compile_governs(const struct compiled *c, const struct compile_instance *in, size_t endpoint)
{
	return instance_governs(c, (const struct instance *)in, endpoint);
}
