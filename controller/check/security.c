/*
 * security: what the engine says of its own set-up, and what its file and its command line on this host do.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "quaywall/mem.h"

/* "name=seccomp,profile=builtin" */
static bool is_option(const char *text, const char *name, const char *value)
{
	static const char key[] = "name=";
	size_t len = strlen(name);

	if (strncmp(text, key, sizeof(key) - 1) != 0)
		return false;
	text += sizeof(key) - 1;
	if (strncmp(text, name, len) != 0 || (text[len] && text[len] != ','))
		return false;
	return !value || (text[len] && !strcmp(text + len + 1, value));
}

bool posture_secures(const json_t *posture, const char *name, const char *value)
{
	const json_t *list = posture_get(posture, "engine", "security_options", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && is_option(text, name, value))
			return true;
	}
	return false;
}

bool posture_remaps_users(const json_t *posture)
{
	return posture_secures(posture, "userns", NULL) ||
	       posture_secures(posture, "rootless", NULL);
}

const json_t *posture_engine_here(const json_t *posture)
{
	const json_t *list = posture_get(posture, "host", "programs", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		if (!strcmp(posture_text(p, "program"), "dockerd") &&
		    json_is_true(json_object_get(p, "here")) &&
		    json_is_object(json_object_get(p, "config")))
			return p;
	}
	return NULL;
}

const json_t *posture_engine_option(const json_t *posture, const char *name, bool *ret_read)
{
	const json_t *engine = posture_engine_here(posture);
	const json_t *values = posture_get(engine, "flags", name, NULL);
	size_t n = json_array_size(values);

	*ret_read = engine != NULL;
	return n ? json_array_get(values, n - 1) : posture_get(engine, "config", name, NULL);
}

/* As the engine reads one; -1: it would not have started with that. */
static int switch_of(const json_t *value)
{
	static const char *const on[] = {"1", "t", "true"}, *const off[] = {"0", "f", "false"};
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_is_true(value);
	for (size_t i = 0; text && i < ARRAY_SIZE(on); i++) {
		if (!strcasecmp(text, on[i]))
			return 1;
		if (!strcasecmp(text, off[i]))
			return 0;
	}
	return -1;
}

int posture_engine_switch(const json_t *posture, const char *name)
{
	bool read;

	return switch_of(posture_engine_option(posture, name, &read));
}

bool engine_is_before(const struct model *m, unsigned long major)
{
	unsigned long is = m->engine_version ? strtoul(m->engine_version, NULL, 10) : 0;

	return is && is < major && m->engine_name &&
	       !strncmp(m->engine_name, "Docker", strlen("Docker"));
}
