/*
 * control: the server's side of the control socket. One request, one answer per connection.
 *
 * Everything is non-blocking: a client that is slow, sends too much or never reads only loses its
 * own connection.
 */
#pragma once

#include <sys/types.h>
#include <jansson.h>

#include "quaywall/error.h"
#include "loop.h"

#define CONTROL_CLIENTS_MAX 16

struct control_client;

struct control {
	struct loop *loop;
	/* Answers REQUEST of the process of UID; the result is the caller's. */
	json_t *(*answer)(void *data, const json_t *request, uid_t uid);
	void *data;
	char *path; /* NULL while closed */
	struct loop_source listener;
	struct loop_timer rest; /* until when nobody is let in, for want of descriptors */
	struct control_client *clients[CONTROL_CLIENTS_MAX];
};

/* Listens at PATH with mode 0660 and, where it exists, the group `quaywall`. -EADDRINUSE where a
 * living daemon answers there; a socket that nobody listens on is replaced. `loop`, `answer` and
 * `data` are set before. */
int control_open(struct control *c, const char *path, struct error *err);
void control_close(struct control *c); /* and removes the socket */
