/*
 * Any bytes as what is kept of who talked to whom. Never a crash; what is accepted reads back as the same, and the policy
 * that is written of it is one.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "quaywall/learn.h"

#define PAIRS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As the daemon writes it: piece by piece. */
static json_t *print(const struct learn_table *t)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t i = 0;

	buf_str(&text, "{\"pairs\":[");
	while (i < learn_table_len(t))
		i = learn_table_print(t, i, 3, &text);
	buf_printf(&text, "],\"left_out\":%llu}", (unsigned long long)learn_table_left_out(t));
	return json_loadb(text.data, text.len, 0, NULL);
}

static void check_same(const struct learn_table *t)
{
	struct learn_table *copy = NULL;
	json_t *once = learn_table_json(t), *printed = print(t), *twice;

	if (learn_table_read(printed, PAIRS_MAX, &copy, NULL) < 0)
		abort();
	json_decref(printed);
	twice = learn_table_json(copy);
	if (!json_equal(once, twice))
		abort();
	json_decref(once);
	json_decref(twice);
	learn_table_free(copy);
}

static void check_policy(const struct learn_table *t, bool refused)
{
	CLEANUP_SETTINGS struct settings *settings = settings_new();
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct learn_wish wish = {.refused = refused};

	if (learn_policy_write(t, settings, m, &wish, &text, &err) == 0)
		return;
	fprintf(stderr, "%s\n", error_text(&err));
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *j = json_loadb((const char *)data, len, 0, NULL);

	if (learn_table_read(j, PAIRS_MAX, &t, &err) == 0) {
		check_same(t);
		check_policy(t, len % 2);
	}
	json_decref(j);
	return 0;
}
