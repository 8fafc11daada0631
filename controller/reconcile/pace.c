#include "pace.h"

#define FIRST_REST_MS 1

uint64_t pace_wait(const struct pace *p, uint64_t now)
{
	uint64_t since = now - p->last;

	return !p->last || since >= p->rest ? 0 : p->rest - since;
}

void pace_done(struct pace *p, uint64_t now)
{
	bool quiet = !p->last || now - p->last >= PACE_QUIET_MS;

	p->rest = quiet ? FIRST_REST_MS : p->rest * 2;
	if (p->rest > PACE_REST_MS)
		p->rest = PACE_REST_MS;
	p->last = now;
}

unsigned long pace_tell(struct pace *p, uint64_t now)
{
	p->untold++;
	return pace_tell_rest(p, now);
}

unsigned long pace_tell_rest(struct pace *p, uint64_t now)
{
	unsigned long times = p->untold;

	if (!times || (p->told && now - p->told < PACE_TELL_MS))
		return 0;
	p->told = now;
	p->untold = 0;
	return times;
}
