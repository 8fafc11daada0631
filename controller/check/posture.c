#include "internal.h"

#include "quaywall/mem.h"

/* The gaps of PART. */
static void take_gaps(json_t *gaps, const json_t *part)
{
	const json_t *list = json_object_get(part, "gaps");

	for (size_t i = 0; i < json_array_size(list); i++)
		json_array_append(gaps, json_array_get(list, i));
}

json_t *check_posture(const json_t *docker, const char *docker_error, const json_t *host)
{
	static const char *const parts[] = {"engine", "containers", "images", "swarm"};
	json_t *out = json_object(), *gaps = json_array();

	json_object_set_new(out, "version", json_integer(1));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		json_t *part = json_object_get(docker, parts[i]);

		json_object_set_new(out, parts[i], part ? json_incref(part) : json_null());
	}
	json_object_set_new(out, "host", host ? json_incref((json_t *)host) : json_null());
	json_object_set_new(out, "gaps", gaps);
	if (!docker)
		json_array_append_new(gaps, json_pack("{s:s, s:s}", "part", "engine", "why",
						      docker_error ? docker_error : "not asked"));
	take_gaps(gaps, docker);
	take_gaps(gaps, host);
	return out;
}

json_t *check_posture_without(const char *why)
{
	json_t *out = check_posture(NULL, why, NULL);

	json_array_append_new(json_object_get(out, "gaps"),
			      json_pack("{s:s, s:s}", "part", "host", "why", why));
	return out;
}
