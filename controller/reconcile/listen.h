/*
 * listen: sockets that clients come to.
 */
#pragma once

#include "quaywall/error.h"

/* Listens at PATH, non-blocking, with mode 0660 and, where it exists, the group `quaywall`; makes the folder of PATH
 * where it is missing. A socket that nobody listens on is replaced; -EADDRINUSE where somebody does. WHAT it is stands
 * before the errors' texts. */
int listen_unix(const char *what, const char *path, int backlog, int *ret_fd, struct error *err);

/* Listens at WHERE, "unix:PATH" or a numeric address and a port: "127.0.0.1:9469", "[::1]:9469". */
int listen_at(const char *what, const char *where, int backlog, int *ret_fd, struct error *err);

/* The path of "unix:PATH", or NULL. */
const char *listen_path(const char *where);
