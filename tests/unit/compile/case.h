/*
 * case: what the tests of the room's checks share: policies as YAML and a model as a snapshot, compiled.
 */
#pragma once

#include "quaywall/compile.h"

struct test_case {
	struct settings *settings;
	struct policy_set *policies;
	struct model *model;
	struct compiled *compiled;
	struct policy_problems problems;
	char *text; /* what case_problems() gave */
};

/*
 * The host of most tests. Project shop: web (w1, w2) on front and back, db (db-1) on back, worker (k1)
 * on back; project blog: web (b1) on blog; no project: grafana on bridge. web publishes 443 and, on
 * 127.0.0.1, 9000.
 */
extern const char case_shop[];

/* Reads SETTINGS (NULL: the defaults) and YAML, the file "p.yaml", and compiles them over SNAPSHOT; NULL:
 * over an invented model. Fails the test where that is not possible. */
void case_load(struct test_case *t, const char *settings, const char *yaml, const char *snapshot);

/* The problems as text, until the next call. */
const char *case_problems(struct test_case *t);

void case_done(struct test_case *t);
