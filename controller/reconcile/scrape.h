/*
 * scrape: what a client of the metrics gets, and when.
 *
 * The socket is opened before the daemon gives up its rights, so another address takes the next start. A scrape reads the
 * kernel's counters, a piece in each turn of the loop; it never waits for them longer than PATIENCE, and without them
 * tells what they were.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "quaywall/metrics.h"
#include "quaywall/nft.h"
#include "hits.h"
#include "loop.h"

struct scrape {
	struct metrics_server *server; /* NULL: none */
	char *where;		       /* it listens, or was to; NULL: it never was to */
	char *error;		       /* why it does not, though it is to */
	struct loop_source source;
	struct loop_timer timer;

	struct nft_counters *reading; /* that goes on */
	struct loop_source on_counters;
	struct loop_timer patience;
	uint64_t began_ms, next_ms; /* when it began; before when none begins */
	bool wanted;		    /* somebody waits for the text */

	struct hits hits;
	uint64_t scrapes, failures;	   /* failures: of reading counters */
	struct metrics_durations applying; /* from waking up to the acknowledged transaction */
};
