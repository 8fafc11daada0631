/*
 * Any bytes as what is kept of when rules were hit. Never a crash; what is accepted reads back as the same.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../controller/reconcile/last_hits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_same(const struct last_hits *l)
{
	struct last_hits copy = {.items = NULL};
	json_t *once = last_hits_json(l), *twice;

	if (last_hits_read(once, &copy, NULL) < 0)
		abort();
	twice = last_hits_json(&copy);
	if (!json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
	last_hits_done(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct last_hits l = {.items = NULL};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *j = json_loadb((const char *)data, len, 0, NULL);

	if (last_hits_read(j, &l, &err) == 0)
		check_same(&l);
	last_hits_done(&l);
	json_decref(j);
	return 0;
}
