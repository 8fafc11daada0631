#include "daemon.h"

#include <errno.h>
#include <stdio.h>

#include "quaywall/log.h"
#include "notify.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LAST_MS	 60000
#define LATER_MS	 60000

/* The kernel holds W. */
static void note_applied(struct daemon *d, const struct world *w,
			 const struct kernel_change *change)
{
	char steps[24];

	/* Of what others did during a bulk load no message comes. */
	if (nft_monitor_missed(d->kernel.nft))
		daemon_drift_soon(d);
	daemon_schedule_cut(d, w, change);
	daemon_note(&d->apply_error, NULL);
	d->apply_backoff = 0;
	loop_timer_clear(&d->apply_timer);
	if (!change->steps)
		return;
	d->applied_at = time(NULL);
	metrics_observe(&d->scrape.applying, loop_now_us() - d->loop.woke_us);
	snprintf(steps, sizeof(steps), "%zu", change->steps);
	log_line(LOG_LEVEL_DEBUG, "rules applied", "steps", steps, NULL);
}

/* Without the bridge table the other one is in force: a kernel may lack the family. */
static void note_bridge(struct daemon *d, bool was_missing)
{
	const char *why = d->kernel.bridge_error;

	if (!why)
		return;
	loop_timer_hasten(&d->bridge_timer, LATER_MS);
	if (!was_missing)
		log_line(LOG_LEVEL_ERROR, "tagged frames are not governed", "table",
			 "bridge " QUAYWALL_TABLE, "cause", why, NULL);
}

int daemon_apply(struct daemon *d, const struct world *w, struct error *err)
{
	CLEANUP_WANTED struct kernel_wanted wanted = {NULL, NULL};
	bool was_missing = d->kernel.bridge_error;
	struct kernel_change change;
	int r;

	if (d->suspended)
		return 0;
	r = kernel_recall(&d->kernel, d->world.compiled, err);
	if (r < 0)
		return r;
	wanted.inet = compile_ruleset(w->compiled);
	wanted.bridge = compile_bridge_ruleset(w->compiled);
	r = kernel_apply(&d->kernel, &wanted, &change, err);
	if (r < 0) {
		d->failures++;
		return r;
	}
	note_applied(d, w, &change);
	note_bridge(d, was_missing);
	if (w == &d->world)
		kernel_forget(&d->kernel);
	return 0;
}

/* The world in force follows M. Where the kernel does not, what it holds is read, and the whole is brought to it. */
static int step(struct daemon *d, struct model *m, struct compile_step *s, struct error *err)
{
	struct model *before = d->world.model;
	struct kernel_change change;
	int r;

	d->kernel.left = s->gone.len ? &s->gone : NULL;
	r = kernel_follow(&d->kernel, s, &change, err);
	d->kernel.left = NULL;
	d->world.model = m;
	model_free(before);
	if (r == 0)
		note_applied(d, &d->world, &change);
	else
		error_done(err);
	return r == 0 ? 0 : daemon_apply(d, &d->world, err);
}

bool daemon_step(struct daemon *d, struct model *m)
{
	CLEANUP_COMPILE_STEP struct compile_step s = {.was = NULL};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r;

	if (!d->world.compiled || d->skeleton || d->suspended || !kernel_can_follow(&d->kernel) ||
	    !compile_follow(d->world.compiled, m, &s))
		return false;
	if (!compile_needs_bridge_filter(d->world.compiled))
		ranges_done(&s.gone);
	r = step(d, m, &s, &err);
	if (r < 0)
		daemon_apply_failed(d, &err);
	else if (s.gone.len)
		daemon_end_flows(d, &s.gone);
	daemon_bridge_filter(d);
	daemon_check_soon(d);
	return true;
}

void daemon_apply_failed(struct daemon *d, const struct error *err)
{
	d->apply_backoff = d->apply_backoff ? d->apply_backoff * 2 : BACKOFF_FIRST_MS;
	if (d->apply_backoff > BACKOFF_LAST_MS)
		d->apply_backoff = BACKOFF_LAST_MS;
	loop_timer_set(&d->apply_timer, d->apply_backoff);
	daemon_note(&d->apply_error, error_text(err));
	log_line(LOG_LEVEL_ERROR, "the kernel refused the rules, the old ones stay", "cause",
		 error_text(err), NULL);
	notify_send("STATUS=the kernel refused the rules: %s", error_text(err));
}

void daemon_apply_due(void *data)
{
	struct daemon *d = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r;

	if (!d->world.compiled || d->suspended)
		return;
	r = kernel_read(&d->kernel, &err);
	if (r == 0)
		r = daemon_apply(d, &d->world, &err);
	if (r < 0) {
		daemon_apply_failed(d, &err);
		return;
	}
	log_line(LOG_LEVEL_INFO, "the kernel took the rules", NULL);
	daemon_bridge_filter(d);
	daemon_ready(d);
}

void daemon_bridge_due(void *data)
{
	struct daemon *d = data;

	if (d->kernel.bridge_error)
		daemon_apply_due(d);
}

/* ---- beginning and end ---- */

void daemon_ready(struct daemon *d)
{
	if (d->ready)
		return;
	d->ready = true;
	notify_send("READY=1\nSTATUS=%s", d->skeleton ? "waiting for the engine" : "enforcing");
	log_line(LOG_LEVEL_INFO, "ready", "owner", d->kernel.owner ? "yes" : "no", NULL);
}

int daemon_flush(struct daemon *d, struct error *err)
{
	int r = kernel_flush(&d->kernel, err);

	if (r < 0)
		return r;
	d->suspended = true;
	daemon_note(&d->apply_error, NULL);
	loop_timer_clear(&d->apply_timer);
	loop_timer_clear(&d->drift_timer);
	d->drift.seen_us = 0;
	log_line(LOG_LEVEL_WARNING, "flushed: nothing is enforced until reload", NULL);
	notify_send("STATUS=flushed: nothing is enforced until reload");
	return 0;
}
