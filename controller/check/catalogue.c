#include "internal.h"

#include <errno.h>
#include <string.h>

#include "quaywall/mem.h"

const struct check_group *const check_groups[] = {
	&api_group,	&bypass_group, &exposure_group, &host_group,
	&hygiene_group, &image_group,  &logging_group,	&overlay_group,
	&runtime_group, &secret_group, &swarm_group,
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

/* ---- lists of checks ---- */

static bool is_group(const char *name, size_t len)
{
	for (size_t g = 0; g < check_ngroups; g++)
		if (strlen(check_groups[g]->name) == len &&
		    !strncmp(check_groups[g]->name, name, len))
			return true;
	return false;
}

static bool is_check(const char *name, size_t len)
{
	CLEANUP_FREE char *id = mem_strndup(name, len);

	return check_find(id) != NULL;
}

int check_list_parse(const char *list, struct error *err)
{
	while (true) {
		size_t len = strcspn(list, ",");

		if (!is_group(list, len) && !is_check(list, len))
			return error_set(err, -EINVAL,
					 "'%.*s' is no check and no group ('quaywall check --list' "
					 "has them)",
					 (int)len, list);
		if (!list[len])
			return 0;
		list += len + 1;
	}
}

static bool is_item(const char *item, size_t len, const char *name)
{
	return name && strlen(name) == len && !strncmp(item, name, len);
}

bool check_list_has(const char *list, const char *group, const char *id)
{
	while (true) {
		size_t len = strcspn(list, ",");

		if (is_item(list, len, group) || is_item(list, len, id))
			return true;
		if (!list[len])
			return false;
		list += len + 1;
	}
}

void check_run(const struct check_input *in, struct check_report *ret)
{
	for (size_t g = 0; g < check_ngroups; g++)
		check_groups[g]->run(in, ret);
	report_suppress(ret, compile_settings(in->compiled), in->now);
	report_sort(ret);
}
