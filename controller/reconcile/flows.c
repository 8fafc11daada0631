/*
 * flows: when the flows that exist are looked through for those that the rules in force refuse.
 *
 * At once behind the transaction, so that no flow outlives the rule that refuses it; and once more a moment
 * later, for a packet that had passed the old rules then, and was not in conntrack yet. Of a container that goes, at
 * once is what handover.c does, where no other flow is refused for it. What comes in bursts is
 * looked through in turns: the longer one takes, the longer the rest behind it.
 */
#include "daemon.h"

#include <stdio.h>

#include "quaywall/log.h"

#define REST_MS	   20 /* behind each look, ... */
#define REST_SHARE 4  /* ... and so many times what it took */
#define SECOND_MS  200
#define RETRY_MS   1000

static bool can_refuse(const struct daemon *d, const struct world *w,
		       const struct kernel_change *change)
{
	/* Nobody knows whether the run that made the table came to it. */
	if (!d->looked)
		return true;
	return change->steps &&
	       (change->tightens == TIGHTENS_ANY || w->policies != d->world.policies ||
		compile_endpoint_tightens(w->compiled));
}

/* In MS, or when the rest is over. */
static void look_in(struct daemon *d, uint64_t ms)
{
	uint64_t now = loop_now(), rest = d->cut_rest > now ? d->cut_rest - now : 0;

	loop_timer_hasten(&d->cut_timer, rest > ms ? rest : ms);
}

void daemon_cut_soon(struct daemon *d)
{
	d->second_look = true;
	look_in(d, 0);
}

void daemon_schedule_cut(struct daemon *d, const struct world *w,
			 const struct kernel_change *change)
{
	if (can_refuse(d, w, change))
		daemon_cut_soon(d);
	else if (change->tightens == TIGHTENS_LEFT)
		look_in(d, SECOND_MS);
}

static void failed(struct daemon *d, const struct error *err)
{
	bool is_new = !d->cut_error;

	daemon_note(&d->cut_error, error_text(err));
	loop_timer_hasten(&d->cut_timer, RETRY_MS);
	if (is_new)
		log_line(LOG_LEVEL_ERROR, "flows that are refused now may go on", "cause",
			 error_text(err), NULL);
}

static void succeeded(struct daemon *d)
{
	daemon_note(&d->cut_error, NULL);
	d->looked = true;
	if (d->second_look)
		loop_timer_hasten(&d->cut_timer, SECOND_MS);
	d->second_look = false;
}

void daemon_cut_due(void *data)
{
	struct daemon *d = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	uint64_t began = loop_now(), ended;
	size_t n = 0;
	char text[24];
	int r;

	if (!d->world.compiled || d->suspended || d->skeleton)
		return;
	r = cut_refused(d->flows, &d->kernel, d->host, &d->world, &n, &err);
	ended = loop_now();
	d->cut_rest = ended + REST_MS + REST_SHARE * (ended - began);
	if (r < 0)
		failed(d, &err);
	else
		succeeded(d);
	d->flows_cut += n;
	if (!n)
		return;
	snprintf(text, sizeof(text), "%zu", n);
	log_line(LOG_LEVEL_INFO, "flows cut", "flows", text, NULL);
}
