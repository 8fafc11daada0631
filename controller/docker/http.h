/*
 * http: GET requests to one engine, over its unix socket or TLS, many at a time in one thread.
 *
 * All transfers of a struct http are driven by http_turn() alone, so that a stream of events is drained
 * while other answers are waited for. Nothing else is spoken: no other method, no redirect, no proxy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/error.h"

#define HTTP_BODY_MAX (64u << 20) /* bytes of an answer */

struct http;

/* How a request ended. Strings stay http's and are good during the callback. */
struct http_reply {
	const char *path; /* as given to http_get(), without the version */
	int code;	  /* 0: there is an answer, of any status; else a negative errno */
	const char *why;  /* for code: what failed, in words */
	long status;	  /* 200, 404, ... */
	const char *body;
	size_t len;
	bool libpod; /* the answer carries Podman's own header */
};

/* Checks the URL and the TLS files' names. -EINVAL with the reason in ERR. No connection is made. */
int http_new(const struct docker_options *options, struct http **ret, struct error *err);
void http_free(struct http *h); /* drops what is under way, without callbacks; NULL is fine */

/* From now on requests begin with "/v" VERSION; NULL: with nothing. */
void http_set_version(struct http *h, const char *version);

/* Starts GET PATH; DONE is called once from http_turn(), at the latest after SECONDS. */
void http_get(struct http *h, const char *path, unsigned seconds,
	      void (*done)(void *data, const struct http_reply *reply), void *data);

struct http_stream {
	void (*begin)(void *data);				  /* status 200 has come */
	void (*chunk)(void *data, const char *bytes, size_t len); /* must start no request */
	void (*done)(void *data, const struct http_reply *reply); /* the stream ended or broke */
};

/* Starts GET PATH without a time limit; what comes is handed over piece by piece. */
void http_stream(struct http *h, const char *path, const struct http_stream *to, void *data);

/* Waits at most MS milliseconds for something to happen, and lets it happen. */
void http_turn(struct http *h, int ms);
void http_wakeup(struct http *h); /* ends a wait of http_turn(); from any thread */

/* Appends S as a part of a path or a query. */
void http_escape(const char *s, struct buf *out);

static inline void http_cleanup(struct http **h)
{
	http_free(*h);
}

#define CLEANUP_HTTP __attribute__((cleanup(http_cleanup)))
