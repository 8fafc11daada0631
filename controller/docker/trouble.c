#include "trouble.h"

#include <stdlib.h>

#define REST_FIRST_MS 1000
#define REST_LAST_MS  60000

int64_t trouble_note(struct trouble *t, struct error *why, int64_t now)
{
	/* Not every trouble that a listing ends is the last one. */
	if (t->rest == 0 || now - t->last > 2 * REST_LAST_MS)
		t->rest = REST_FIRST_MS;
	else if (!t->again)
		t->rest = t->rest * 2 < REST_LAST_MS ? t->rest * 2 : REST_LAST_MS;
	t->last = now;
	t->again = true;
	free(t->text);
	t->text = why->text;
	*why = (struct error)ERROR_INIT;
	return t->rest;
}

void trouble_begin_listing(struct trouble *t)
{
	t->again = false;
}

void trouble_end_listing(struct trouble *t)
{
	if (t->again)
		return;
	free(t->text);
	t->text = NULL;
}

void trouble_done(struct trouble *t)
{
	free(t->text);
	t->text = NULL;
}
