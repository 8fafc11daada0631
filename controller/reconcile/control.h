/*
 * control: the server's side of the control socket. One request, one answer per connection; or, where the
 * request asks for it, a stream of lines until the client goes.
 *
 * Everything is non-blocking: a client that is slow, sends too much or never reads only loses its
 * own connection, and one with a stream what came while it did not read.
 */
#pragma once

#include <sys/types.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"
#include "loop.h"

#define CONTROL_CLIENTS_MAX 16
#define CONTROL_STREAMS_MAX 8
#define CONTROL_STREAM_SIZE 1048576 /* what waits for one client at most */

struct control_client;

struct control {
	struct loop *loop;
	/* Answers REQUEST of the process of UID; the result is the caller's. */
	json_t *(*answer)(void *data, const json_t *request, uid_t uid);
	/* Which kinds of lines REQUEST asks for, as bits; 0: it asks for no stream. What that begins with: lines, into
	 * BEGINNING. NULL: none does. */
	unsigned (*streams)(void *data, const json_t *request, struct buf *beginning);
	/* Appends to ANSWER, without its end, the line that answers REQUEST, where it is at hand: a long one is not to be
	 * made for each who asks. False: it is not, and nothing was appended. NULL: none ever is. */
	bool (*prepared)(void *data, const json_t *request, struct buf *answer);
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

/* LINE, without its end, goes to every client with a stream of one of KINDS. One that has too much waiting gets, once
 * it reads again, {"event": "skipped", "lines": N} in the place of those that it missed. */
void control_tell(struct control *c, unsigned kinds, const char *line);
/* Whether somebody has a stream of one of KINDS. */
bool control_has_streams(const struct control *c, unsigned kinds);
