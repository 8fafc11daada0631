/*
 * inventory: what the engine said last of each network, container and image, and the model made of it.
 *
 * Answers can overtake each other: each carries the instant ASKED at which its request was sent (a
 * counter), and one that was asked earlier than what is held changes nothing. Every `put` and `drop`
 * says whether the model is another one afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/model.h"

struct inventory;

struct inventory *inventory_new(void);
void inventory_free(struct inventory *v);

/* Takes the images that FROM knows, from one session to the next. */
void inventory_take_images(struct inventory *v, struct inventory *from);

/* They take the ownership of PIECE (see documents.h). */
bool inventory_put_network(struct inventory *v, struct model *piece, uint64_t asked);
/* The same for a network of which nothing is held, as one without endpoints. */
bool inventory_put_listed_network(struct inventory *v, struct model *piece, uint64_t asked);
bool inventory_put_containers(struct inventory *v, struct model *piece, uint64_t asked);
bool inventory_drop_network(struct inventory *v, const char *id, uint64_t asked);
bool inventory_drop_container(struct inventory *v, const char *id, uint64_t asked);
/* Forgets which ones are gone; no answer to what was asked for before ASKED comes any more. */
void inventory_sweep_containers(struct inventory *v, uint64_t asked);

/* Drops those whose id is not in IDS (sorted by strcmp), unless asked for later than ASKED. */
bool inventory_keep_networks(struct inventory *v, char *const *ids, size_t n, uint64_t asked);
/* Drops those that no answer as late as ASKED contained. */
bool inventory_keep_containers(struct inventory *v, uint64_t asked);

/* The endpoint of CONTAINER in NETWORK has gone, whatever its id was: for an event that says so at ASKED,
 * before an answer confirms it. */
bool inventory_detach(struct inventory *v, const char *network, const char *container,
		      uint64_t asked);

/* Takes the ownership of LABELS. */
bool inventory_put_image(struct inventory *v, const char *id, struct model_label *labels, size_t n,
			 uint64_t asked);
/* The engine does not know the image, or cannot tell of it. No label of its containers counts as one that was given
 * at their start then, unless the image was known before: an image's labels never change under its id. */
bool inventory_miss_image(struct inventory *v, const char *id);

/* The ports that the configuration of the container ID names, until the engine lists them. Takes the
 * ownership of PORTS. */
bool inventory_put_bindings(struct inventory *v, const char *id, struct model_port *ports,
			    size_t n);
/* Calls EACH for every container that does not run and of which they are not known. */
void inventory_missing_bindings(struct inventory *v, void (*each)(void *data, const char *id),
				void *data);

/* Calls EACH for every image that a container uses and whose labels are not known. */
void inventory_missing_images(struct inventory *v, void (*each)(void *data, const char *id),
			      void *data);
/* Calls EACH for up to MAX known images, those first that were read longest ago: an answer may have been wrong. */
void inventory_oldest_images(const struct inventory *v, size_t max,
			     void (*each)(void *data, const char *id), void *data);
/* Forgets images that nobody uses, and those that the engine did not know. */
void inventory_prune_images(struct inventory *v);

/* Calls EACH for every network in which CONTAINER has an endpoint. */
void inventory_networks_of(const struct inventory *v, const char *container,
			   void (*each)(void *data, const char *id), void *data);
/* Calls EACH for every container that has an endpoint in NETWORK and is not known itself. */
void inventory_missing_containers(const struct inventory *v, const char *network,
				  void (*each)(void *data, const char *id), void *data);

/* Whether it is known of every endpoint in NETWORK whose it is. */
bool inventory_knows_all_in(struct inventory *v, const char *network);

bool inventory_has_network(const struct inventory *v, const char *id);
const char *inventory_network_named(const struct inventory *v, const char *name); /* id, or NULL */

/* A model of all that is held, without the engine's own fields. The caller frees. */
struct model *inventory_model(struct inventory *v);

static inline void inventory_cleanup(struct inventory **v)
{
	inventory_free(*v);
}

#define CLEANUP_INVENTORY __attribute__((cleanup(inventory_cleanup)))
