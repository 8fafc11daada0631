#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>

#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "statefile.h"

static const char *const states[] = {
	[TRIAL_NONE] = "none",
	[TRIAL_PENDING] = "pending",
	[TRIAL_OVER] = "over",
};

/* ---- time ---- */

uint64_t trial_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void trial_boot(char ret[TRIAL_BOOT_MAX + 1])
{
	CLEANUP_FD int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, TRIAL_BOOT_MAX);

	ret[n > 0 ? n : 0] = '\0';
	ret[strspn(ret, "0123456789abcdef-")] = '\0';
}

uint64_t trial_left(const struct trial *t)
{
	char boot[TRIAL_BOOT_MAX + 1];
	uint64_t now = trial_now();

	trial_boot(boot);
	if (strcmp(boot, t->boot) != 0 || now >= t->deadline)
		return 0;
	return t->deadline - now;
}

void trial_done(struct trial *t)
{
	sources_free(t->known);
	*t = (struct trial) {.state = TRIAL_NONE};
}

/* ---- the format ---- */

static json_t *file_json(const struct policy_file *f)
{
	return json_pack("{s:o, s:o}", "name", json_string(f->name), "text",
			 json_stringn(f->len ? f->text : "", f->len));
}

static json_t *sources_json(const struct sources *s)
{
	json_t *policies;

	if (!s)
		return json_null();
	policies = json_array();
	for (size_t i = 0; i < s->policies.len; i++)
		json_array_append_new(policies, file_json(&s->policies.items[i]));
	return json_pack("{s:o, s:o}", "settings",
			 s->settings.name ? file_json(&s->settings) : json_null(), "policies",
			 policies);
}

/* NULL where some name or text cannot be said in JSON. */
static char *document(const struct trial *t)
{
	char refused[17];
	json_t *known = sources_json(t->known);
	size_t files = t->known ? t->known->policies.len : 0;
	CLEANUP_JSON json_t *j = NULL;

	snprintf(refused, sizeof(refused), "%016" PRIx64, t->refused);
	/* An item that could not be made is left out of a list without a word. */
	if (json_array_size(json_object_get(known, "policies")) == files)
		j = json_pack("{s:i, s:s, s:I, s:s, s:I, s:s, s:o}", "quaywall_trial", 1, "state",
			      states[t->state], "deadline", (json_int_t)t->deadline, "boot",
			      t->boot, "since", (json_int_t)t->since, "refused", refused, "known",
			      known);
	else
		json_decref(known);
	return j ? json_dumps(j, JSON_COMPACT) : NULL;
}

int trial_encode(const struct trial *t, struct buf *out)
{
	CLEANUP_FREE char *text = document(t);

	if (!text)
		return -EILSEQ;
	buf_str(out, text);
	statefile_add_sum(out);
	return 0;
}

static bool take_file(const json_t *j, struct policy_file *ret)
{
	const json_t *name = json_object_get(j, "name"), *text = json_object_get(j, "text");

	if (!json_is_string(name) || !json_is_string(text))
		return false;
	ret->name = mem_strdup(json_string_value(name));
	ret->len = json_string_length(text);
	ret->text = mem_strndup(json_string_value(text), ret->len);
	return true;
}

static bool take_sources(const json_t *j, struct sources *ret)
{
	const json_t *settings = json_object_get(j, "settings"),
		     *policies = json_object_get(j, "policies");
	size_t i;
	json_t *item;

	if (!json_is_null(settings) && !take_file(settings, &ret->settings))
		return false;
	json_array_foreach(policies, i, item) {
		struct policy_file f = {.name = NULL};

		if (!take_file(item, &f))
			return false;
		MEM_PUSH(&ret->policies, f);
	}
	return json_is_array(policies);
}

static bool take_state(const char *name, enum trial_state *ret)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(states); i++)
		if (strcmp(states[i], name) == 0) {
			*ret = (enum trial_state)i;
			return true;
		}
	return false;
}

static bool take_number(const json_t *j, int64_t *ret)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return false;
	*ret = json_integer_value(j);
	return true;
}

static bool take_document(json_t *j, struct trial *t)
{
	const json_t *known = json_object_get(j, "known");
	const char *boot = json_string_value(json_object_get(j, "boot")),
		   *refused = json_string_value(json_object_get(j, "refused"));
	int64_t deadline;

	if (json_integer_value(json_object_get(j, "quaywall_trial")) != 1 ||
	    !take_state(json_string_value(json_object_get(j, "state")), &t->state) ||
	    !take_number(json_object_get(j, "deadline"), &deadline) ||
	    !take_number(json_object_get(j, "since"), &t->since) || !boot ||
	    strlen(boot) > TRIAL_BOOT_MAX || !refused)
		return false;
	t->deadline = (uint64_t)deadline;
	memcpy(t->boot, boot, strlen(boot) + 1);
	t->refused = strtoull(refused, NULL, 16);
	if (json_is_null(known))
		return true;
	t->known = sources_new();
	return take_sources(known, t->known);
}

int trial_decode(const char *data, size_t len, struct trial *ret, struct error *err)
{
	struct trial t = {.state = TRIAL_NONE};
	CLEANUP_JSON json_t *j = NULL;
	size_t n;

	if (!len || !statefile_check_sum(data, len, &n))
		return error_set(err, -EBADMSG, "the checksum is wrong");
	j = json_loadb(data, n, 0, NULL);
	if (!take_document(j, &t)) {
		trial_done(&t);
		return error_set(err, -EBADMSG, "the content is not what this version writes");
	}
	*ret = t;
	return 0;
}

/* ---- the file ---- */

int trial_write(const char *dir, const struct trial *t, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (trial_encode(t, &text) < 0)
		return error_set(err, -EILSEQ, "the name of a policy file is no UTF-8");
	if (text.len > TRIAL_SIZE_MAX)
		return error_set(err, -EFBIG, "the policies are over %u MiB", TRIAL_SIZE_MAX >> 20);
	return statefile_write(dir, TRIAL_FILE, &text, true, err);
}

int trial_read(const char *dir, struct trial *ret, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r = statefile_read(dir, TRIAL_FILE, TRIAL_SIZE_MAX, &text, err);

	if (r < 0)
		return r;
	r = trial_decode(buf_text(&text), text.len, ret, err);
	return r < 0 ? error_wrap(err, r, "%s/" TRIAL_FILE, dir) : 0;
}

int trial_remove(const char *dir, struct error *err)
{
	return statefile_remove(dir, TRIAL_FILE, err);
}
