/*
 * trouble: what of the engine could not be read, and when to look again.
 *
 * One object that the engine cannot tell of, or one event that makes no sense, must not keep all the rest
 * from being followed. So it is noted for `status`, and everything is listed again: soon at first, then
 * less and less often, for the trouble may be there to stay.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "quaywall/error.h"

struct trouble {
	char *text; /* the last one; NULL: none */
	bool again; /* also since the listing under way began */
	int64_t rest, last;
};

/* Takes the text of WHY. Returns after how many milliseconds to list again. */
int64_t trouble_note(struct trouble *t, struct error *why, int64_t now);
void trouble_begin_listing(struct trouble *t);
void trouble_end_listing(struct trouble *t); /* without new trouble, all is well */
void trouble_done(struct trouble *t);
