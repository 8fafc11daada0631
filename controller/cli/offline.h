/*
 * offline: settings, policies and a model for the verbs that ask no daemon.
 */
#pragma once

#include <stdbool.h>
#include <jansson.h>

#include "quaywall/compile.h"
#include "quaywall/error.h"
#include "quaywall/model.h"
#include "quaywall/policy.h"
#include "arguments.h"

struct offline {
	struct policy_problems problems;
	struct settings *settings;
	struct policy_set *policies;
	struct model *model;
	struct compiled *compiled;
};

/* Reads settings and policies (the operands' files where A has some and TAKES_FILES). Returns an
 * exit code; with QUAYWALL_USAGE the problems say why, or ERR where there are none. */
int offline_load(struct offline *o, const struct arguments *a, bool takes_files, struct error *err);

/* Reads the model from the snapshot or the engine. HERE: with this host's interfaces, which the
 * engine has to fit; else a snapshot's own stay. Returns an exit code. */
int offline_list(struct offline *o, const struct arguments *a, bool here, struct error *err);

/* The engine's and this host's, for the checks. What is not told is a gap of it, so it is never NULL; the caller owns it. */
json_t *offline_posture(const struct settings *s);

/* Compiles the three. Returns an exit code, as offline_load(). */
int offline_compile(struct offline *o);

/* All three, and prints the problems. Returns an exit code. */
int offline_world(struct offline *o, const struct arguments *a, bool here, struct error *err);

/* Prints the problems on standard error. */
void offline_print_problems(const struct offline *o);

void offline_done(struct offline *o);

#define CLEANUP_OFFLINE __attribute__((cleanup(offline_done)))
