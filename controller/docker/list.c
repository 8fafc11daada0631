#include "quaywall/docker.h"

#include "session.h"

#define TURN_MS	      1000
#define FIRST_SECONDS 30 /* an engine that is just starting may take so long, a person will not */

int docker_list(const struct docker_options *options, struct model **ret, struct error *err)
{
	struct session_options o = {.docker = options, .first_seconds = FIRST_SECONDS};
	CLEANUP_SESSION struct session *s = NULL;
	int r = session_new(&o, &s, err);

	while (r == 0 && !session_is_listed(s))
		r = session_turn(s, TURN_MS, err);
	if (r < 0)
		return r;
	*ret = session_take(s);
	return 0;
}
