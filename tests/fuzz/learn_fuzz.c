/*
 * Any bytes as what is kept of who talked to whom. Never a crash; what is accepted reads back as the same.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "quaywall/learn.h"

#define PAIRS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct learn_table *t)
{
	struct learn_table *copy = NULL;
	json_t *once = learn_table_json(t), *twice;

	if (learn_table_read(once, PAIRS_MAX, &copy, NULL) < 0)
		abort();
	twice = learn_table_json(copy);
	if (!json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
	learn_table_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *j = json_loadb((const char *)data, len, 0, NULL);

	if (learn_table_read(j, PAIRS_MAX, &t, &err) == 0)
		check(t);
	json_decref(j);
	return 0;
}
