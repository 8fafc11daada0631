/*
 * secret: what of a container's environment looks like a credential. The posture holds names alone, and of an image's own
 * variables its group tells.
 */
#include "images.h"
#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

static const struct check checks[] = {
	{"secret-environment", "secret", CHECK_MEDIUM,
	 "a container has credentials in its environment",
	 "Who may ask the engine reads it, every program in it inherits it, and crash reports and logs carry it away.",
	 "Docker: Manage sensitive data with Docker secrets"},
};

static void look_at(const struct check_input *in, const json_t *container, const json_t *image,
		    struct check_report *ret)
{
	const json_t *env = json_object_get(container, "env");
	struct listing found = LISTING_INIT;

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *name = json_string_value(json_array_get(env, i));

		if (name && variable_is_secret(name) &&
		    !posture_lists(json_object_get(image, "env"), name))
			listing_add(&found, "%.100s", name);
	}
	if (!found.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&found);

	report_take(ret, "secret-environment", posture_title(in, container),
		    mem_printf("Config.Env: %s", names),
		    mem_strdup("give it as a file: Compose's or Swarm's secrets, below "
			       "/run/secrets; many images read NAME_FILE instead of NAME"));
}

static void run(const struct check_input *in, struct check_report *ret)
{
	json_t *images;
	const json_t *c;
	size_t at = 0;

	if (!posture_has(in->posture, "containers", "secret", ret))
		return;
	images = posture_images(in->posture);
	while ((c = posture_next_container(in->posture, &at)))
		look_at(in, c, json_object_get(images, posture_text(c, "image_id")), ret);
	json_decref(images);
}

const struct check_group secret_group = {"secret", checks, ARRAY_SIZE(checks), run};
