/*
 * alert: what in refused packets and new flows an administrator must hear of: port scans, floods of refusals and spoofed
 * frames of one container, flows that were never seen while the host was learned.
 *
 * Pure, and the clock is the caller's. Each kind is told once for each source; again only after it was quiet, or each
 * hour with the count; and all together at most so often, so that no flood of packets is one of alerts. Bounded: the
 * sources heard of longest ago are forgotten, those outside apart from containers, whose names nobody outside can
 * make up. It sees what the log's rate lets through, so its counts are at least so many, not exactly.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ALERT_NAME_SIZE	   192 /* longer names are cut, never inside a character */
#define ALERT_ADDRESS_SIZE 64
#define ALERT_PORTS_SIZE   32
#define ALERT_EXAMPLES	   5

#define ALERT_QUIET_S	     600  /* without an event: what comes then is new */
#define ALERT_AGAIN_S	     3600 /* what goes on is told again */
#define ALERT_A_MINUTE	     20	  /* alerts of all kinds and sources; more are counted */
#define ALERT_SOURCES	     128  /* containers, and as many others */
#define ALERT_SPOOFED_FRAMES 3	  /* frames within a minute; one may have been on its way */
#define ALERT_NEW_FLOWS	     10	  /* of one source are told one by one */
#define ALERT_TARGETS_MAX    1000 /* of alert_limits.scan */

enum alert_kind { ALERT_SCAN, ALERT_FLOOD, ALERT_SPOOFING, ALERT_NEW_FLOW, ALERT_KINDS };

/* "scan", "flood", "spoofing", "new-flow" */
const char *alert_kind_name(enum alert_kind kind);

struct alert_limit {
	uint32_t count; /* 0: off */
	uint32_t seconds;
};

struct alert_limits {
	struct alert_limit scan;  /* different targets of one source, at most ALERT_TARGETS_MAX */
	struct alert_limit flood; /* refusals of one container */
	bool spoofing;
};

enum alert_event_kind { ALERT_REFUSED, ALERT_SPOOFED, ALERT_PASSED_NEW };

/* What happened, by names. Texts may be long or NULL. */
struct alert_event {
	enum alert_event_kind kind;
	bool inside; /* `from` is a container */
	const char *from, *from_address, *to, *to_address;
	const char *ports; /* "22/tcp", "icmp", "arp" */
	uint64_t ms;	   /* of a clock that nobody sets */
	time_t at;
};

/* One end of a flow, and how it was to be reached. */
struct alert_target {
	char name[ALERT_NAME_SIZE], address[ALERT_ADDRESS_SIZE], ports[ALERT_PORTS_SIZE];
};

struct alert {
	enum alert_kind kind;
	bool again; /* it was told before and goes on */
	bool inside;
	char from[ALERT_NAME_SIZE], from_address[ALERT_ADDRESS_SIZE];
	struct alert_target to; /* of the last event */
	uint64_t count;		/* events of this source and kind since `first` */
	uint32_t seconds;	/* within which the limit was reached; 0: there is none */
	uint32_t different;	/* ALERT_SCAN: targets in that time, as far as they are counted */
	time_t first, last;
	struct alert_target examples[ALERT_EXAMPLES]; /* the first different ones */
	size_t nexamples;
};

struct alert_table;

struct alert_table *alert_table_new(const struct alert_limits *limits);
void alert_table_free(struct alert_table *t);

/* Calls RAISE for each alert that EVENT makes. */
void alert_take(struct alert_table *t, const struct alert_event *event,
		void (*raise)(void *data, const struct alert *alert), void *data);

/* How many were kept back by ALERT_A_MINUTE: each is told with its source's next event, or never. */
uint64_t alert_suppressed(const struct alert_table *t);

static inline void alert_table_cleanup(struct alert_table **t)
{
	alert_table_free(*t);
}

#define CLEANUP_ALERT_TABLE __attribute__((cleanup(alert_table_cleanup)))
