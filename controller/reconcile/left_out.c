/*
 * left_out: how many packets were refused or audited, and not logged, as the rate was used up.
 *
 * Only while packets come by the log: an idle daemon has nothing to compare. A chain that a transaction set anew counts
 * from 0, so less than before is what came since; what it had counted in between is not told, and never is too much.
 */
#include "daemon.h"

#include <poll.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "record.h"

#define FIRST_MS 400
#define TICK_MS \
	1000 /* more than the kernel lets packets of a group wait, and than they take to be read */

/* False where a counter cannot be read: then nothing is told, and what was read last stays. */
static bool read_chain(struct daemon *d, size_t i, uint64_t *ret)
{
	const struct compile_counted *c = compile_counted_chain(i);
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (nft_chain_packets(d->kernel.nft, QUAYWALL_TABLE, c->family, c->chain, ret, &err) == 0)
		return true;
	log_line(LOG_LEVEL_DEBUG, "what the log left out is not known", "cause", error_text(&err),
		 NULL);
	return false;
}

/* How many packets came to the chains since the last call. */
static uint64_t read_chains(struct daemon *d)
{
	struct left_out *l = &d->seen.left_out;
	uint64_t since = 0, now;

	for (size_t i = 0; i < COMPILE_COUNTED; i++) {
		if (!read_chain(d, i, &now))
			continue;
		since += now >= l->read[i] ? now - l->read[i] : now;
		l->read[i] = now;
	}
	return since;
}

static void begin_burst(struct daemon *d)
{
	struct left_out *l = &d->seen.left_out;

	l->counted = l->received = l->told = 0;
	l->lost = daemon_seen_lost(d);
}

void daemon_left_out_begin(struct daemon *d)
{
	read_chains(d);
	begin_burst(d);
}

void daemon_left_out_end(struct daemon *d)
{
	loop_timer_clear(&d->seen.left_out.timer);
}

void daemon_left_out_packet(struct daemon *d, const struct flow_packet *p)
{
	struct left_out *l = &d->seen.left_out;

	l->received += record_was_counted(p);
	if (!l->timer.due)
		loop_timer_set(&l->timer, FIRST_MS);
}

static void tell(struct daemon *d)
{
	struct left_out *l = &d->seen.left_out;
	uint64_t known = l->received + (daemon_seen_lost(d) - l->lost) + l->told;
	uint64_t more = l->counted > known ? l->counted - known : 0;
	CLEANUP_JSON json_t *event = NULL;
	CLEANUP_FREE char *line = NULL;

	if (!more)
		return;
	l->told += more;
	l->total += more;
	event = json_pack("{s:s, s:I}", "event", "left-out", "packets", (json_int_t)more);
	line = json_dumps(event, JSON_COMPACT);
	if (!line)
		return;
	control_tell(&d->control, SEEN_LOGGED, line);
	daemon_outlet_tell(d, OUTPUT_REFUSED, event, line);
}

/* What is counted now may still be under way to us: it is compared the next time. */
void daemon_left_out_due(void *data)
{
	struct daemon *d = data;
	struct left_out *l = &d->seen.left_out;
	struct pollfd waiting = {.events = POLLIN};
	uint64_t since;

	if (!d->seen.log)
		return;
	waiting.fd = flow_log_fd(d->seen.log);
	if (poll(&waiting, 1, 0) == 0)
		tell(d);
	since = read_chains(d);
	l->counted += since;
	if (since || waiting.revents)
		loop_timer_set(&l->timer, TICK_MS);
	else
		begin_burst(d);
}
