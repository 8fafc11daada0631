#include "daemon.h"

#include <errno.h>
#include <stdlib.h>

#include "quaywall/log.h"

/* A container that lives for less may have been hit and gone unseen; but a rule that only it needs was not watched long, then. */
#define READ_MS	 300000
#define SOON_MS	 60000
#define WRITE_MS 3600000

static void keep(struct daemon *d, bool sync)
{
	struct counting *c = &d->counting;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = last_hits_save(d->state_folder, &c->last, sync, &err);

	if (r < 0 && !c->error)
		log_line(LOG_LEVEL_WARNING, "when rules were hit cannot be kept for a restart",
			 "cause", error_text(&err), NULL);
	daemon_note(&c->error, r < 0 ? error_text(&err) : NULL);
	c->changed = r < 0;
}

/* One that is there stays until something is known that is better. */
void daemon_count_open(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = last_hits_load(d->state_folder, &d->counting.last, &err);

	loop_timer_set_loose(&d->counting.read_timer, READ_MS);
	if (r == -ENOENT)
		keep(d, false);
	else if (r < 0)
		log_line(LOG_LEVEL_ERROR, "when rules were hit cannot be read, and is begun anew",
			 "cause", error_text(&err), NULL);
}

void daemon_count_due(void *data)
{
	struct daemon *d = data;

	loop_timer_set_loose(&d->counting.read_timer, READ_MS);
	daemon_learn_tick(d);
	if (d->world.settings && d->world.settings->counters && !d->skeleton)
		daemon_scrape_read(d);
}

void daemon_count_write_due(void *data)
{
	struct daemon *d = data;

	if (d->counting.changed)
		keep(d, false);
	if (d->counting.changed)
		loop_timer_set_loose(&d->counting.write_timer, WRITE_MS);
}

void daemon_count_take(struct daemon *d)
{
	struct counting *c = &d->counting;
	uint64_t now = loop_now(), elapsed = c->taken ? (now - c->taken) / 1000 : 0;
	bool news;

	if (!d->world.policies || d->skeleton || d->suspended) {
		c->taken = 0;
		return;
	}
	news = last_hits_take(&c->last, &d->scrape.hits, d->world.policies,
			      d->world.settings->mode == POLICY_AUDIT, time(NULL), elapsed);
	/* What is left of a second counts next time. */
	c->taken = c->taken ? c->taken + elapsed * 1000 : now;
	c->changed = true;
	/* Both with the listing that wakes the daemon anyway. */
	if (!c->write_timer.due || (news && c->write_timer.due > now + 2 * SOON_MS))
		loop_timer_set_loose(&c->write_timer, news ? SOON_MS : WRITE_MS);
}

void daemon_count_done(struct daemon *d)
{
	struct counting *c = &d->counting;

	if (c->changed)
		keep(d, true);
	last_hits_done(&c->last);
	free(c->error);
}
