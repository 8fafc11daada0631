#include "quaywall/addr.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* The number after (STEP 1) or before (STEP -1) A; false where the family has none. */
static bool addr_step(struct addr *a, int step)
{
	uint8_t end = step > 0 ? 0xff : 0x00;
	size_t i = addr_size(a->family);

	while (i > 0) {
		i--;
		if (a->bytes[i] != end) {
			a->bytes[i] = (uint8_t)(a->bytes[i] + step);
			return true;
		}
		a->bytes[i] = (uint8_t)~end;
	}
	return false;
}

static struct addr addr_min(struct addr a, struct addr b)
{
	return addr_compare(&a, &b) < 0 ? a : b;
}

static struct addr addr_max(struct addr a, struct addr b)
{
	return addr_compare(&a, &b) > 0 ? a : b;
}

void ranges_add(struct ranges *r, struct addr_range item)
{
	MEM_PUSH(r, item);
}

void ranges_add_addr(struct ranges *r, const struct addr *a)
{
	ranges_add(r, (struct addr_range) {*a, *a});
}

void ranges_add_prefix(struct ranges *r, const struct prefix *p)
{
	ranges_add(r, prefix_range(p));
}

void ranges_add_all(struct ranges *r, uint8_t family)
{
	const struct prefix all = {.addr = {.family = family}, .len = 0};

	ranges_add_prefix(r, &all);
}

static int compare_first(const void *a, const void *b)
{
	const struct addr_range *x = a, *y = b;

	return addr_compare(&x->first, &y->first);
}

/* Whether NEXT, which begins no earlier than PREV, overlaps it or follows it without a gap. */
static bool touches(const struct addr_range *prev, const struct addr_range *next)
{
	struct addr after = prev->last;

	if (prev->last.family != next->first.family)
		return false;
	return !addr_step(&after, 1) || addr_compare(&next->first, &after) <= 0;
}

void ranges_normalise(struct ranges *r)
{
	size_t len = 0;

	if (r->len == 0)
		return;
	qsort(r->items, r->len, sizeof(*r->items), compare_first);
	for (size_t i = 1; i < r->len; i++) {
		if (touches(&r->items[len], &r->items[i]))
			r->items[len].last = addr_max(r->items[len].last, r->items[i].last);
		else
			r->items[++len] = r->items[i];
	}
	r->len = len + 1;
}

/* Adds to OUT what ITEM leaves beside the ranges of OTHER from *NEXT on; moves *NEXT past those
 * that end before ITEM begins, so that a walk over sorted items reads OTHER once. */
static void add_rest(struct ranges *out, struct addr_range item, const struct ranges *other,
		     size_t *next)
{
	while (*next < other->len && addr_compare(&other->items[*next].last, &item.first) < 0)
		(*next)++;
	for (size_t i = *next; i < other->len; i++) {
		const struct addr_range *hole = &other->items[i];
		struct addr before = hole->first, after = hole->last;

		if (addr_compare(&hole->first, &item.last) > 0)
			break;
		if (addr_compare(&item.first, &hole->first) < 0 && addr_step(&before, -1))
			ranges_add(out, (struct addr_range) {item.first, before});
		if (addr_compare(&hole->last, &item.last) >= 0 || !addr_step(&after, 1))
			return;
		item.first = after;
	}
	ranges_add(out, item);
}

void ranges_subtract(struct ranges *r, const struct ranges *other)
{
	struct ranges out = {0};
	size_t next = 0;

	for (size_t i = 0; i < r->len; i++)
		add_rest(&out, r->items[i], other, &next);
	ranges_done(r);
	*r = out;
}

struct ranges ranges_intersect(const struct ranges *a, const struct ranges *b)
{
	struct ranges out = {0};
	size_t i = 0, j = 0;

	while (i < a->len && j < b->len) {
		const struct addr_range *x = &a->items[i], *y = &b->items[j];
		struct addr_range both = {addr_max(x->first, y->first), addr_min(x->last, y->last)};

		/* Of two families the smaller `last` lies below the larger `first`, so this is
		 * false. */
		if (addr_compare(&both.first, &both.last) <= 0)
			ranges_add(&out, both);
		if (addr_compare(&x->last, &y->last) < 0)
			i++;
		else
			j++;
	}
	return out;
}

bool ranges_contain(const struct ranges *r, const struct addr *a)
{
	size_t low = 0, high = r->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr_compare(&r->items[mid].last, a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->len && addr_compare(&r->items[low].first, a) <= 0;
}

void ranges_done(struct ranges *r)
{
	if (!r)
		return;
	free(r->items);
	*r = (struct ranges) {0};
}
