/*
 * Any bytes as what the engine says: the first line names the document, as in tests/errors/engine.txt
 * (`containers [...]`). Never a crash; and whatever is accepted gives a model
 * that can be written as a snapshot, which reads back as the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "check_model.h"

#include "../../controller/docker/documents.h"
#include "../../controller/docker/inventory.h"
#include "../../controller/docker/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* PIECE becomes the inventory's. */
static void try_piece(struct model *piece)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_MODEL struct model *m = NULL;

	if (piece->nnetworks)
		inventory_put_network(v, piece, 1);
	else
		inventory_put_containers(v, piece, 1);
	m = inventory_model(v);
	check_model(m);
}

static void try_objects(bool network, const char *text, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *piece;
	int r = network ? documents_network("n", text, len, &piece, &err)
			: documents_containers("c", text, len, &piece, &err);

	if (r == 0)
		try_piece(piece);
}

static void try_version(const char *text, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_FREE char *id = NULL;
	struct version v = {0};

	version_read(text, len, false, &v, &err);
	version_done(&v);
	version_read_info(text, len, &id, &err);
}

static void try_lists(const char *text, size_t len)
{
	CLEANUP_INVENTORY struct inventory *v = inventory_new();
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model_label *labels;
	char **ids;
	size_t n;

	if (documents_network_ids("l", text, len, &ids, &n, &err) == 0) {
		inventory_keep_networks(v, ids, n, 1);
		documents_free_ids(ids, n);
	}
	if (documents_image("i", "abc", text, len, &labels, &n, &err) == 0)
		inventory_put_image(v, "abc", labels, n, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data, *space = memchr(text, ' ', len);
	size_t kind = space ? (size_t)(space - text) : 0;

	if (!space)
		return 0;
	len -= kind + 1;
	space++;
	if (kind == 10 && !memcmp(text, "containers", kind))
		try_objects(false, space, len);
	else if (kind == 7 && !memcmp(text, "network", kind))
		try_objects(true, space, len);
	else if (kind == 7 && !memcmp(text, "version", kind))
		try_version(space, len);
	else
		try_lists(space, len);
	return 0;
}
