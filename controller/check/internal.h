/*
 * internal: what the files of the check room share. A group of checks is a file: its rows of the catalogue, and one
 * function that makes them.
 */
#pragma once

#include "quaywall/check.h"

struct check_group {
	const char *name;
	const struct check *checks; /* by id; their group is this one */
	size_t len;
	void (*run)(const struct check_input *in, struct check_report *ret);
};

extern const struct check_group api_group;
extern const struct check_group bypass_group;
extern const struct check_group exposure_group;
extern const struct check_group host_group;
extern const struct check_group hygiene_group;
extern const struct check_group image_group;
extern const struct check_group logging_group;
extern const struct check_group overlay_group;
extern const struct check_group runtime_group;
extern const struct check_group secret_group;
extern const struct check_group swarm_group;

/* In the order in which they are listed. */
extern const struct check_group *const check_groups[];
extern const size_t check_ngroups;

/* And is done with adding: what comes behind is kept, too, but not compared with what was. */
void report_sort(struct check_report *r);

/* ---- the texts of a report, see texts.c ---- */

/* The one copy of S; it stays *TEXTS', which is made where it is NULL. NULL gives NULL. */
char *texts_keep(struct check_texts **texts, const char *s);
/* Frees what is needed to find a text again. T may be NULL. */
void texts_close(struct check_texts *t);
void texts_free(struct check_texts *t);

/* Marks what S suppresses; what of that is over, or names no check, is a finding of its own. */
void report_suppress(struct check_report *r, const struct settings *s, time_t now);

/* As check_report_add() with the severity of the catalogue; the texts are on the heap, and freed here. */
void report_take(struct check_report *r, const char *id, char *subject, char *evidence,
		 char *remedy);

/* "a, b, c and 4 more": what a text has room for. */
struct listing {
	struct buf text;
	size_t n;
};

#define LISTING_INIT                \
	{                           \
		.text = BUF_INIT, 0 \
	}

void listing_add(struct listing *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *listing_steal(struct listing *l); /* the caller frees; L is empty afterwards */

/* ---- reading a posture ---- */

/* A member of a member …: posture_get(p, "host", "sysctl", NULL). NULL where one is missing or null. */
const json_t *posture_get(const json_t *posture, ...) __attribute__((sentinel));
bool posture_lists(const json_t *list, const char *text);	  /* whether TEXT is in it */
const char *posture_text(const json_t *object, const char *key);  /* "" where it is none */
json_int_t posture_number(const json_t *object, const char *key); /* 0 where it is none */

/* Of the posture's containers those that run: also while they wait for a restart, or are paused. NULL after the
 * last; *AT begins at 0. */
const json_t *posture_next_container(const json_t *posture, size_t *at);

/* "shop/db (shop-db-1)", as model_container_title(). The caller frees. */
char *posture_title(const struct check_input *in, const json_t *container);

/* What MOUNT's source is called on the host. */
const char *posture_source(const json_t *mount);

/* The posture's images by id: an object that the caller owns. */
json_t *posture_images(const json_t *posture);

/* OBJECT's KEY, as the engine writes times. False: it is none. */
bool posture_time(const json_t *object, const char *key, time_t *ret);

/* Whether the engine's security options have NAME, and with VALUE ("profile=…") unless that is NULL. */
bool posture_secures(const json_t *posture, const char *name, const char *value);

/* Whether USER, as of `docker run -u`, is root. */
bool user_is_root(const char *user);

/* Whether root in a container is another user on the host, for those that do not ask for the host's. */
bool posture_remaps_users(const json_t *posture);

/* What the engine on this host was told as NAME, by its configuration or its command line: NULL where that says
 * nothing, or was not read; *RET_READ which of both. */
const json_t *posture_engine_option(const json_t *posture, const char *name, bool *ret_read);

/* That is on or off: 1, 0, or -1 where it is not set, or was not read. */
int posture_engine_switch(const json_t *posture, const char *name);

/* The engine in this network namespace whose options were read; NULL: there is none. Its options stand in "flags" {NAME:
 * [VALUE]} and "config" {NAME: VALUE}. */
const json_t *posture_engine_here(const json_t *posture);

/* What of PART the posture says that it could not read: a gap of GROUP's checks IDS (NULL: of all). */
void posture_tell_gaps(const json_t *posture, const char *part, const char *group, const char *ids,
		       struct check_report *ret);

/* Whether the posture has PART ("engine", "containers", "images", "swarm", "host"); what of it could not be read is a
 * gap of GROUP. */
bool posture_has(const json_t *posture, const char *part, const char *group,
		 struct check_report *ret);

/* Whether it is a Docker Engine before MAJOR: other engines' numbers mean something else. */
bool engine_is_before(const struct model *m, unsigned long major);

/* ---- capabilities, as `docker run --cap-add` names them ---- */

/* NAME without "CAP_", which engines before 28 keep or not, as it was written. */
const char *capability_bare_name(const char *name);
bool capability_is(const char *name, const char *which);

/* Whether every container has it. */
bool capability_is_usual(const char *name);

/* Whether LIST names it; "ALL" is a name of its own. */
bool capability_is_in(const json_t *list, const char *which);

/* Whether the posture's container has it: a privileged one has all, the others the usual ones, and what was added and
 * dropped. */
bool capability_of(const json_t *container, const char *which);
