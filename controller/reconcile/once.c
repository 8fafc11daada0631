/*
 * once: `run --once`. The same story in one pass, for a machine that wants no daemon.
 */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>

#include "quaywall/log.h"

static enum reconcile_exit load(struct daemon *d, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r = world_load(&d->world, d->options, &d->problems, err);

	if (r == 0)
		return QUAYWALL_FINE;
	policy_problems_print(&d->problems, &text);
	fputs(buf_text(&text), stderr);
	if (policy_problems_errors(&d->problems))
		error_set(err, r, "the files have errors");
	return QUAYWALL_USAGE;
}

static enum reconcile_exit list(struct daemon *d, struct error *err)
{
	const struct settings *s = d->world.settings;
	struct docker_options options = {
		.url = s->docker,
		.tls_ca = s->tls_ca,
		.tls_cert = s->tls_cert,
		.tls_key = s->tls_key,
	};
	int r;

	if (d->options->snapshot &&
	    docker_snapshot_load(d->options->snapshot, &d->world.model, err) < 0)
		return QUAYWALL_USAGE;
	if (!d->options->snapshot && docker_list(&options, &d->world.model, err) < 0)
		return QUAYWALL_UNREACHABLE;
	r = host_open(&d->host, err);
	if (r == 0)
		r = host_read_interfaces(d->host, d->world.model, err);
	if (r == 0)
		r = host_bind_ports(d->host, d->world.model, err);
	if (r == 0 && !d->options->snapshot)
		r = docker_check_here(d->world.model, err);
	return r < 0 ? QUAYWALL_UNREACHABLE : QUAYWALL_FINE;
}

static enum reconcile_exit compile(struct daemon *d, struct error *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r = world_compile(&d->world, &d->problems);

	if (r == 0)
		return QUAYWALL_FINE;
	policy_problems_print(&d->problems, &text);
	fputs(buf_text(&text), stderr);
	error_set(err, r, "the policies do not fit what runs");
	return QUAYWALL_USAGE;
}

static enum reconcile_exit apply(struct daemon *d, struct error *err)
{
	CLEANUP_WANTED struct kernel_wanted wanted = {compile_ruleset(d->world.compiled),
						      compile_bridge_ruleset(d->world.compiled)};
	struct kernel_change change;
	char steps[24], cut[24];
	size_t flows = 0;
	int r = kernel_open(&d->kernel, false, err);

	if (r == 0)
		r = kernel_apply(&d->kernel, &wanted, &change, err);
	if (r == 0)
		r = flow_open(-1, &d->flows, err);
	if (r < 0)
		return QUAYWALL_UNREACHABLE;
	if (d->kernel.bridge_error)
		log_line(LOG_LEVEL_ERROR, "tagged frames are not governed", "table",
			 "bridge " QUAYWALL_TABLE, "cause", d->kernel.bridge_error, NULL);
	daemon_bridge_filter(d);
	if (cut_refused(d->flows, &d->kernel, d->host, &d->world, &flows, err) < 0)
		return QUAYWALL_UNREACHABLE;
	snprintf(steps, sizeof(steps), "%zu", change.steps);
	snprintf(cut, sizeof(cut), "%zu", flows);
	log_line(LOG_LEVEL_INFO, "rules applied, leaving", "changes", steps, "flows_cut", cut,
		 NULL);
	return QUAYWALL_FINE;
}

enum reconcile_exit reconcile_once(const struct reconcile_options *options, struct error *err)
{
	struct daemon d = {.options = options, .watch = WATCHDIR_INIT};
	enum reconcile_exit code = load(&d, err);

	if (code == QUAYWALL_FINE)
		code = list(&d, err);
	if (code == QUAYWALL_FINE)
		code = compile(&d, err);
	if (code == QUAYWALL_FINE)
		code = apply(&d, err);
	daemon_done(&d);
	return code;
}
