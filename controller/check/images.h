/*
 * images: how images are named, and which names of variables are those of secrets.
 */
#pragma once

#include <stdbool.h>

#include "quaywall/policy.h"

/* "registry.example.com/shop/web:1.2@sha256:…" */
struct reference {
	char *repository; /* with its registry: "docker.io/library/nginx" */
	char *tag;	  /* NULL: none */
	bool digest;	  /* it names the content, too */
};

/* As the engine reads TEXT: what names no registry is of docker.io. */
void reference_read(const char *text, struct reference *ret);
void reference_done(struct reference *r);

/* Whether S's `registries` has REPOSITORY, which is any text, or a folder that it is in. */
bool registries_have(const struct settings *s, const char *repository);

/* Whether NAME, of a variable, is that of a secret by its words. */
bool variable_is_secret(const char *name);

#define CLEANUP_REFERENCE __attribute__((cleanup(reference_done)))
