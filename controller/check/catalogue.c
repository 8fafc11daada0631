#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

const struct check_group *const check_groups[] = {
	&hygiene_group,
};
const size_t check_ngroups = ARRAY_SIZE(check_groups);

const struct check *check_find(const char *id)
{
	for (size_t g = 0; g < check_ngroups; g++)
		for (size_t i = 0; i < check_groups[g]->len; i++)
			if (!strcmp(check_groups[g]->checks[i].id, id))
				return &check_groups[g]->checks[i];
	return NULL;
}

void check_each(void (*each)(const struct check *check, void *data), void *data)
{
	for (size_t g = 0; g < check_ngroups; g++)
		for (size_t i = 0; i < check_groups[g]->len; i++)
			each(&check_groups[g]->checks[i], data);
}

void check_run(const struct check_input *in, struct check_report *ret)
{
	for (size_t g = 0; g < check_ngroups; g++)
		check_groups[g]->run(in, ret);
	report_sort(ret);
}
