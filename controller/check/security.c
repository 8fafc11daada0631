/*
 * security: what the engine says of its own set-up, and what its file and its command line on this host do.
 */
#include "internal.h"

#include <string.h>

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

/* The engine in this network namespace whose files could be read. */
static const json_t *engine_here(const json_t *posture)
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
	const json_t *engine = engine_here(posture);
	const json_t *values = posture_get(engine, "flags", name, NULL);
	size_t n = json_array_size(values);

	*ret_read = engine != NULL;
	return n ? json_array_get(values, n - 1) : posture_get(engine, "config", name, NULL);
}
