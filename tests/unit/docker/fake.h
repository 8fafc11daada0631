/*
 * fake: an engine of a few lines, on a unix socket, for tests.
 *
 * It holds containers, networks and images as JSON text, answers what the real one would, and says what it
 * is told to on the event stream. Single answers can be replaced by any bytes, or held back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fake;

/* An engine of version 20.10 without any object. */
struct fake *fake_new(void);
void fake_free(struct fake *f); /* also ends its threads */
const char *fake_url(const struct fake *f);

/* JSON NULL: the object goes. It must have "Id": ID. Nothing is announced. */
void fake_container(struct fake *f, const char *id, const char *json);
void fake_network(struct fake *f, const char *id, const char *json);
void fake_image(struct fake *f, const char *id, const char *json);

/* From now on the answer to PATH (without version and query; "/containers/json?one" is the filtered list)
 * has the STATUS ("200 OK", perhaps with headers behind "\r\n") and BODY; STATUS NULL: as usual again. */
void fake_answer(struct fake *f, const char *path, const char *status, const char *body);
#define FAKE_HANG     "", "" /* none ever comes */
#define FAKE_500      "500 Oops", "{\"message\": \"no luck\"}"
#define FAKE_AS_USUAL NULL, NULL

/* A whole line on the stream of events, or RAW bytes within its chunked body. Waits for a subscriber. False:
 * it could not be written within ten seconds. */
bool fake_event(struct fake *f, const char *line);
bool fake_event_bytes(struct fake *f, const char *bytes, size_t len);
/* Breaks every connection, as an engine that ends. */
void fake_cut(struct fake *f);

/* How often PATH was asked, and the newest request's whole path. */
unsigned fake_asked(struct fake *f, const char *path);
bool fake_was_asked_as(struct fake *f, const char *whole);
