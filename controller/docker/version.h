/*
 * version: who answers, and in which version to talk to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/error.h"

struct version {
	char *engine_name;    /* "Docker Engine" */
	char *engine_version; /* "20.10.24+dfsg1" */
	char *api_version;    /* to be spoken: "1.41" */
};

void version_done(struct version *v);

/* Reads the answer of GET /version; LIBPOD: Podman's header was there. -ENOTSUP for an engine that cannot
 * be governed or speaks no common version, -EPROTO for an answer that makes no sense. *RET is untouched
 * then. */
int version_read(const char *text, size_t len, bool libpod, struct version *ret, struct error *err);

/* Reads the answer of GET /info: the engine's ID, which the caller frees. -ENOTSUP: rootless. */
int version_read_info(const char *text, size_t len, char **ret_id, struct error *err);
