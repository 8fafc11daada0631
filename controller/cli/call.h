/*
 * call: asks the daemon over its control socket.
 */
#pragma once

#include <jansson.h>

#include "quaywall/error.h"
#include "arguments.h"

/* Where the daemon listens, by the options and the settings. The caller frees. Settings that are
 * wrong do not keep anyone from reaching the daemon: then it is the default. */
char *call_path(const struct arguments *a);

/* What the daemon's answer TEXT says: *RET is its "result" (the caller's), or NULL with the reason in ERR.
 * Returns its exit code. */
int call_read_answer(const char *text, size_t len, json_t **ret, struct error *err);

/* Sends REQUEST. *RET, to be closed by the caller, is where the answer comes from. Returns 0 or a negative errno. */
int call_stream(const struct arguments *a, const json_t *request, int *ret, struct error *err);

/* Sends REQUEST and waits for the answer: *RET is its "result" (the caller's), or NULL with the
 * reason in ERR. Returns its exit code. *RET_AWAY, which may be NULL, says that no daemon is there
 * at all. */
int call_daemon(const struct arguments *a, const json_t *request, json_t **ret, bool *ret_away,
		struct error *err);
