/*
 * webhook: sends JSON to an address of the administrator's by HTTP POST, one after the other, by a thread of its own.
 *
 * What cannot be delivered is tried again with growing rests, and dropped in the end; while it is, at most
 * WEBHOOK_WAITING wait, and what comes then is dropped. Certificates are verified, no redirection is followed, and
 * nothing of the address but scheme, host and port is ever told: the rest may be a password.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "quaywall/error.h"

#define WEBHOOK_WAITING 64
#define WEBHOOK_TRIES	8 /* of one message, within some two minutes and what each takes */

struct webhook;

struct webhook_state {
	uint64_t sent, dropped;
	size_t waiting; /* the one that is tried counted */
	char *error;	/* why the last try failed; NULL: it did not. To be freed */
};

/* URL: http or https. TROUBLE (may be NULL) is called from the thread when deliveries begin to fail. To be called by the
 * thread that starts the others: libcurl is set up here. */
int webhook_open(const char *url, void (*trouble)(const char *why), struct webhook **ret,
		 struct error *err);
/* Drops what waits, and ends within a second or two. NULL is fine. */
void webhook_close(struct webhook *w);

void webhook_send(struct webhook *w, const char *body);
void webhook_state(struct webhook *w, struct webhook_state *ret);

/* "https://hooks.example.org:8443"; to be freed. */
char *webhook_place(const char *url);
