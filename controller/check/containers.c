#include "internal.h"

#include <stdio.h>
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

const char *posture_source(const json_t *mount)
{
	/* Each leads to the host's root, for the engine's own process as for the first one. */
	static const char *const roots[] = {"/proc/1/root", "/proc/self/root",
					    "/proc/thread-self/root"};
	const char *source = posture_text(mount, "source");

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		size_t len = strlen(roots[i]);

		if (!strncmp(source, roots[i], len) && (!source[len] || source[len] == '/'))
			return source[len] ? source + len : "/";
	}
	return source;
}

/* The posture's own gaps of PART, in one. */
void posture_tell_gaps(const json_t *posture, const char *part, const char *group, const char *ids,
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

	check_report_gap_of(ret, group, ids, why);
}

bool posture_has(const json_t *posture, const char *part, const char *group,
		 struct check_report *ret)
{
	bool list = !strcmp(part, "containers") || !strcmp(part, "images");
	const json_t *found = json_object_get(posture, part);
	size_t before = ret->gaps.len;

	posture_tell_gaps(posture, part, group, NULL, ret);
	if (list ? json_is_array(found) : json_is_object(found))
		return true;
	/* Where the engine does not answer there is nothing else of it either. */
	if (ret->gaps.len == before)
		posture_tell_gaps(posture, "engine", group, NULL, ret);
	if (ret->gaps.len == before) {
		CLEANUP_FREE char *why = mem_printf("%s: the posture has none", part);

		check_report_gap(ret, group, why);
	}
	return false;
}

json_t *posture_images(const json_t *posture)
{
	const json_t *list = json_object_get(posture, "images");
	json_t *out = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *image = json_array_get(list, i);

		json_object_set_nocheck(out, posture_text(image, "id"), image);
	}
	return out;
}

/* "Z", "+01:00": seconds to take away; false: it is none. */
static bool parse_zone(const char *text, time_t *ret)
{
	unsigned hours, minutes;
	char sign, more;

	*ret = 0;
	if (!strcmp(text, "Z"))
		return true;
	if (sscanf(text, "%c%2u:%2u%c", &sign, &hours, &minutes, &more) != 3 ||
	    (sign != '+' && sign != '-'))
		return false;
	*ret = (time_t)(hours * 3600 + minutes * 60) * (sign == '+' ? 1 : -1);
	return true;
}

bool posture_time(const json_t *object, const char *key, time_t *ret)
{
	struct tm tm = {0};
	const char *rest = strptime(posture_text(object, key), "%Y-%m-%dT%H:%M:%S", &tm);
	time_t zone;

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || !parse_zone(rest, &zone))
		return false;
	*ret = timegm(&tm) - zone;
	return true;
}

bool user_is_root(const char *user)
{
	size_t len = strcspn(user, ":"), sign = strspn(user, "+-");

	/* The engine reads a number as Go's Atoi() does, which takes a sign. */
	sign = sign == 1 && len > 1 ? 1 : 0;
	return !len || (len == 4 && !strncmp(user, "root", len)) ||
	       strspn(user + sign, "0") == len - sign;
}
