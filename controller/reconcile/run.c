#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "notify.h"

#define LIST_INTERVAL_S	 60
#define ENGINE_CHANCE_MS 500

/* ---- signals ---- */

static void signal_ready(void *data, short revents)
{
	struct daemon *d = data;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(d->on_signal.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP) {
		d->loop.stop = true;
		return;
	}
	notify_reloading();
	daemon_reload(d, 0);
	notify_send("READY=1\nSTATUS=%s", d->load_error ? d->load_error : "enforcing");
}

/* Blocks the signals before any thread is started, so that none inherits them open. */
static int open_signals(struct daemon *d, struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, -errno, "signalfd: %s", strerror(errno));
	d->on_signal =
		(struct loop_source) {.fd = fd, .events = POLLIN, .ready = signal_ready, .data = d};
	loop_add(&d->loop, &d->on_signal);
	return 0;
}

/* ---- the service manager's watchdog ---- */

static void watchdog_due(void *data)
{
	struct daemon *d = data;

	notify_send("WATCHDOG=1");
	loop_timer_set(&d->watchdog_timer, d->watchdog_ms);
}

/* ---- start ---- */

static void add_timer(struct daemon *d, struct loop_timer *t, void (*expired)(void *))
{
	*t = (struct loop_timer) {.expired = expired, .data = d};
	loop_add_timer(&d->loop, t);
}

static void add_timers(struct daemon *d)
{
	add_timer(d, &d->reload_timer, daemon_reload_due);
	add_timer(d, &d->apply_timer, daemon_apply_due);
	add_timer(d, &d->host_timer, daemon_host_due);
	add_timer(d, &d->cut_timer, daemon_cut_due);
	add_timer(d, &d->drift_timer, daemon_drift_due);
	add_timer(d, &d->tell_timer, daemon_tell_due);
	add_timer(d, &d->engine_timer, daemon_engine_due);
	add_timer(d, &d->ports_timer, daemon_ports_due);
	add_timer(d, &d->waiting_timer, daemon_waiting_due);
	add_timer(d, &d->filter_timer, daemon_filter_due);
	add_timer(d, &d->bridge_timer, daemon_bridge_due);
	add_timer(d, &d->seen.retry, daemon_seen_due);
	add_timer(d, &d->seen.left_out.timer, daemon_left_out_due);
	add_timer(d, &d->accepted.due, daemon_accepted_due);
	add_timer(d, &d->accepted.repair, daemon_accepted_repair);
	add_timer(d, &d->learning.write_timer, daemon_learn_due);
	add_timer(d, &d->learning.over_timer, daemon_learn_over);
	add_timer(d, &d->accepted.say, daemon_accepted_say);
	add_timer(d, &d->checking.due, daemon_check_due);
	add_timer(d, &d->counting.read_timer, daemon_count_due);
	add_timer(d, &d->counting.write_timer, daemon_count_write_due);
	add_timer(d, &d->watchdog_timer, watchdog_due);
	d->watchdog_ms = notify_watchdog_ms();
	if (d->watchdog_ms)
		loop_timer_set(&d->watchdog_timer, d->watchdog_ms);
}

static void add_source(struct daemon *d, struct loop_source *s, int fd,
		       void (*ready)(void *, short))
{
	*s = (struct loop_source) {.fd = fd, .events = POLLIN, .ready = ready, .data = d};
	loop_add(&d->loop, s);
}

/* The kernel's side. The notifications are subscribed to before the table is read, or a change in
 * between would go unseen. */
static int open_kernel(struct daemon *d, struct error *err)
{
	int r = kernel_open(&d->kernel, true, err);

	if (r == 0)
		r = nft_monitor(d->kernel.nft, err);
	if (r == 0)
		r = kernel_read(&d->kernel, err);
	if (r == 0)
		r = host_open(&d->host, err);
	if (r == 0)
		r = flow_open(-1, &d->flows, err);
	if (r < 0)
		return r;
	add_source(d, &d->on_monitor, nft_monitor_fd(d->kernel.nft), daemon_monitor_ready);
	add_source(d, &d->on_host, host_fd(d->host), daemon_host_ready);
	add_source(d, &d->on_filter, host_bridge_filter_fd(d->host), daemon_filter_ready);
	return 0;
}

static int open_engine(struct daemon *d, struct error *err)
{
	const struct settings *s = d->world.settings;
	struct docker_options options = {
		.url = s->docker,
		.tls_ca = s->tls_ca,
		.tls_cert = s->tls_cert,
		.tls_key = s->tls_key,
		.list_interval = LIST_INTERVAL_S,
	};
	struct model *m = NULL;
	int r;

	if (d->options->snapshot) {
		r = docker_snapshot_load(d->options->snapshot, &m, err);
		if (r == 0)
			daemon_take_model(d, m);
		return r;
	}
	r = docker_watch(&options, &d->docker, err);
	if (r < 0)
		return r;
	add_source(d, &d->on_docker, docker_fd(d->docker), daemon_docker_ready);
	/* A listing of an engine that runs takes less: then no skeleton stands before it. */
	loop_timer_set(&d->engine_timer, ENGINE_CHANCE_MS);
	return 0;
}

/* Where the control socket is, before anything was loaded for good. */
static int open_control(struct daemon *d, struct error *err)
{
	CLEANUP_SETTINGS struct settings *s = world_places(d->options);

	d->control.loop = &d->loop;
	d->control.answer = daemon_request;
	d->control.streams = daemon_seen_stream;
	d->control.prepared = daemon_request_prepared;
	d->control.data = d;
	return control_open(&d->control, s->control, err);
}

/* A set of files that is wrong at the start: the table of the last run, where there is one, stays;
 * an empty set would open the host. */
static enum reconcile_exit start_without_policies(struct daemon *d, struct error *err)
{
	if (kernel_has_table(&d->kernel)) {
		log_line(LOG_LEVEL_ERROR,
			 "no policies in force: the table of the last run stays as it is", NULL);
		d->world.settings = world_places(d->options);
		return QUAYWALL_FINE;
	}
	if (!policy_problems_errors(&d->problems))
		error_set(err, -EINVAL, "%s", d->load_error);
	else
		error_set(err, -EINVAL,
			  "the files have errors, and no table of an earlier run is there to "
			  "keep (quaywall validate shows them)");
	return QUAYWALL_USAGE;
}

/* What is to be in force: what the files say, or what they said when they were confirmed last. */
static enum reconcile_exit load(struct daemon *d, struct error *err)
{
	if (daemon_trial_resume(d) || daemon_load(d))
		return QUAYWALL_FINE;
	if (!d->options->confirm || d->trial.state != TRIAL_NONE)
		return start_without_policies(d, err);
	error_set(err, -EINVAL, "%s", d->load_error);
	return QUAYWALL_USAGE;
}

static enum reconcile_exit start(struct daemon *d, struct error *err)
{
	enum reconcile_exit code;

	add_timers(d);
	if (open_signals(d, err) < 0)
		return QUAYWALL_UNREACHABLE;
	if (open_control(d, err) < 0)
		return QUAYWALL_USAGE;
	/* A host without metrics is not worse guarded: what is in the way is only told. */
	daemon_scrape_open(d);
	if (open_kernel(d, err) < 0 || daemon_trial_open(d, err) < 0)
		return QUAYWALL_UNREACHABLE;
	daemon_learn_open(d);
	daemon_count_open(d);
	daemon_check_open(d);
	/* What cannot be read from here on is refused now, not at some later reload. */
	daemon_confine(d);
	code = load(d, err);
	if (code != QUAYWALL_FINE)
		return code;
	if (open_engine(d, err) < 0)
		return d->options->snapshot ? QUAYWALL_USAGE : QUAYWALL_UNREACHABLE;
	daemon_keep(d);
	if (kernel_has_table(&d->kernel))
		daemon_ready(d);
	return QUAYWALL_FINE;
}

/* ---- end ---- */

/* The rules stay: whoever stops the daemon does not ask for an open host. */
void daemon_done(struct daemon *d)
{
	control_close(&d->control);
	docker_stop(d->docker);
	daemon_check_done(d);
	daemon_accepted_done(d);
	daemon_seen_done(d);
	daemon_scrape_done(d);
	daemon_alert_done(d);
	daemon_outlet_done(d);
	watchdir_done(&d->watch);
	world_drop(&d->world, NULL);
	model_free(d->waiting);
	flow_close(d->flows);
	host_close(d->host);
	kernel_done(&d->kernel);
	if (d->on_signal.ready)
		close(d->on_signal.fd);
	daemon_learn_done(d);
	daemon_count_done(d);
	daemon_trial_done(d);
	policy_problems_done(&d->problems);
	sandbox_done(&d->sandbox);
	free(d->watched);
	free(d->engine_trouble);
	free(d->load_error);
	free(d->apply_error);
	free(d->model_error);
	free(d->cut_error);
	free(d->filter_error);
	free(d->learning_error);
}

enum reconcile_exit reconcile_run(const struct reconcile_options *options, struct error *err)
{
	struct daemon d = {
		.options = options,
		.watch = WATCHDIR_INIT,
		.started = time(NULL),
		.loop.woke_us = loop_now_us(),
	};
	enum reconcile_exit code;

	mem_share();
	code = start(&d, err);
	while (code == QUAYWALL_FINE && !d.loop.stop)
		if (loop_turn(&d.loop, err) < 0)
			code = QUAYWALL_UNREACHABLE;
	if (code == QUAYWALL_FINE) {
		notify_send("STOPPING=1");
		log_line(LOG_LEVEL_INFO, "stopping, the rules stay", NULL);
	}
	daemon_done(&d);
	return code;
}
