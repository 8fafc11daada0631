/*
 * verbs: one function for each, which returns the exit code, and how they say that something
 * failed.
 */
#pragma once

#include <jansson.h>

#include "quaywall/error.h"
#include "arguments.h"

int verb_run(const struct arguments *a);
int verb_validate(const struct arguments *a);
int verb_plan(const struct arguments *a);
int verb_status(const struct arguments *a);
int verb_explain(const struct arguments *a);
int verb_graph(const struct arguments *a);
int verb_check(const struct arguments *a);
int verb_watch(const struct arguments *a);
int verb_learn(const struct arguments *a);
int verb_reload(const struct arguments *a);
int verb_confirm(const struct arguments *a);
int verb_flush(const struct arguments *a);
int verb_snapshot(const struct arguments *a);
int verb_version(const struct arguments *a);

/* The daemon's answers as text. */
struct buf;
void status_print(const json_t *status, struct buf *out);
void explain_print(const json_t *answer, struct buf *out);

/* Prints "quaywall: TEXT" on standard error, where ERR has one, and returns CODE. */
int verb_fail(int code, const struct error *err);
