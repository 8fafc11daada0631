/*
 * check: what is exposed, what can walk round the policy, and what in the set-up undermines it.
 *
 * Pure. What is judged is handed in: the compiled policies with their model, and the posture: JSON documents of the
 * engine and of the host, with everything left out that is secret or that no check reads. A posture can be recorded and
 * judged elsewhere, as a snapshot can. What a posture does not hold is not judged, and said so: a check that could
 * not be made is never passed in silence.
 *
 * Every check has a row in one catalogue: its id stays the same for good.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/policy.h"

enum check_severity { CHECK_INFO, CHECK_LOW, CHECK_MEDIUM, CHECK_HIGH, CHECK_CRITICAL };
#define CHECK_SEVERITIES 5

/* "info" … "critical". */
const char *check_severity_name(enum check_severity s);
bool check_severity_parse(const char *text, enum check_severity *ret);

/* ---- the catalogue ---- */

struct check {
	const char *id; /* "published-database": lower case, words by '-' */
	const char *
		group; /* "overlay", "exposure", "bypass", "hygiene", "image", "runtime", "secret", "host", "api",
			    * "logging", "swarm" */
	enum check_severity severity; /* of most of its findings; a finding may have another */
	const char *title;	      /* what is wrong, without whom: one line */
	const char *why;	      /* why it matters, one sentence */
	const char *source; /* where that is from: a document's name or address; or NULL */
};

/* Calls EACH for all of them, by group and id. */
void check_each(void (*each)(const struct check *check, void *data), void *data);
const struct check *check_find(const char *id); /* NULL: there is none */

/* LIST is what `--only` and `--skip` take: ids and groups, by commas. -EINVAL with the first that is neither in ERR. */
int check_list_parse(const char *list, struct error *err);
/* Whether it names the check ID of GROUP. ID may be NULL: whether it names all of the group. */
bool check_list_has(const char *list, const char *group, const char *id);

/* ---- findings ---- */

/* The texts are the report's, which has each of them once. */
struct check_finding {
	const struct check *check;
	enum check_severity severity;
	char *subject; /* by the name that people use: "shop/db (shop-db-1)", "network shop_back", "host" */
	char *evidence;	  /* what was read, and where */
	char *remedy;	  /* the command or the YAML to use */
	char *suppressed; /* the reason that the settings give; NULL: none */
};

/* What could not be looked at, and why. */
struct check_gap {
	const char *group;
	char *ids; /* which of its checks, by commas; NULL: all */
	char *why;
};

struct check_texts;

struct check_report {
	struct check_texts *texts; /* of the findings; NULL: there are none */
	struct {
		struct check_finding *items; /* worst first, then by id and subject */
		size_t len, cap;
	} findings;
	struct {
		struct check_gap *items;
		size_t len, cap;
	} gaps;
};

void check_report_done(struct check_report *r);

/* Copies its texts. */
void check_report_add(struct check_report *r, const char *id, enum check_severity severity,
		      const char *subject, const char *evidence, const char *remedy);
void check_report_gap(struct check_report *r, const char *group, const char *why);
/* Of the group's checks IDS, by commas, alone; NULL: of all. */
void check_report_gap_of(struct check_report *r, const char *group, const char *ids,
			 const char *why);

/* Whether it could not be looked at, so that a finding of CHECK that is not there any more may still be. */
bool check_report_has_gap(const struct check_report *r, const struct check *check);

/* Calls EACH for the findings of NOW that BEFORE had not, in the order of NOW, and then for those that have gone; for none
 * that is suppressed. What is not there any more and could not be looked at goes to UNSURE, which is kept from one call
 * to the next (empty at first): it is told as gone once it can be. */
void check_report_changes(const struct check_report *before, const struct check_report *now,
			  struct check_report *unsure,
			  void (*each)(const struct check_finding *f, bool appeared, void *data),
			  void *data);

/* ---- the posture ---- */

/*
 * {"version": 1, "engine": {…} or null, "containers": [{…}], "images": [{…}], "swarm": {…} or null, "host": {…} or null}
 *
 * "engine", "containers", "images" and "swarm" are made by the docker room (docker_posture()), which says there what it
 * takes over of the engine's documents; "host" by the host room (host_posture()). A part that could not be read is
 * null, with "gaps": [{"part", "why"}].
 *
 * "hits" is what a daemon knows of rules (reconcile_rule_hits()): {"rules": [{"policy", "rule" (policy_rule_key(), 16 hex digits; all 0: no rule, but audit mode, of "" the defaults'),
 * "since", "last" (seconds of the epoch; 0: never), "watched" (seconds without a hit in which somebody looked), "counted"}] or null, "why"
 * (it is null)}. "flows" is who talked to whom (reconcile_seen_flows()): a document of learn_table_read(), with "followed" (seconds
 * in which flows that passed were followed) and "since" (that it was begun), or {"why": it is not there}.
 */

/* Of what docker_posture() and host_posture() gave, the parts of both and the gaps of both. DOCKER may be NULL, for the
 * reason DOCKER_ERROR (or NULL), HOST NULL where it was not read. The caller owns the result and keeps its own. */
json_t *check_posture(const json_t *docker, const char *docker_error, const json_t *host);

/* One of which nothing is known, for the reason WHY. The caller owns it. */
json_t *check_posture_without(const char *why);

struct check_input {
	const struct compiled
		*compiled; /* with settings, policies and model; of an engine that was listed */
	const json_t *posture;
	time_t now;
};

/* Makes every check, and marks what the settings suppress; RET is empty before. */
void check_run(const struct check_input *in, struct check_report *ret);

/* [{"id", "group", "severity", "title", "subject", "evidence", "why", "remedy", "suppressed"}] */
json_t *check_report_json(const struct check_report *r);

/* How many findings have each severity, without those that are suppressed. */
void check_report_count(const struct check_report *r, size_t ret[static CHECK_SEVERITIES]);

/* What `quaywall check --json` prints: {"version": 1, "checked": TIME, "counts": {SEVERITY: N}, "suppressed": N,
 * "findings": check_report_json(), "not_checked": [{"group", "checks": [ID] or null for all, "why"}]}. AT is CLOCK_REALTIME. */
json_t *check_report_answer(const struct check_report *r, time_t at);

#define CLEANUP_CHECK_REPORT __attribute__((cleanup(check_report_done)))
