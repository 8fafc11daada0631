#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/mem.h"
#include "../../../controller/check/internal.h"

#define MANY 5000

static void test_each_text_once(void **state)
{
	struct check_texts *t = NULL;
	char *first = texts_keep(&t, "as root"), again[] = "as root";

	(void)state;
	assert_ptr_not_equal(first, again);
	assert_ptr_equal(texts_keep(&t, again), first);
	assert_ptr_not_equal(texts_keep(&t, "as root "), first);
	assert_string_equal(texts_keep(&t, ""), "");
	assert_null(texts_keep(&t, NULL));
	texts_free(t);
	texts_free(NULL);
}

/* They stay where they are while more come, which fill many pieces. */
static void test_many(void **state)
{
	CLEANUP_FREE char **kept = mem_new(MANY, sizeof(*kept));
	struct check_texts *t = NULL;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		CLEANUP_FREE char *text = mem_printf("container %d has no limit", i);

		kept[i] = texts_keep(&t, text);
	}
	for (int i = 0; i < MANY; i++) {
		CLEANUP_FREE char *text = mem_printf("container %d has no limit", i);

		assert_string_equal(kept[i], text);
		assert_ptr_equal(texts_keep(&t, text), kept[i]);
	}
	texts_free(t);
}

static void test_long_ones_and_closing(void **state)
{
	CLEANUP_FREE char *longest = mem_new(1, 100001);
	struct check_texts *t = NULL;
	char *kept, *shortest;

	(void)state;
	memset(longest, 'x', 100000);
	shortest = texts_keep(&t, "short");
	kept = texts_keep(&t, longest);
	assert_string_equal(kept, longest);
	texts_close(t);
	assert_string_equal(shortest, "short");
	assert_string_equal(texts_keep(&t, "short"), "short");
	texts_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_text_once),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_long_ones_and_closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
