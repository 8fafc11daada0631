/*
 * check: the forms of the daemon's findings. Each takes the answer of check_report_answer(), already cut down to what
 * was asked for.
 */
#pragma once

#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/check.h"

struct check_wish {
	const char *only, *skip; /* lists of check_list_parse(); NULL: none */
	int fail_on;		 /* an enum check_severity; above all: never */
	bool verbose;
};

/* Whether the check, or with an ID of NULL the whole group, is asked for. */
bool check_is_wanted(const struct check_wish *w, const char *group, const char *id);
/* Its severity; one that is not known is the highest. */
enum check_severity check_severity_of(const json_t *finding);
bool check_is_suppressed(const json_t *finding);
/* Whether it makes `check` end with 1. */
bool check_fails(const struct check_wish *w, const json_t *finding);

/* TEXT on one line. */
void check_add_line(struct buf *out, const char *text);

void check_text(const json_t *answer, const struct check_wish *w, struct buf *out);
void check_sarif(const json_t *answer, const struct check_wish *w, struct buf *out);
void check_junit(const json_t *answer, const struct check_wish *w, struct buf *out);

/* The catalogue, as far as it is asked for. */
void check_list_text(const struct check_wish *w, struct buf *out);
json_t *check_list_json(const struct check_wish *w);
