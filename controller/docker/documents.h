/*
 * documents: the engine's answers, read into pieces of a model.
 *
 * Unknown fields are passed over; a field that is missing or of the wrong type is named in the error, with
 * -EPROTO. A piece is a struct model of its own, so that model_free() frees it.
 */
#pragma once

#include <stddef.h>

#include "quaywall/error.h"
#include "quaywall/model.h"

struct node;

/* GET /containers/json: the containers, sorted. SOURCE stands in messages. */
int documents_containers(const char *source, const char *text, size_t len, struct model **ret,
			 struct error *err);

/* GET /containers/ID/json: the published ports that its configuration names; one that the engine is to choose
 * is left out. The document must be that of ID. The caller frees *RET. */
int documents_bindings(const char *source, const char *id, const char *text, size_t len,
		       struct model_port **ret, size_t *ret_len, struct error *err);

/* GET /networks/ID: one network and its endpoints, sorted. Of their containers only the engine's key is
 * known here, which may be "lb-…", "ingress-sbox" or "ep-…", and no container's then. */
int documents_network(const char *source, const char *text, size_t len, struct model **ret,
		      struct error *err);

/* GET /networks: the ids alone, sorted (this list knows no endpoints). */
int documents_network_ids(const char *source, const char *text, size_t len, char ***ret,
			  size_t *ret_len, struct error *err);
void documents_free_ids(char **ids, size_t n);

/* The same: calls EACH with every network that is described well enough, without endpoints; the piece is EACH's. What
 * is no list has none. */
void documents_listed_networks(const char *text, size_t len,
			       void (*each)(void *data, struct model *piece), void *data);

/* GET /images/ID/json: the labels of the image's own configuration. The document must be that of ID: the body of an
 * error, which a proxy may hand on with the status 200, would be an image without labels. */
int documents_image(const char *source, const char *id, const char *text, size_t len,
		    struct model_label **ret, size_t *ret_len, struct error *err);

/* Whether the document N names itself ID. */
int documents_check_id(const struct node *n, const char *id, struct error *err);
