/*
 * plain: selectors that are made of plain values, read as the one container that they describe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/policy.h"

struct plain_label {
	char *key, *value;
};

/* Values; NULL where nothing is asked for. */
struct plain {
	char *name, *project, *service, *image, *network;
	bool names_project;	    /* also by `project: "*"`, which asks for nothing */
	struct plain_label *labels; /* sorted by key */
	size_t nlabels, cap;
};

/* Reads S, a selector of DOC with the project SCOPE (NULL for none). Returns false where S is more than
 * plain values (a glob, a `not`, a choice, two values for one key); RET is then to be freed, too. */
bool plain_read(const struct policy_document *doc, const struct selector *s, const char *scope,
		struct plain *ret);

bool plain_equal(const struct plain *a, const struct plain *b);

/* The one text that PATTERN matches; NULL where it is a glob. The caller frees. */
char *plain_text(const char *pattern);

/* GLOB without its wildcards, if it matches that ("shop-*": "shop-"); else NULL. The caller frees. */
char *plain_example(const char *glob);

void plain_done(struct plain *p);

#define CLEANUP_PLAIN __attribute__((cleanup(plain_done)))
