/*
 * internal: sources, and for each kind of alert the episode that goes on.
 */
#pragma once

#include "quaywall/alert.h"

/* One kind of event of one source, from the first of them until it was quiet. */
struct episode {
	uint64_t count; /* 0: none goes on */
	time_t first, last;
	uint64_t last_ms;
	uint64_t began_ms; /* of the window that is counted now */
	uint32_t in_window;
	uint64_t told_ms;
	uint32_t told;		       /* alerts */
	bool suppressed;	       /* an alert of it was kept back and not told since */
	struct alert_target *examples; /* NULL, or ALERT_EXAMPLES */
	size_t nexamples;
};

/* A target that was tried. */
struct tried {
	uint64_t hash;
	uint64_t ms; /* last; 0: a free place */
};

struct source {
	uint64_t hash; /* of its name; 0: a free place */
	char name[ALERT_NAME_SIZE];
	uint64_t last_ms;
	struct tried *tried; /* NULL, or as many as the limit of a scan */
	struct episode episodes[ALERT_KINDS];
};

/* ---- source.c ---- */

/* FNV-1a, goes on from HASH; never 0. NULL is "". */
uint64_t source_hash(uint64_t hash, const char *text);
/* Copies TEXT (NULL: "") into DST of SIZE, cut between characters. */
void source_copy(char *dst, size_t size, const char *text);
/* The source NAME among N; where it is none of them, it takes the place of the one heard of longest ago. */
struct source *source_find(struct source *sources, size_t n, uint64_t hash, const char *name);
void source_done(struct source *s);
/* Notes that HASH was tried. Returns how many different ones were within LIMIT's time, at most its count. */
uint32_t source_try(struct source *s, const struct alert_limit *limit, uint64_t hash, uint64_t ms);

/* ---- episode.c ---- */

/* Counts EVENT in; what was quiet for long is another episode. */
void episode_add(struct episode *e, const struct alert_event *event);
/* The same for the limit of events in a time. Whether it is reached. */
bool episode_reaches(struct episode *e, const struct alert_limit *limit, uint64_t ms);
void episode_keep_example(struct episode *e, const struct alert_event *event);
/* Whether to tell, given that this episode is worth it: the first ATONCE times, then each hour. */
bool episode_is_due(const struct episode *e, uint32_t at_once, uint64_t ms);
void episode_done(struct episode *e);
