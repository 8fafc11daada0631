#include "verbs.h"

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"
#include "offline.h"
#include "output.h"

/* One that was recorded stays as it was: this host's has nothing to do with it. */
static int write_snapshot(const struct offline *o, const struct arguments *a, struct buf *out,
			  struct error *err)
{
	json_t *posture = NULL;
	int r = 0;

	if (a->snapshot)
		r = docker_snapshot_load_posture(a->snapshot, &posture, err);
	else
		posture = offline_posture(o->settings);
	if (r == 0)
		docker_snapshot_write_with(o->model, posture, out);
	json_decref(posture);
	return r;
}

int verb_snapshot(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct reconcile_options options = arguments_options(a);
	int code, r;

	r = reconcile_load_settings(&options, &o.problems, &o.settings, &err);
	offline_print_problems(&o);
	if (r < 0)
		return verb_fail(QUAYWALL_USAGE, &err);
	code = offline_list(&o, a, false, &err);
	if (code != QUAYWALL_FINE)
		return verb_fail(code, &err);
	if (write_snapshot(&o, a, &text, &err) < 0)
		return verb_fail(QUAYWALL_USAGE, &err);
	r = output_write(a->output, &text, &err);
	return r < 0 ? verb_fail(QUAYWALL_USAGE, &err) : QUAYWALL_FINE;
}
