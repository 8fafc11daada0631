#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../../controller/compile/ruleset-internal.h"

/* A small world: addresses 10.0.0.0 to .15, two protocols, ports 0 to 15. */
#define SIDE 16

static struct box random_box(void)
{
	unsigned a = (unsigned)rand() % SIDE, b = a + (unsigned)rand() % (SIDE - a);
	unsigned first = (unsigned)rand() % SIDE, last = first + (unsigned)rand() % (SIDE - first);

	return (struct box) {
		.addrs = {{AF_INET, {10, 0, 0, (uint8_t)a}}, {AF_INET, {10, 0, 0, (uint8_t)b}}},
		.protocol = (uint8_t)(6 + rand() % 2),
		.first = (uint16_t)first,
		.last = (uint16_t)last,
	};
}

static bool holds(const struct box *box, unsigned protocol, unsigned a, unsigned port)
{
	return box->protocol == protocol && box->addrs.first.bytes[3] <= a &&
	       a <= box->addrs.last.bytes[3] && box->first <= port && port <= box->last;
}

static size_t count(const struct box *boxes, size_t n, unsigned protocol, unsigned a, unsigned port)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += holds(&boxes[i], protocol, a, port);
	return found;
}

/* Every point that was added is in exactly one piece, and no other point is in any. */
static void check_points(const struct box *added, size_t n, const struct boxes *list)
{
	for (unsigned point = 0; point < 2 * SIDE * SIDE; point++) {
		unsigned protocol = 6 + point % 2, a = point / 2 % SIDE, port = point / 2 / SIDE;

		assert_int_equal(count(list->items, list->len, protocol, a, port),
				 count(added, n, protocol, a, port) > 0);
	}
}

static void test_random_boxes_are_made_disjoint(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 200; round++) {
		struct box added[8];
		struct boxes list = {NULL, 0, 0};

		for (size_t i = 0; i < 8; i++) {
			added[i] = random_box();
			boxes_add(&list, &added[i]);
		}
		check_points(added, 8, &list);
		free(list.items);
	}
}

static void test_the_first_owner_keeps_what_it_has(void **state)
{
	struct held early = {0}, late = {0};
	struct box first = {.addrs = {{AF_INET, {10}}, {AF_INET, {10}}}, .first = 5, .last = 9};
	struct box second = first;
	struct boxes list = {NULL, 0, 0};

	(void)state;
	first.held = &early;
	second.held = &late;
	second.last = 10;
	boxes_add(&list, &first);
	boxes_add(&list, &second);
	assert_int_equal(list.len, 2);
	assert_ptr_equal(list.items[0].held, &early);
	assert_int_equal(list.items[0].last, 9);
	assert_ptr_equal(list.items[1].held, &late);
	assert_int_equal(list.items[1].first, 10);
	free(list.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_boxes_are_made_disjoint),
		cmocka_unit_test(test_the_first_owner_keeps_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
