/*
 * drift: what other programs do to our tables, where the kernel lets them, and how it is undone.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>

#include "quaywall/log.h"

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- it is noticed ---- */

static bool somebody_changed(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool foreign = false;

	if (nft_monitor_dispatch(d->kernel.nft, QUAYWALL_TABLE, &foreign, &err) == 0)
		return foreign;
	log_line(LOG_LEVEL_WARNING, "nf_tables notifications failed", "cause", error_text(&err),
		 NULL);
	return true;
}

void daemon_drift_soon(struct daemon *d)
{
	if (d->suspended)
		return;
	if (!d->drift.seen_us)
		d->drift.seen_us = now_us();
	loop_timer_hasten(&d->drift_timer, pace_wait(&d->drift.pace, loop_now()));
}

void daemon_monitor_ready(void *data, short revents)
{
	struct daemon *d = data;

	(void)revents;
	if (somebody_changed(d))
		daemon_drift_soon(d);
}

/* ---- it is undone ---- */

/* Nobody has said yet what is wanted, but what the last run left is better than what somebody made of
 * it. Where that is gone, a skeleton is better than nothing. */
static int restore_kept(struct daemon *d, struct error *err)
{
	int r = kernel_keep(&d->kernel, err);

	if (r < 0)
		return r;
	daemon_note(&d->apply_error, NULL);
	if (!kernel_has_table(&d->kernel) && d->world.policies)
		loop_timer_set(&d->engine_timer, 0);
	return 0;
}

/* What the last run left is ours from the beginning, not only from the engine's first answer on. */
void daemon_keep(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (!d->world.compiled && kernel_has_table(&d->kernel) && kernel_keep(&d->kernel, &err) < 0)
		log_line(LOG_LEVEL_WARNING, "the table of the last run is not guarded", "cause",
			 error_text(&err), NULL);
}

static int restore(struct daemon *d, struct error *err)
{
	int r;

	if (!d->world.compiled)
		return restore_kept(d, err);
	r = kernel_read(&d->kernel, err);
	if (r < 0 && r != -EINTR)
		return r;
	/* Somebody writes faster than a whole table can be read. */
	d->kernel.blind = r == -EINTR;
	error_done(err);
	r = daemon_apply(d, &d->world, err);
	d->kernel.blind = false;
	return r;
}

/* Others were in between, again and again: that is not the kernel's last word. */
static bool is_passing(int r)
{
	return r == -EINTR || r == -EBUSY || r == -ENOENT || r == -EEXIST || r == -ENOBUFS;
}

static void restore_failed(struct daemon *d, int r, uint64_t seen_us, const struct error *err)
{
	if (!is_passing(r)) {
		daemon_apply_failed(d, err);
		return;
	}
	daemon_note(&d->apply_error, error_text(err));
	daemon_drift_soon(d);
	d->drift.seen_us = seen_us;
}

/* ---- it is told ---- */

static void tell(struct daemon *d, unsigned long times)
{
	const struct drift *drift = &d->drift;
	char pid[16], took[24], count[24];

	if (!times)
		return;
	snprintf(pid, sizeof(pid), "%u", drift->by.pid);
	snprintf(took, sizeof(took), "%.1f", (double)drift->took_us / 1000);
	snprintf(count, sizeof(count), "%lu", times);
	log_line(LOG_LEVEL_WARNING, "somebody changed our table: restored", "table", QUAYWALL_TABLE,
		 "process", drift->by.process[0] ? drift->by.process : NULL, "pid",
		 drift->by.pid ? pid : NULL, "took_ms", took, "times", times > 1 ? count : NULL,
		 NULL);
}

void daemon_tell_due(void *data)
{
	struct daemon *d = data;

	tell(d, pace_tell_rest(&d->drift.pace, loop_now()));
}

static void note_repair(struct daemon *d, uint64_t seen_us)
{
	d->drift.repairs++;
	d->drift.restored = d->kernel.restored;
	d->drift.took_us = now_us() - seen_us;
	d->drift.at = time(NULL);
	nft_monitor_writer(d->kernel.nft, &d->drift.by);
	tell(d, pace_tell(&d->drift.pace, loop_now()));
	if (d->drift.pace.untold)
		loop_timer_hasten(&d->tell_timer, PACE_TELL_MS);
}

void daemon_drift_due(void *data)
{
	struct daemon *d = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	unsigned long before = d->kernel.transactions;
	uint64_t seen_us = d->drift.seen_us;
	int r = restore(d, &err);
	bool again;

	d->drift.seen_us = 0;
	pace_done(&d->drift.pace, loop_now());
	if (r < 0) {
		restore_failed(d, r, seen_us, &err);
		return;
	}
	/* Only now it is sure that the kernel has said who it was. */
	again = somebody_changed(d);
	if (d->kernel.transactions != before || d->kernel.restored != d->drift.restored)
		note_repair(d, seen_us);
	if (again)
		daemon_drift_soon(d);
}
