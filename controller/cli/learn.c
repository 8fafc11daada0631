/*
 * learn: the daemon tells what it has seen and who is there; the policy is written here, as it takes its time.
 */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/learn.h"
#include "quaywall/mem.h"
#include "call.h"
#include "output.h"

#define PAIRS_MAX 1000000 /* more than any daemon keeps */

/* ---- asking ---- */

static int ask(const struct arguments *a, const char *verb, json_t **ret, struct error *err)
{
	CLEANUP_JSON json_t *request = json_pack("{s:s}", "verb", verb);

	if (!strcmp(verb, "learn-for"))
		json_object_set_new(request, "seconds", json_integer(a->time_s));
	return call_daemon(a, request, ret, NULL, err);
}

static int forget(const struct arguments *a, struct error *err)
{
	CLEANUP_JSON json_t *answer = NULL;
	int code = ask(a, "learn-forget", &answer, err);

	if (answer && a->json && !a->time_s)
		output_json(answer);
	else if (answer && !a->time_s)
		puts("forgotten");
	return code;
}

/* The clock that the daemon goes by: it may be set, and the machine may sleep. */
static int wait_until_over(const struct arguments *a, struct error *err)
{
	CLEANUP_JSON json_t *answer = NULL;
	struct timespec end;
	int code = ask(a, "learn-for", &answer, err);

	if (!answer)
		return code;
	fprintf(stderr,
		"learning until %s; then 'quaywall learn' writes it, without this one, too\n",
		output_text(answer, "until"));
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += a->time_s;
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	return code;
}

/* ---- the policy ---- */

/* The names of the documents in force, which stay the answer's. */
static void take_names(const json_t *answer, const char ***ret, size_t *ret_len)
{
	const json_t *list = json_object_get(answer, "policies");
	const char **names = mem_new(json_array_size(list), sizeof(*names));
	size_t i, n = 0;
	json_t *name;

	json_array_foreach(list, i, name)
		if (json_is_string(name))
			names[n++] = json_string_value(name);
	*ret = names;
	*ret_len = n;
}

static int read_model(const json_t *answer, struct model **ret, struct error *err)
{
	const json_t *text = json_object_get(answer, "snapshot");

	if (!json_is_string(text))
		return error_set(err, -EPROTO, "the daemon's answer has no snapshot");
	return docker_snapshot_read(json_string_value(text), json_string_length(text), ret, err);
}

/* Those that the daemon goes by, as far as they may be read here. */
static struct settings *read_settings(const struct arguments *a)
{
	struct reconcile_options options = arguments_options(a);
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	struct settings *s = NULL;

	if (reconcile_load_settings(&options, &p, &s, NULL) < 0)
		s = settings_new();
	return s;
}

static int write_policy(const struct arguments *a, const json_t *answer, const json_t *table,
			struct error *err)
{
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	CLEANUP_MODEL struct model *m = NULL;
	CLEANUP_SETTINGS struct settings *s = read_settings(a);
	CLEANUP_FREE const char **names = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct learn_wish wish = {.project = a->project, .refused = a->refused};
	int r = learn_table_read(table, PAIRS_MAX, &t, err);

	if (r == 0)
		r = read_model(answer, &m, err);
	take_names(answer, &names, &wish.nnames);
	wish.names = names;
	if (r == 0)
		r = learn_policy_write(t, s, m, &wish, &text, err);
	return r < 0 ? r : output_write(a->output, &text, err);
}

/* ---- the pairs ---- */

static int write_json(const struct arguments *a, json_t *answer, const json_t *table,
		      struct error *err)
{
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	CLEANUP_FREE char *text = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	int r = learn_table_read(table, PAIRS_MAX, &t, err);

	if (r < 0)
		return r;
	/* In the order of names. */
	json_object_update_new(answer, learn_table_json(t));
	json_object_del(answer, "table");
	json_object_del(answer, "snapshot");
	json_object_del(answer, "policies");
	text = json_dumps(answer, JSON_INDENT(2));
	buf_printf(&out, "%s\n", text);
	return output_write(a->output, &out, err);
}

static int write_answer(const struct arguments *a, struct error *err)
{
	CLEANUP_JSON json_t *answer = NULL, *table = NULL;
	int code = ask(a, "learn", &answer, err);
	const char *text = json_string_value(json_object_get(answer, "table"));
	int r;

	if (!answer)
		return code;
	table = text ? json_loads(text, 0, NULL) : NULL;
	r = a->json ? write_json(a, answer, table, err) : write_policy(a, answer, table, err);
	if (r == 0)
		return code;
	return a->output && r != -EINVAL ? QUAYWALL_USAGE : QUAYWALL_UNREACHABLE;
}

int verb_learn(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int code = QUAYWALL_FINE;

	if (a->reset)
		code = forget(a, &err);
	if (code == QUAYWALL_FINE && a->time_s)
		code = wait_until_over(a, &err);
	if (code == QUAYWALL_FINE && (!a->reset || a->time_s))
		code = write_answer(a, &err);
	return verb_fail(code, &err);
}
