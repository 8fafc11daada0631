#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

static bool runs(const json_t *container)
{
	static const char *const states[] = {"running", "restarting", "paused"};
	const char *state = posture_text(container, "state");

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(state, states[i]))
			return true;
	return false;
}

const json_t *posture_next_container(const json_t *posture, size_t *at)
{
	const json_t *list = json_object_get(posture, "containers");

	while (*at < json_array_size(list)) {
		const json_t *c = json_array_get(list, (*at)++);

		if (runs(c))
			return c;
	}
	return NULL;
}

char *posture_title(const struct check_input *in, const json_t *container)
{
	const struct model *m = compile_model(in->compiled);
	const char *id = posture_text(container, "id"), *name = posture_text(container, "name");
	size_t found = model_find_container(m, id);
	struct buf title = BUF_INIT;

	if (found != MODEL_NONE)
		model_container_title(&m->containers[found], &title);
	else if (*name)
		buf_str(&title, name + (*name == '/'));
	else
		buf_printf(&title, "%.12s", id);
	return buf_steal(&title);
}

/* The posture's own gaps of PART, in one. */
static void tell_gaps(const json_t *posture, const char *part, const char *group,
		      struct check_report *ret)
{
	const json_t *list = json_object_get(posture, "gaps");
	const char *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *gap = json_array_get(list, i);

		if (strcmp(posture_text(gap, "part"), part) != 0)
			continue;
		first = first ? first : posture_text(gap, "why");
		n++;
	}
	if (!n)
		return;
	CLEANUP_FREE char *why = n > 1 ? mem_printf("%s: %s, and %zu more", part, first, n - 1)
				       : mem_printf("%s: %s", part, first);

	check_report_gap(ret, group, why);
}

bool posture_has(const json_t *posture, const char *part, const char *group,
		 struct check_report *ret)
{
	size_t before = ret->gaps.len;

	tell_gaps(posture, part, group, ret);
	if (posture_get(posture, part, NULL))
		return true;
	/* Where the engine does not answer there is nothing else of it either. */
	if (ret->gaps.len == before)
		tell_gaps(posture, "engine", group, ret);
	if (ret->gaps.len == before) {
		CLEANUP_FREE char *why = mem_printf("%s: the posture has none", part);

		check_report_gap(ret, group, why);
	}
	return false;
}
