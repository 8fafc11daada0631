#include "offline.h"

#include <errno.h>
#include <stdio.h>

#include "quaywall/check.h"
#include "quaywall/docker.h"
#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"

static int load_policies(struct offline *o, const struct arguments *a, const char *dir,
			 bool takes_files, struct error *err)
{
	if (takes_files && a->noperands)
		return policy_load_files((char *const *)a->operands, a->noperands, &o->problems,
					 &o->policies, err);
	return policy_load(dir, &o->problems, &o->policies, err);
}

int offline_load(struct offline *o, const struct arguments *a, bool takes_files, struct error *err)
{
	struct reconcile_options options = arguments_options(a);
	CLEANUP_SETTINGS struct settings *defaults = settings_new();
	int settings = reconcile_load_settings(&options, &o->problems, &o->settings, err);
	const char *dir =
		a->policies ? a->policies : (o->settings ? o->settings : defaults)->policies;
	int r;

	if (settings < 0 && settings != -EINVAL)
		return QUAYWALL_USAGE;
	/* Also where the settings are wrong: one run names every error. */
	r = load_policies(o, a, dir, takes_files, err);
	return settings < 0 || r < 0 ? QUAYWALL_USAGE : QUAYWALL_FINE;
}

static int read_interfaces(struct model *m, struct error *err)
{
	CLEANUP_HOST struct host *h = NULL;
	int r = host_open(&h, err);

	if (r == 0)
		r = host_read_interfaces(h, m, err);
	return r < 0 ? r : host_bind_ports(h, m, err);
}

int offline_list(struct offline *o, const struct arguments *a, bool here, struct error *err)
{
	struct docker_options options = {
		.url = o->settings->docker,
		.tls_ca = o->settings->tls_ca,
		.tls_cert = o->settings->tls_cert,
		.tls_key = o->settings->tls_key,
	};

	if (a->snapshot) {
		if (docker_snapshot_load(a->snapshot, &o->model, err) < 0)
			return QUAYWALL_USAGE;
		return here && read_interfaces(o->model, err) < 0 ? QUAYWALL_UNREACHABLE
								  : QUAYWALL_FINE;
	}
	if (docker_list(&options, &o->model, err) < 0 || read_interfaces(o->model, err) < 0)
		return QUAYWALL_UNREACHABLE;
	if (here && docker_check_here(o->model, err) < 0)
		return QUAYWALL_UNREACHABLE;
	return QUAYWALL_FINE;
}

json_t *offline_posture(const struct settings *settings)
{
	struct docker_options options = {
		.url = settings->docker,
		.tls_ca = settings->tls_ca,
		.tls_cert = settings->tls_cert,
		.tls_key = settings->tls_key,
	};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *docker = NULL, *host = host_posture(settings->docker, NULL), *whole;
	int r = docker_posture(&options, &docker, &err);

	reconcile_overlay_traffic(host);
	whole = check_posture(docker, r < 0 ? error_text(&err) : NULL, host);
	reconcile_rule_hits_of(settings, whole);
	json_decref(docker);
	json_decref(host);
	return whole;
}

int offline_compile(struct offline *o)
{
	o->compiled = compile_new(o->settings, o->policies, o->model, &o->problems);
	return o->compiled ? QUAYWALL_FINE : QUAYWALL_USAGE;
}

void offline_print_problems(const struct offline *o)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	policy_problems_print(&o->problems, &text);
	fputs(buf_text(&text), stderr);
}

int offline_world(struct offline *o, const struct arguments *a, bool here, struct error *err)
{
	int code = offline_load(o, a, false, err);

	if (code == QUAYWALL_FINE)
		code = offline_list(o, a, here, err);
	if (code == QUAYWALL_FINE)
		code = offline_compile(o);
	offline_print_problems(o);
	return code;
}

void offline_done(struct offline *o)
{
	compile_free(o->compiled);
	model_free(o->model);
	policy_set_free(o->policies);
	settings_free(o->settings);
	policy_problems_done(&o->problems);
	*o = (struct offline) {.settings = NULL};
}
