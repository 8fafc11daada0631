#include "compile-internal.h"

#include <stdlib.h>

#include "quaywall/mem.h"

bool index_list_has(const struct index_list *list, size_t i)
{
	for (size_t n = 0; n < list->len; n++) {
		if (list->items[n] == i)
			return true;
	}
	return false;
}

static int compare_indices(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

void index_list_sort(struct index_list *list)
{
	if (list->len)
		qsort(list->items, list->len, sizeof(*list->items), compare_indices);
}

void index_list_insert(struct index_list *list, size_t i)
{
	size_t at = list->len;

	MEM_PUSH(list, i);
	for (; at > 0 && list->items[at - 1] > i; at--)
		list->items[at] = list->items[at - 1];
	list->items[at] = i;
}
