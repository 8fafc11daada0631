/*
 * image: what running containers were made of. What is wrong with an image is told once, by the name that its first
 * container has it by.
 */
#include "images.h"
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define BUILDING "Docker: Building best practices"

static const struct check checks[] = {
	{"image-foreign", "image", CHECK_MEDIUM,
	 "an image is from elsewhere than the settings allow",
	 "Who made it, and who looked at it, is not known here.", NULL},
	{"image-latest", "image", CHECK_LOW, "an image has no version",
	 "What runs after the next pull is another program, and nobody has decided that.",
	 BUILDING},
	{"image-old", "image", CHECK_LOW, "an image is old",
	 "What was found and mended in its programs and libraries since is not mended in it.",
	 BUILDING},
	{"image-root", "image", CHECK_LOW, "an image runs as root",
	 "Root in the container is root on the host once something lets it out.", BUILDING},
	{"image-secret", "image", CHECK_MEDIUM, "an image has credentials in its environment",
	 "Everybody who can pull it has them, and so has every container of it.",
	 "Docker: Build secrets"},
	{"image-unpinned", "image", CHECK_INFO, "an image is named by a tag alone",
	 "Its registry can put another one there; a digest names the content.", BUILDING},
};

/* One container, as of an image. */
struct use {
	const json_t *container;
	const char *id, *name; /* the image's; the name may be its id */
	char *title;	       /* the container's */
};

struct uses {
	struct use *items;
	size_t len, cap;
};

struct look {
	const struct check_input *in;
	const struct settings *settings;
	struct check_report *report;
	struct listing missing, undated;
};

/* An image with the uses of it, N of them. */
struct one {
	const struct use *uses;
	size_t n;
	const json_t *image;
	const char *subject;
};

/* ---- which there are ---- */

static int compare(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int diff = strcmp(x->id, y->id);

	if (!diff)
		diff = strcmp(x->name, y->name);
	return diff ? diff : strcmp(x->title, y->title);
}

static void collect(const struct check_input *in, struct uses *ret)
{
	const json_t *c;
	size_t at = 0;

	while ((c = posture_next_container(in->posture, &at))) {
		struct use u = {
			.container = c,
			.id = posture_text(c, "image_id"),
			.name = posture_text(c, "image"),
			.title = posture_title(in, c),
		};

		MEM_PUSH(ret, u);
	}
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), compare);
}

static const char *without_algorithm(const char *id)
{
	static const char algorithm[] = "sha256:";

	return strncmp(id, algorithm, sizeof(algorithm) - 1) ? id : id + sizeof(algorithm) - 1;
}

/* Whether it was started by the image's id, or the beginning of that. */
static bool is_by_id(const struct use *u)
{
	const char *name = without_algorithm(u->name), *id = without_algorithm(u->id);
	size_t len = strlen(name);

	return !len || name != u->name || (len >= 4 && !strncmp(id, name, len));
}

static const char *first_text(const json_t *list)
{
	const char *text = json_string_value(json_array_get(list, 0));

	return text ? text : "";
}

/* The name that somebody gave it, else its tag, else the beginning of its id. */
static char *subject_of(const struct one *o)
{
	const char *tag = first_text(json_object_get(o->image, "tags"));

	for (size_t i = 0; i < o->n; i++)
		if (!is_by_id(&o->uses[i]))
			return mem_printf("image %.255s", o->uses[i].name);
	if (*tag)
		return mem_printf("image %.255s", tag);
	return mem_printf("image %.12s", without_algorithm(o->uses[0].id));
}

static void tell(struct look *l, const struct one *o, const char *id, char *evidence, char *remedy)
{
	report_take(l->report, id, mem_strdup(o->subject), evidence, remedy);
}

/* ---- where it is from ---- */

static bool is_allowed(const struct look *l, const char *name)
{
	CLEANUP_REFERENCE struct reference r = {0};

	reference_read(name, &r);
	return registries_have(l->settings, r.repository);
}

/* A tag is what somebody here says; a digest has who pulled it or pushed it. */
static bool any_allowed(const struct look *l, const json_t *list, struct listing *names)
{
	bool allowed = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (!name)
			continue;
		listing_add(names, "%.255s", name);
		allowed |= is_allowed(l, name);
	}
	return allowed;
}

static bool all_allowed(const struct look *l, const struct one *o, struct listing *names)
{
	const char *before = "";
	bool allowed = true;

	for (size_t i = 0; i < o->n; i++) {
		if (is_by_id(&o->uses[i]) || !strcmp(before, o->uses[i].name))
			continue;
		before = o->uses[i].name;
		listing_add(names, "%.255s", before);
		allowed &= is_allowed(l, before);
	}
	return names->n ? allowed : any_allowed(l, json_object_get(o->image, "tags"), names);
}

static void check_registry(struct look *l, const struct one *o)
{
	const json_t *digests = json_object_get(o->image, "digests");
	struct listing names = LISTING_INIT;
	bool pulled = json_array_size(digests) > 0, allowed;

	if (!l->settings->nregistries)
		return;
	allowed = pulled ? any_allowed(l, digests, &names) : all_allowed(l, o, &names);
	CLEANUP_FREE char *text = listing_steal(&names);

	if (allowed)
		return;
	tell(l, o, "image-foreign",
	     mem_printf("%s: %s; the settings' check.registries has none of that",
			pulled ? "RepoDigests" : "no RepoDigests, and its name", text),
	     mem_strdup("take it from a registry that is allowed, or name its own in check: "
			"{registries: […]}"));
}

/* ---- how it is named ---- */

static void check_name(struct look *l, const struct one *o, const struct use *u)
{
	CLEANUP_REFERENCE struct reference r = {0};
	bool pulled = json_array_size(json_object_get(o->image, "digests")) > 0;

	reference_read(u->name, &r);
	if (r.digest)
		return;
	if (!r.tag || !strcmp(r.tag, "latest"))
		report_take(l->report, "image-latest", mem_printf("image %.255s", u->name),
			    mem_printf("Config.Image of %s names %s", u->title,
				       r.tag ? "the tag latest" : "no tag, which means latest"),
			    mem_strdup("name a version: image: NAME:1.2.3"));
	else if (pulled)
		report_take(l->report, "image-unpinned", mem_printf("image %.255s", u->name),
			    mem_printf("Config.Image of %s has no digest; now it is %.300s",
				       u->title, first_text(json_object_get(o->image, "digests"))),
			    mem_strdup("name it with its digest: image: NAME:1.2.3@sha256:…"));
}

/* Each name once, by its first container. */
static void check_names(struct look *l, const struct one *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (!is_by_id(&o->uses[i]) &&
		    (!i || strcmp(o->uses[i].name, o->uses[i - 1].name) != 0))
			check_name(l, o, &o->uses[i]);
}

/* ---- the image itself ---- */

/* Builds that are to give the same each time carry the epoch of one clock or another. */
static void check_age(struct look *l, const struct one *o)
{
	static const time_t first = 3653 * 86400; /* 1980-01-02 */
	time_t created, age;

	if (!l->settings->image_days)
		return;
	if (!posture_time(o->image, "created", &created) || created < first) {
		listing_add(&l->undated, "%.255s", o->subject + strlen("image "));
		return;
	}
	age = (l->in->now - created) / 86400;
	if (age > (time_t)l->settings->image_days)
		tell(l, o, "image-old",
		     mem_printf(
			     "Created %.40s, %lld days ago; the settings' check.image_age is %ud",
			     posture_text(o->image, "created"), (long long)age,
			     l->settings->image_days),
		     mem_strdup("pull or build it anew, and make its containers anew: docker "
				"compose up -d --pull always --build"));
}

static void check_root(struct look *l, const struct one *o)
{
	const char *user = posture_text(o->image, "user");
	struct listing names = LISTING_INIT;

	if (!user_is_root(user) || posture_remaps_users(l->in->posture))
		return;
	for (size_t i = 0; i < o->n; i++)
		if (user_is_root(posture_text(o->uses[i].container, "user")))
			listing_add(&names, "%s", o->uses[i].title);
	if (!names.n)
		return;
	CLEANUP_FREE char *titles = listing_steal(&names);

	tell(l, o, "image-root", mem_printf("Config.User is \"%.100s\"; so run %s", user, titles),
	     mem_strdup("USER in its Dockerfile; or start its containers as another: -u UID:GID, "
			"Compose's user"));
}

static void check_secrets(struct look *l, const struct one *o)
{
	const json_t *env = json_object_get(o->image, "env");
	struct listing found = LISTING_INIT;

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *name = json_string_value(json_array_get(env, i));

		if (name && variable_is_secret(name))
			listing_add(&found, "%.100s", name);
	}
	if (!found.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&found);

	tell(l, o, "image-secret", mem_printf("Config.Env: %s", names),
	     mem_strdup("take it out of ENV and ARG of its Dockerfile, change it, and give it to "
			"the container as a file: Compose's or Swarm's secrets"));
}

/* ---- all ---- */

static void look_at(struct look *l, struct one *o)
{
	CLEANUP_FREE char *subject = subject_of(o);

	o->subject = subject;
	if (!o->image) {
		listing_add(&l->missing, "%.255s", subject + strlen("image "));
	} else {
		check_age(l, o);
		check_root(l, o);
		check_secrets(l, o);
	}
	check_registry(l, o);
	check_names(l, o);
}

static void look_at_all(struct look *l, const struct uses *uses, const json_t *images)
{
	for (size_t i = 0; i < uses->len;) {
		struct one o = {.uses = &uses->items[i]};

		o.image = json_object_get(images, o.uses->id);
		while (i < uses->len && !strcmp(uses->items[i].id, o.uses->id)) {
			o.n++;
			i++;
		}
		look_at(l, &o);
	}
}

static void tell_gap(struct look *l, struct listing *which, const char *what)
{
	bool any = which->n > 0;
	CLEANUP_FREE char *names = listing_steal(which);
	CLEANUP_FREE char *why = mem_printf("images: %s: %s", what, names);

	if (any)
		check_report_gap(l->report, "image", why);
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct look l = {
		.in = in,
		.settings = compile_settings(in->compiled),
		.report = ret,
	};
	struct uses uses = {NULL, 0, 0};
	json_t *images;

	if (!posture_has(in->posture, "containers", "image", ret) ||
	    !posture_has(in->posture, "images", "image", ret))
		return;
	images = posture_images(in->posture);
	collect(in, &uses);
	look_at_all(&l, &uses, images);
	tell_gap(&l, &l.missing, "not in the posture");
	tell_gap(&l, &l.undated, "how old they are does not stand in them");
	for (size_t i = 0; i < uses.len; i++)
		free(uses.items[i].title);
	free(uses.items);
	json_decref(images);
}

const struct check_group image_group = {"image", checks, ARRAY_SIZE(checks), run};
