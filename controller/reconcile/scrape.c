#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "listen.h"

#define PATIENCE_MS 3500 /* for the counters: less than a client has */
/* A reading is followed by a rest of so many times what it took: of a set the kernel walks through all elements for each
 * piece, which for 100,000 takes it more than a second, and whoever may connect may ask each second. */
#define RESTS 9

/* ---- counters ---- */

static void answer(struct daemon *d)
{
	struct scrape *s = &d->scrape;
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (!s->wanted)
		return;
	s->wanted = false;
	s->scrapes++;
	daemon_scrape_text(d, &text);
	metrics_server_answer(s->server, &text);
	loop_timer_set(&s->timer, 0);
}

static void stop_reading(struct daemon *d)
{
	struct scrape *s = &d->scrape;

	if (!s->reading)
		return;
	s->next_ms = loop_now() + RESTS * (loop_now() - s->began_ms);
	loop_remove(&d->loop, &s->on_counters);
	loop_timer_clear(&s->patience);
	nft_counters_close(s->reading);
	s->reading = NULL;
}

static void failed(struct daemon *d, const char *why)
{
	d->scrape.failures++;
	log_line(LOG_LEVEL_DEBUG, "counters were not read", "cause", why, NULL);
	stop_reading(d);
	answer(d);
}

static void take_count(const struct nft_count *count, void *data)
{
	hits_add(data, count);
}

static void counters_ready(void *data, short revents)
{
	struct daemon *d = data;
	struct scrape *s = &d->scrape;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = nft_counters_read(s->reading, take_count, &s->hits, &err);

	(void)revents;
	if (r > 0)
		return;
	if (r < 0) {
		failed(d, error_text(&err));
		return;
	}
	hits_end(&s->hits);
	stop_reading(d);
	daemon_count_take(d);
	answer(d);
}

static void patience_over(void *data)
{
	failed(data, "they took too long");
}

static int open_counters(struct daemon *d, struct error *err)
{
	struct kernel *k = &d->kernel;
	bool forgotten = k->held == KERNEL_AS_COMPILED;
	const struct ruleset *tables[2];
	size_t n = 0;
	int r = kernel_recall(k, d->world.compiled, err);

	if (r < 0)
		return r;
	if (k->applied)
		tables[n++] = k->applied;
	if (k->bridge)
		tables[n++] = k->bridge;
	r = nft_counters_open(-1, tables, n, &d->scrape.reading, err);
	if (forgotten)
		kernel_forget(k);
	return r;
}

static void read_counters(struct daemon *d)
{
	struct scrape *s = &d->scrape;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r;

	hits_begin(&s->hits);
	if (!kernel_has_table(&d->kernel)) {
		hits_end(&s->hits);
		answer(d);
		return;
	}
	r = open_counters(d, &err);
	if (r < 0) {
		failed(d, error_text(&err));
		return;
	}
	s->on_counters = (struct loop_source) {.fd = nft_counters_fd(s->reading),
					       .events = POLLIN,
					       .ready = counters_ready,
					       .data = d};
	loop_add(&d->loop, &s->on_counters);
	s->began_ms = loop_now();
	loop_timer_set(&s->patience, PATIENCE_MS);
}

void daemon_scrape_read(struct daemon *d)
{
	if (!d->scrape.reading && loop_now() >= d->scrape.next_ms)
		read_counters(d);
}

/* ---- the server ---- */

static void text_wanted(void *data)
{
	struct daemon *d = data;

	d->scrape.wanted = true;
	if (d->scrape.reading)
		return;
	if (loop_now() < d->scrape.next_ms)
		answer(d);
	else
		read_counters(d);
}

static void serve(struct daemon *d)
{
	struct scrape *s = &d->scrape;
	int wait;

	metrics_server_dispatch(s->server);
	wait = metrics_server_wait(s->server);
	s->source.events = metrics_server_rests(s->server) ? 0 : POLLIN;
	if (wait < 0)
		loop_timer_clear(&s->timer);
	else
		loop_timer_set(&s->timer, (uint64_t)wait);
}

static void server_ready(void *data, short revents)
{
	(void)revents;
	serve(data);
}

static void server_due(void *data)
{
	serve(data);
}

static void close_server(struct daemon *d)
{
	struct scrape *s = &d->scrape;

	if (!s->server)
		return;
	stop_reading(d);
	s->wanted = false;
	loop_remove(&d->loop, &s->source);
	loop_timer_clear(&s->timer);
	metrics_server_close(s->server);
	s->server = NULL;
	/* Where its folder is not one of the daemon's own, the next start replaces it. */
	if (listen_path(s->where))
		unlink(listen_path(s->where));
}

static int open_server(struct daemon *d, const char *where, struct error *err)
{
	struct scrape *s = &d->scrape;
	int fd = -1;
	int r = listen_at("metrics", where, METRICS_CLIENTS_MAX, &fd, err);

	if (r == 0)
		r = metrics_server_open(fd, text_wanted, d, &s->server, err);
	if (r < 0)
		return r;
	s->source = (struct loop_source) {.fd = metrics_server_fd(s->server),
					  .events = POLLIN,
					  .ready = server_ready,
					  .data = d};
	loop_add(&d->loop, &s->source);
	return 0;
}

static void not_served(struct daemon *d, const char *where, const char *why)
{
	if (!d->scrape.error || strcmp(d->scrape.error, why))
		log_line(LOG_LEVEL_ERROR, "no metrics", "listen", where, "cause", why, NULL);
	daemon_note(&d->scrape.error, why);
}

void daemon_scrape_open(struct daemon *d)
{
	struct scrape *s = &d->scrape;
	CLEANUP_SETTINGS struct settings *settings = world_places(d->options);
	CLEANUP_ERROR struct error err = ERROR_INIT;

	s->timer = (struct loop_timer) {.expired = server_due, .data = d};
	s->patience = (struct loop_timer) {.expired = patience_over, .data = d};
	loop_add_timer(&d->loop, &s->timer);
	loop_add_timer(&d->loop, &s->patience);
	if (!settings->metrics)
		return;
	s->where = mem_strdup(settings->metrics);
	if (open_server(d, s->where, &err) < 0)
		not_served(d, s->where, error_text(&err));
}

void daemon_scrape_follow(struct daemon *d)
{
	struct scrape *s = &d->scrape;
	const char *wanted = d->world.settings ? d->world.settings->metrics : NULL;
	bool same = s->where && wanted && !strcmp(s->where, wanted);

	if (!wanted) {
		close_server(d);
		daemon_note(&s->error, NULL);
	} else if (!same || (!s->server && !s->error)) {
		not_served(d, wanted, "the setting takes effect at the next start");
	} else if (s->server) {
		daemon_note(&s->error, NULL);
	}
	/* So that what comes from now on is counted, whoever asks when. */
	if (s->server && !s->hits.began && !s->reading && kernel_has_table(&d->kernel))
		read_counters(d);
}

json_t *daemon_scrape_json(const struct daemon *d)
{
	const struct scrape *s = &d->scrape;

	return json_pack("{s:o, s:o, s:I}", "listen",
			 reconcile_json_text(s->server ? s->where : NULL), "error",
			 reconcile_json_text(s->error), "scrapes", (json_int_t)s->scrapes);
}

void daemon_scrape_done(struct daemon *d)
{
	struct scrape *s = &d->scrape;

	close_server(d);
	hits_done(&s->hits);
	free(s->where);
	free(s->error);
}
