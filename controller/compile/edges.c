#include "edges.h"

#include "quaywall/mem.h"

void edges_add(struct edges *e, uint32_t port)
{
	if (port <= UINT16_MAX)
		MEM_PUSH(e, port);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void edges_sort(struct edges *e)
{
	size_t kept = 0;

	if (!e->len)
		return;
	qsort(e->items, e->len, sizeof(*e->items), compare);
	for (size_t i = 1; i < e->len; i++)
		if (e->items[i] != e->items[kept])
			e->items[++kept] = e->items[i];
	e->len = kept + 1;
}

static void add_rule(struct edges *e, const struct policy_rule *rule, uint8_t protocol)
{
	for (size_t i = 0; i < rule->nports; i++) {
		if (rule->ports[i].protocol != protocol)
			continue;
		edges_add(e, rule->ports[i].first);
		edges_add(e, (uint32_t)rule->ports[i].last + 1);
	}
}

struct edges edges_of(const struct policy_set *set, uint8_t protocol)
{
	struct edges e = {0};

	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t r = 0; r < set->documents[d].nrules; r++)
			add_rule(&e, &set->documents[d].rules[r], protocol);
	edges_sort(&e);
	return e;
}

uint16_t edges_segment_end(const struct edges *e, uint16_t first, uint16_t last)
{
	size_t low = 0, high = e->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->items[middle] <= first)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == e->len || e->items[low] > last)
		return last;
	return (uint16_t)(e->items[low] - 1);
}

void edges_done(struct edges *e)
{
	free(e->items);
	*e = (struct edges) {0};
}
