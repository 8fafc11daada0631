/* checking: the findings of now, and when the checks are made again. */
#pragma once

#include <stdint.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/check.h"
#include "checker.h"
#include "loop.h"

struct checking {
	struct host_diag *diag;	 /* NULL: the host is not asked */
	bool behind;		 /* the engine was not asked about containers that came meanwhile */
	struct checker *checker; /* that runs; NULL: none */
	struct loop_source source;
	struct loop_timer due;
	bool wanted;	  /* what is in force is not what was looked at */
	uint64_t started; /* of the one that runs, ms */
	uint64_t rest_until, posture_rest_until;
	uint64_t asked_at;   /* when the engine was asked last, ms; 0: never */
	uint64_t containers; /* which there were then */
	char *posture;	     /* as checker_result has it; NULL: none yet */
	json_t *overlay;     /* as checker_result has it */

	struct check_report report;
	struct check_report
		unsure; /* findings that are not there any more, and may be: they could not be looked at */
	char *answer; /* of it, as checker_result has it */
	time_t at;    /* of the report; 0: there is none yet */
	char *error;
};
