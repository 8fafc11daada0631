/*
 * metrics: Prometheus' text format, and the HTTP server that a scrape asks.
 *
 * The server has no thread: its fd is readable, or its time is over, when metrics_server_dispatch() has something to do,
 * which never waits. Clients are few, get little memory and little time. The text is asked for when a client comes and
 * none is fresh, may come later, and is then good for a second for whoever asks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"

/* ---- text ---- */

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_label {
	const char *name;
	const char *value; /* any bytes; NULL is "" */
};

/* Begins a metric: the lines HELP and TYPE. Its samples follow, before another begins. */
void metrics_begin(struct buf *out, const char *name, enum metrics_type type, const char *help);
/* A sample; what is no UTF-8 in a label's value becomes U+FFFD. */
void metrics_count(struct buf *out, const char *name, const struct metrics_label *labels, size_t n,
		   uint64_t value);
void metrics_number(struct buf *out, const char *name, const struct metrics_label *labels, size_t n,
		    double value);

/* ---- durations ---- */

#define METRICS_BUCKETS 14

/* How long something took: fixed buckets from 50 us to 2.5 s. All 0 is an empty one. */
struct metrics_durations {
	uint64_t counts[METRICS_BUCKETS + 1]; /* each its own, the last beyond all bounds */
	uint64_t sum_us;
};

void metrics_observe(struct metrics_durations *d, uint64_t took_us);
/* The samples of a histogram in seconds, behind metrics_begin(). */
void metrics_durations_print(struct buf *out, const char *name, const struct metrics_durations *d);

/* ---- the server ---- */

#define METRICS_CLIENTS_MAX 16

struct metrics_server;

/* Serves GET /metrics on LISTENER, a listening non-blocking socket that becomes the server's also where it fails.
 * WANTED is called from metrics_server_dispatch() when a text is needed: metrics_server_answer() is to follow, at once
 * or later. -ENOTSUP: built without. */
int metrics_server_open(int listener, void (*wanted)(void *data), void *data,
			struct metrics_server **ret, struct error *err);
void metrics_server_close(struct metrics_server *s);

int metrics_server_fd(const struct metrics_server *s);
/* To be called when the fd is readable, or after metrics_server_wait(). */
void metrics_server_dispatch(struct metrics_server *s);
/* ms until dispatch is to be called anyway; -1: only when the fd is readable. */
int metrics_server_wait(const struct metrics_server *s);
/* Until the wait is over the fd is not to be polled: it would not stop to be readable. */
bool metrics_server_rests(const struct metrics_server *s);

/* The text that was wanted, for all who wait. */
void metrics_server_answer(struct metrics_server *s, const struct buf *text);

static inline void metrics_server_cleanup(struct metrics_server **s)
{
	metrics_server_close(*s);
}

#define CLEANUP_METRICS_SERVER __attribute__((cleanup(metrics_server_cleanup)))
