#include "quaywall/model.h"

#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/utf8.h"

#define SHORT_ID 12 /* as many characters of an id as the engine's own listings show */

#define COMPOSE_PREFIX "com.docker.compose."

bool model_label_is_identity(const char *key)
{
	static const char *const prefixes[] = {
		COMPOSE_PREFIX,
		"com.docker.swarm.",
		"com.docker.stack.",
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!strncmp(key, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return false;
}

static const struct model_label *find_label(const struct model_container *c, const char *key)
{
	size_t low = 0, high = c->nlabels;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(c->labels[mid].key, key);

		if (order == 0)
			return &c->labels[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/*
 * Compose writes project and service into the images that it builds, so for these the image's labels and
 * the container's are the same although Compose set both. It also gives each container a number and a
 * hash of its own, which it writes into no image: where the container has one that the image has not,
 * Compose started it, and then it set the other labels too, over whatever the image claims.
 */
static bool compose_started(const struct model_container *c)
{
	static const char *const own[] = {
		COMPOSE_PREFIX "config-hash",
		COMPOSE_PREFIX "container-number",
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		const struct model_label *label = find_label(c, own[i]);

		if (label && !label->from_image)
			return true;
	}
	return false;
}

const char *model_container_label(const struct model_container *c, const char *key, bool trusted)
{
	const struct model_label *label = find_label(c, key);

	if (!label)
		return NULL;
	if (trusted && label->from_image &&
	    (strncmp(key, COMPOSE_PREFIX, strlen(COMPOSE_PREFIX)) != 0 || !compose_started(c)))
		return NULL;
	return label->value;
}

/* An image could claim to be another project's database, so what the image carries does not count. */
static const char *identity_label(const struct model_container *c, const char *key)
{
	const char *value = model_container_label(c, key, true);

	return value && value[0] != '\0' ? value : NULL;
}

const char *model_container_project(const struct model_container *c)
{
	const char *project = identity_label(c, "com.docker.compose.project");

	return project ? project : identity_label(c, "com.docker.stack.namespace");
}

const char *model_container_service(const struct model_container *c)
{
	const char *compose = identity_label(c, "com.docker.compose.service");
	const char *swarm = identity_label(c, "com.docker.swarm.service.name");
	const char *stack = identity_label(c, "com.docker.stack.namespace");
	size_t len = stack ? strlen(stack) : 0;

	if (compose || !swarm || !stack)
		return compose ? compose : swarm;
	/* `docker stack deploy` calls the service STACK_SERVICE. */
	if (strncmp(swarm, stack, len) == 0 && swarm[len] == '_' && swarm[len + 1] != '\0')
		return swarm + len + 1;
	return swarm;
}

static void add_name(const struct model_container *c, struct buf *out)
{
	if (c->name && c->name[0] != '\0')
		buf_str(out, c->name);
	else
		buf_add(out, c->id, strnlen(c->id, SHORT_ID));
}

void model_container_title(const struct model_container *c, struct buf *out)
{
	const char *project = model_container_project(c);
	const char *service = model_container_service(c);
	CLEANUP_BUF struct buf title = BUF_INIT;

	if (project && service)
		buf_printf(&title, "%s/%s (", project, service);
	add_name(c, &title);
	if (project && service)
		buf_char(&title, ')');
	utf8_clean(buf_text(&title), out);
}
