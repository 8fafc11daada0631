/*
 * arguments: the command line, checked against the table of options and the verb's own operands.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"
#include "quaywall/reconcile.h"

struct verb;

struct arguments {
	const struct verb *verb; /* NULL with --help alone */
	const char *config, *policies, *docker, *control, *snapshot, *output;
	const char *format, *traffic;
	const char *confirm; /* as it was written */
	unsigned confirm_s;  /* 0: not given */
	const char *time;    /* of `learn --for`, as it was written */
	unsigned time_s;     /* 0: not given */
	const char *project;
	const char *only, *skip, *fail_on; /* of `check` */
	const char *from, *to, *port, *policy, *last;
	unsigned last_n; /* of `last`; with `watch` alone */
	bool reset, json, once, debug, verbose, help, refused, follow, all, list;
	const char **operands; /* owned; the texts are argv's */
	size_t noperands;
};

/* Verbs as bits, for the options that only some take. */
enum verb_bit {
	VERB_RUN = 1u << 0,
	VERB_VALIDATE = 1u << 1,
	VERB_PLAN = 1u << 2,
	VERB_STATUS = 1u << 3,
	VERB_EXPLAIN = 1u << 4,
	VERB_RELOAD = 1u << 5,
	VERB_FLUSH = 1u << 6,
	VERB_SNAPSHOT = 1u << 7,
	VERB_VERSION = 1u << 8,
	VERB_CONFIRM = 1u << 9,
	VERB_GRAPH = 1u << 10,
	VERB_WATCH = 1u << 11,
	VERB_LEARN = 1u << 12,
	VERB_CHECK = 1u << 13,
	VERB_ANY = 0x3fff,
};

struct verb {
	const char *name;
	unsigned bit;	      /* enum verb_bit */
	size_t least, most;   /* operands */
	const char *operands; /* as the usage line has them */
	const char *help;     /* one line */
	const char *details;  /* what `quaywall VERB --help` adds, --json's keys among it */
	int (*run)(const struct arguments *a);
};

/* The table of verbs, ended by a name of NULL. */
extern const struct verb verbs[];

/* 0, or -EINVAL with what is wrong in ERR. RET is to be done in any case. */
int arguments_parse(int argc, char **argv, struct arguments *ret, struct error *err);
void arguments_done(struct arguments *a);

/* The lines of help on the options that VERB (NULL: none in particular) takes. */
struct buf;
void arguments_print_options(const struct verb *verb, struct buf *out);

/* What the daemon and the offline verbs need of them. */
struct reconcile_options arguments_options(const struct arguments *a);

#define CLEANUP_ARGUMENTS __attribute__((cleanup(arguments_done)))
