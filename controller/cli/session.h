/*
 * session: the SSH session from which this program was called.
 */
#pragma once

#include <jansson.h>

#include "quaywall/compile.h"

/* SSH_CONNECTION of this process, or of the next ancestor that has it: sudo and su leave it out. The caller frees;
 * NULL: there is none, or it is not to be read. */
char *session_connection(void);

/* What reconcile_session_warnings() says of this session and of all that conntrack knows, as far as it may be read. */
json_t *session_warnings(const struct compiled *c, const struct model *m);

/* A line for each on standard error. */
void session_print(const json_t *warnings);
