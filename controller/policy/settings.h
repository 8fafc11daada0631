/*
 * settings: readers of settings that are more than a word: the engine's address, paths, listeners.
 */
#pragma once

#include "internal.h"

/* `docker` (unix:///PATH, tcp://HOST:PORT, or {url: …, tls: …}) and `tls`. */
void docker_read(struct policy_problems *p, const struct node *root, struct settings *s);

/* The key KEY of MAP as a path; a relative one begins at the folder of FILE, the settings file, as in a
 * Compose file. *RET is replaced. */
void path_read(struct policy_problems *p, const struct node *map, const char *key, const char *file,
	       char **ret);

/* TEXT, a path, likewise; the caller frees. */
char *path_of(const char *text, const char *file);

/* `to` and `what` of LOG, the mapping `log`. */
void output_read(struct policy_problems *p, const struct node *log, struct settings *s);

/* `alert`. To be called once `flows` is read. */
void alert_read(struct policy_problems *p, const struct node *root, struct settings *s);

/* `check`, and what it filled in. */
void check_read(struct policy_problems *p, const struct node *root, struct settings *s);
void suppressions_free(struct settings *s);

/* `registries` and `image_age` of CHECK, the mapping `check`, and what they filled in. */
void check_images_read(struct policy_problems *p, const struct node *check, struct settings *s);
void registries_free(struct settings *s);

/* "30d", or "never", which is 0. *RET stays where it is neither. */
void days_read(struct policy_problems *p, const struct node *n, const char *label, uint32_t *ret);

/* "127.0.0.1:9469", "[::1]:9469" or "unix:/run/metrics.sock"; NULL on error. */
char *listen_read(struct policy_problems *p, const struct node *n);
