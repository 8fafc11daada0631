#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../../controller/ruleset/store.h"

static void test_what_is_kept_stays_in_its_place(void **state)
{
	struct ruleset_store *s = store_new();
	const uint32_t *kept[5000];

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		uint8_t pad[37] = {0};

		kept[i] = store_bytes(s, &i, sizeof(i));
		store_bytes(s, pad, i % sizeof(pad));
	}
	for (uint32_t i = 0; i < 5000; i++)
		assert_memory_equal(kept[i], &i, sizeof(i));
	store_free(s);
}

static void test_one_copy_of_a_text(void **state)
{
	struct ruleset_store *s = store_new();
	const char *first[5000];
	char text[32];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "shop/worker (%d)", i);
			if (!round)
				first[i] = store_text(s, text);
			assert_ptr_equal(store_text(s, text), first[i]);
			assert_string_equal(first[i], text);
		}
	}
	assert_null(store_text(s, NULL));
	assert_string_equal(store_text(s, ""), "");
	store_free(s);
	store_free(NULL);
}

static void test_more_than_a_piece(void **state)
{
	static char large[200000];
	struct ruleset_store *s = store_new();
	const char *before = store_text(s, "before"), *kept;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	kept = store_text(s, large);
	assert_string_equal(kept, large);
	assert_string_equal(before, "before");
	assert_string_equal(store_text(s, "behind"), "behind");
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept_stays_in_its_place),
		cmocka_unit_test(test_one_copy_of_a_text),
		cmocka_unit_test(test_more_than_a_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
