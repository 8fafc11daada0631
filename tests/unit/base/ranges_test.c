#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "quaywall/addr.h"
#include "quaywall/mem.h"

/* "10.0.0.1-10.0.0.9 ::1-::2 10.1.0.0/16", as it stands or normalised. */
static struct ranges ranges(const char *text, bool normalise)
{
	CLEANUP_FREE char *copy = mem_strdup(text);
	struct ranges r = {0};
	char *rest = copy, *word;

	while ((word = strsep(&rest, " ")) != NULL) {
		char *dash = strchr(word, '-');
		struct prefix p;
		struct addr_range item;

		if (*word == '\0')
			continue;
		if (!dash) {
			assert_int_equal(prefix_parse(word, &p), 0);
			ranges_add_prefix(&r, &p);
			continue;
		}
		*dash = '\0';
		assert_int_equal(addr_parse(word, &item.first), 0);
		assert_int_equal(addr_parse(dash + 1, &item.last), 0);
		ranges_add(&r, item);
	}
	if (normalise)
		ranges_normalise(&r);
	return r;
}

static void assert_ranges(const struct ranges *r, const char *want)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < r->len; i++) {
		buf_printf(&b, "%s%s", i ? " " : "", addr_format(&r->items[i].first, text));
		buf_printf(&b, "-%s", addr_format(&r->items[i].last, text));
	}
	assert_string_equal(buf_text(&b), want);
}

static void test_normalise(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"},
		{"10.0.1.0/24 10.0.0.0/24", "10.0.0.0-10.0.1.255"},
		{"10.0.0.0/8 10.1.0.0/16 11.0.0.0/32", "10.0.0.0-11.0.0.0"},
		{"10.0.0.3-10.0.0.4 10.0.0.1-10.0.0.1", "10.0.0.1-10.0.0.1 10.0.0.3-10.0.0.4"},
		{"255.255.255.255/32 ::/128", "255.255.255.255-255.255.255.255 ::-::"},
		{"0.0.0.0/0 255.0.0.0/8 1.2.3.4/32", "0.0.0.0-255.255.255.255"},
		{"::2-::3 ::1-::1 10.0.0.255-10.0.1.0", "10.0.0.255-10.0.1.0 ::1-::3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_RANGES struct ranges r = ranges(rows[i][0], true);

		assert_ranges(&r, rows[i][1]);
	}
}

static void test_subtract(void **state)
{
	static const char *const rows[][3] = {
		{"10.0.0.0/24", "", "10.0.0.0-10.0.0.255"},
		{"", "10.0.0.0/24", ""},
		{"10.0.0.0/24", "10.0.0.0/8", ""},
		{"10.0.0.0/24", "10.0.0.0/25", "10.0.0.128-10.0.0.255"},
		{"10.0.0.0/24", "10.0.0.128/25", "10.0.0.0-10.0.0.127"},
		{"10.0.0.0/24", "10.0.0.5/32 10.0.0.7/32",
		 "10.0.0.0-10.0.0.4 10.0.0.6-10.0.0.6 10.0.0.8-10.0.0.255"},
		{"10.0.0.0/30 10.0.1.0/30", "10.0.0.2-10.0.1.1",
		 "10.0.0.0-10.0.0.1 10.0.1.2-10.0.1.3"},
		{"0.0.0.0/0", "0.0.0.0/32 255.255.255.255/32", "0.0.0.1-255.255.255.254"},
		{"0.0.0.0/0 ::/0", "0.0.0.0/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"255.255.255.255/32 ::/128", "::/0", "255.255.255.255-255.255.255.255"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_RANGES struct ranges r = ranges(rows[i][0], true);
		CLEANUP_RANGES struct ranges other = ranges(rows[i][1], true);

		ranges_subtract(&r, &other);
		assert_ranges(&r, rows[i][2]);
	}
}

static void test_intersect(void **state)
{
	static const char *const rows[][3] = {
		{"10.0.0.0/24", "", ""},
		{"10.0.0.0/24", "10.0.0.0/8", "10.0.0.0-10.0.0.255"},
		{"10.0.0.0/24 10.0.2.0/24", "10.0.0.255-10.0.2.0",
		 "10.0.0.255-10.0.0.255 10.0.2.0-10.0.2.0"},
		{"0.0.0.0/0 ::/0", "10.0.0.0/8 fe80::/128",
		 "10.0.0.0-10.255.255.255 fe80::-fe80::"},
		{"0.0.0.0/0", "::/0", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_RANGES struct ranges a = ranges(rows[i][0], true);
		CLEANUP_RANGES struct ranges b = ranges(rows[i][1], true);
		CLEANUP_RANGES struct ranges ab = ranges_intersect(&a, &b);
		CLEANUP_RANGES struct ranges ba = ranges_intersect(&b, &a);

		assert_ranges(&ab, rows[i][2]);
		assert_ranges(&ba, rows[i][2]);
	}
}

static struct addr small(unsigned n)
{
	return (struct addr) {.family = AF_INET, .bytes = {10, 0, 0, (uint8_t)n}};
}

/* Random ranges among 256 addresses, and the same as one flag for each address. */
static struct ranges random_ranges(bool held[static 256])
{
	struct ranges r = {0};

	memset(held, 0, 256);
	for (int n = rand() % 8; n > 0; n--) {
		unsigned first = (unsigned)rand() % 256, last = first + (unsigned)rand() % 40;

		last = last > 255 ? 255 : last;
		ranges_add(&r, (struct addr_range) {small(first), small(last)});
		for (unsigned i = first; i <= last; i++)
			held[i] = true;
	}
	ranges_normalise(&r);
	return r;
}

static void test_against_flags(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 500; round++) {
		bool in_a[256], in_b[256];
		CLEANUP_RANGES struct ranges a = random_ranges(in_a), b = random_ranges(in_b);
		CLEANUP_RANGES struct ranges both = ranges_intersect(&a, &b);

		for (unsigned i = 0; i < 256; i++) {
			struct addr at = small(i);

			assert_int_equal(ranges_contain(&a, &at), in_a[i]);
			assert_int_equal(ranges_contain(&both, &at), in_a[i] && in_b[i]);
		}
		ranges_subtract(&a, &b);
		for (unsigned i = 0; i < 256; i++) {
			struct addr at = small(i);

			assert_int_equal(ranges_contain(&a, &at), in_a[i] && !in_b[i]);
		}
		for (size_t i = 1; i < a.len; i++)
			assert_true(addr_compare(&a.items[i - 1].last, &a.items[i].first) < 0);
	}
}

static void test_all(void **state)
{
	CLEANUP_RANGES struct ranges r = {0};
	struct addr a = small(1), v6 = {.family = AF_INET6};

	(void)state;
	ranges_add_all(&r, AF_INET);
	ranges_add_addr(&r, &a);
	ranges_normalise(&r);
	assert_ranges(&r, "0.0.0.0-255.255.255.255");
	assert_true(ranges_contain(&r, &a));
	assert_false(ranges_contain(&r, &v6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalise), cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_intersect), cmocka_unit_test(test_against_flags),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
