#include "verbs.h"

#include <stdio.h>

#include "quaywall/docker.h"
#include "output.h"

int verb_version(const struct arguments *a)
{
	CLEANUP_JSON json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "version", QUAYWALL_VERSION,
					   "docker_api_min", DOCKER_API_MIN, "docker_api_max",
					   DOCKER_API_MAX, "libnftnl", LIBNFTNL_VERSION);

	if (a->json) {
		output_json(j);
		return QUAYWALL_FINE;
	}
	printf("quaywall %s\nDocker API %s to %s\nlibnftnl %s\n", QUAYWALL_VERSION, DOCKER_API_MIN,
	       DOCKER_API_MAX, LIBNFTNL_VERSION);
	return QUAYWALL_FINE;
}
