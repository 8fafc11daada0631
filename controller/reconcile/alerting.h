/* alerting: the detector of the settings in force, and where its alerts go. */
#pragma once

#include <stdint.h>
#include <jansson.h>

#include "quaywall/alert.h"
#include "webhook.h"

#define ALERTS_LAST 16 /* how many `status` has */

struct alerting {
	struct alert_table *table; /* NULL before the first settings */
	struct alert_limits limits;
	uint64_t raised[ALERT_KINDS];
	uint64_t suppressed;	   /* by tables of before */
	json_t *last[ALERTS_LAST]; /* a ring, from NEXT on the oldest; NULL: not that many yet */
	size_t next;

	struct webhook *webhook; /* NULL: none */
	char *url;		 /* as it was opened: a secret */
	char *webhook_error;	 /* why there is none */
};
