#include "ruleset-internal.h"

#include "quaywall/mem.h"

/*
 * The kernel takes no element of an interval set that overlaps another, and rules overlap freely. So a new
 * box is cut along those that are there; which rule an address and port count for is the first one's.
 */

static bool boxes_overlap(const struct box *a, const struct box *b)
{
	return a->protocol == b->protocol && a->first <= b->last && b->first <= a->last &&
	       addr_compare(&a->addrs.first, &b->addrs.last) <= 0 &&
	       addr_compare(&b->addrs.first, &a->addrs.last) <= 0;
}

static void push_ports(struct boxes *list, struct box piece, uint16_t first, uint16_t last)
{
	piece.first = first;
	piece.last = last;
	MEM_PUSH(list, piece);
}

/* Pushes what BOX has outside of HOLE, which overlaps it. */
static void push_rest(struct boxes *list, const struct box *box, const struct box *hole)
{
	CLEANUP_RANGES struct ranges rest = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges taken = {NULL, 0, 0};
	CLEANUP_RANGES struct ranges shared = {NULL, 0, 0};

	ranges_add(&rest, box->addrs);
	ranges_add(&taken, hole->addrs);
	shared = ranges_intersect(&rest, &taken);
	ranges_subtract(&rest, &taken);
	for (size_t i = 0; i < rest.len; i++) {
		struct box piece = *box;

		piece.addrs = rest.items[i];
		MEM_PUSH(list, piece);
	}
	for (size_t i = 0; i < shared.len; i++) {
		struct box piece = *box;

		piece.addrs = shared.items[i];
		if (box->first < hole->first)
			push_ports(list, piece, box->first, (uint16_t)(hole->first - 1));
		if (box->last > hole->last)
			push_ports(list, piece, (uint16_t)(hole->last + 1), box->last);
	}
}

void boxes_add(struct boxes *list, const struct box *box)
{
	struct boxes pieces = {NULL, 0, 0};
	size_t before = list->len;

	MEM_PUSH(&pieces, *box);
	for (size_t i = 0; i < before; i++) {
		struct boxes rest = {NULL, 0, 0};

		for (size_t p = 0; p < pieces.len; p++) {
			if (boxes_overlap(&pieces.items[p], &list->items[i]))
				push_rest(&rest, &pieces.items[p], &list->items[i]);
			else
				MEM_PUSH(&rest, pieces.items[p]);
		}
		free(pieces.items);
		pieces = rest;
	}
	for (size_t p = 0; p < pieces.len; p++)
		MEM_PUSH(list, pieces.items[p]);
	free(pieces.items);
}
