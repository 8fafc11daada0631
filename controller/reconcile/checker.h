/*
 * checker: one run of the checks, in a thread of its own with copies of all it needs: a host of thousands of ports
 * takes its time, and so does an engine that is asked for its set-up. The loop never waits for it.
 */
#pragma once

#include <stdint.h>
#include <jansson.h>

#include "quaywall/check.h"
#include "quaywall/error.h"
#include "quaywall/host.h"
#include "quaywall/reconcile.h"
#include "sources.h"

struct checker;

/* What is judged. All of it becomes the checker's, but OPTIONS and DIAG, which stay as they are. */
struct checker_input {
	const struct reconcile_options *options;
	struct sources *sources;
	struct model *model;
	char *posture;		/* of before, as checker_result has it; NULL: there is none */
	bool asks;		/* for a new one */
	struct host_diag *diag; /* for that; may be NULL */
	char *state_folder;
	uint64_t followed; /* s: for how long flows were followed */
};

struct checker_result {
	struct check_report report;
	time_t at;    /* CLOCK_REALTIME, at the end */
	char *answer; /* check_report_answer() as text */
	/* The new one; where it could not be had, that of before, or one of gaps. As text: of thousands of containers
	 * the objects take many times as much, and they rest until the next run. */
	char *posture;
	json_t *overlay;     /* overlay_series(), where there is an overlay network; or NULL */
	bool asked;	     /* and it was had */
	uint64_t posture_us; /* that took */
	uint64_t took_us;    /* the rest */
};

/* Starts. -errno, and the input is freed, where there can be no thread. */
int checker_start(struct checker_input *in, struct checker **ret, struct error *err);
int checker_fd(const struct checker *c); /* readable once it is done */
/* What came of it; the caller is to be done with it. Frees the checker. To be called once it is done. */
void checker_take(struct checker *c, struct checker_result *ret);
/* At the end of the process: waits a moment. One that an engine holds up is left to itself, with what it uses: false. */
bool checker_stop(struct checker *c);

void checker_result_done(struct checker_result *r);
