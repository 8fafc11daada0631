/*
 * confirm: a set of policies on trial. Until `confirm`, the set that was confirmed last is kept on disk beside the
 * end of the trial (trial.h), and comes back when that is reached: also when the daemon was killed meanwhile, and
 * after a reboot.
 *
 * The order of things is what makes that hold at any instant. A trial is on the disk before the kernel hears of the
 * new set: killed in between, the next start counts on. When it is over, the kernel hears first and the disk then:
 * killed in between, the next start finds a trial whose end has passed, and does the same again.
 */
#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "notify.h"
#include "statefile.h"

#define TRY_AGAIN_MS 5000
#define NOT_CONFIRMED                                                                           \
	"the files are not in force: not confirmed in time ('quaywall reload --confirm' tries " \
	"them again)"

/* ---- the end of a trial ---- */

/* A timer of its own: the loop's count the machine's waking hours alone. */
static void arm(struct daemon *d, uint64_t ms)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
	};

	/* All zero would be never. */
	if (ms == 0)
		when.it_value.tv_nsec = 1;
	timerfd_settime(d->on_trial.fd, 0, &when, NULL);
}

static void disarm(struct daemon *d)
{
	static const struct itimerspec never;

	timerfd_settime(d->on_trial.fd, 0, &never, NULL);
}

/* Writes down what D->trial says. What cannot be written is told, not fatal: see the callers. */
static int keep(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = trial_write(d->state_folder, &d->trial, &err);
	bool is_news = r < 0 && (!d->trial_error || strcmp(d->trial_error, error_text(&err)) != 0);

	if (is_news)
		log_line(LOG_LEVEL_WARNING, "the confirmed policies cannot be kept for a restart",
			 "cause", error_text(&err), NULL);
	daemon_note(&d->trial_error, r < 0 ? error_text(&err) : NULL);
	return r;
}

/* The set in force is the confirmed one. Where that cannot be written, an older one must not stand there. */
static int settle(struct daemon *d)
{
	int r;

	disarm(d);
	trial_done(&d->trial);
	d->trial.known = sources_copy(d->world.sources);
	d->trial.since = time(NULL);
	r = keep(d);
	daemon_note(&d->not_in_force, NULL);
	return r < 0 ? trial_remove(d->state_folder, NULL) : 0;
}

static void over(struct daemon *d, uint64_t refused)
{
	disarm(d);
	if (d->trial.state != TRIAL_OVER)
		d->trial.since = time(NULL);
	d->trial.state = TRIAL_OVER;
	d->trial.deadline = 0;
	d->trial.refused = refused;
	keep(d);
	daemon_note(&d->not_in_force, NOT_CONFIRMED);
	log_line(LOG_LEVEL_WARNING, "policies not confirmed in time", "in_force",
		 d->trial.known ? "the set before" : "nothing", NULL);
	notify_send("STATUS=not confirmed in time: %s",
		    d->trial.known ? "the policies before are in force" : "nothing is enforced");
}

/* Nothing was enforced before: so it is again, and stays so until `reload`. */
static int enforce_nothing(struct daemon *d, struct error *err)
{
	struct world next = {.settings = d->world.settings, .model = d->world.model};
	int r = daemon_flush(d, err);

	if (r < 0)
		return r;
	if (!next.settings)
		next.settings = world_places(d->options);
	world_replace(&d->world, &next);
	return 0;
}

static int enforce_known(struct daemon *d, struct error *err)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	struct world next = {.settings = NULL};
	int r = world_load_sources(&next, d->options, d->trial.known, &p);

	if (r < 0)
		error_set(err, r, "this version cannot read the confirmed policies any more");
	if (r == 0)
		r = daemon_choose_model(d, &next, err);
	if (r < 0) {
		world_drop(&next, &d->world);
		return r;
	}
	/* What has become wrong with the containers of today is left out. */
	if (next.model && world_compile(&next, &p) < 0)
		world_compile(&next, NULL);
	daemon_put_in_force(d, &next);
	return 0;
}

static int go_back(struct daemon *d, struct error *err)
{
	return d->trial.known ? enforce_known(d, err) : enforce_nothing(d, err);
}

static void end_trial(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	uint64_t refused = sources_fingerprint(d->world.sources);

	if (d->world.policies && sources_equal(d->world.sources, d->trial.known)) {
		log_line(LOG_LEVEL_INFO, "trial over, nothing had changed", NULL);
		settle(d);
		return;
	}
	if (go_back(d, &err) < 0) {
		log_line(LOG_LEVEL_ERROR, "policies not confirmed in time, but they stay", "cause",
			 error_text(&err), NULL);
		daemon_note(&d->trial_error, error_text(&err));
		arm(d, TRY_AGAIN_MS);
		return;
	}
	over(d, refused);
}

static void trial_ready(void *data, short revents)
{
	struct daemon *d = data;
	uint64_t times, left;

	(void)revents;
	if (read(d->on_trial.fd, &times, sizeof(times)) < 0 || d->trial.state != TRIAL_PENDING)
		return;
	left = trial_left(&d->trial);
	if (left)
		arm(d, left);
	else
		end_trial(d);
}

/* ---- the beginning ---- */

/* What has to come back: what was confirmed last; where nothing is on trial, what is in force. */
static int choose_known(const struct daemon *d, struct sources **ret, struct error *err)
{
	const struct sources *known = d->trial.known;

	if (d->trial.state == TRIAL_NONE && d->resumes)
		known = NULL; /* flushed */
	else if (d->trial.state == TRIAL_NONE && d->world.policies)
		known = d->world.sources;
	if (!known && !d->world.policies && kernel_has_table(&d->kernel))
		return error_set(err, -EINVAL,
				 "nothing is known of what the table of the last run was made "
				 "from, so it could not return ('quaywall run' without --confirm "
				 "once, or 'quaywall flush' first)");
	*ret = sources_copy(known);
	return 0;
}

/* A trial that is looked for in another place after a restart would never end. */
static int check_places(const struct daemon *d, const struct world *next, struct error *err)
{
	CLEANUP_FREE char *folder = world_state_folder(next->settings);

	if (strcmp(folder, d->state_folder) == 0)
		return 0;
	return error_set(err, -EINVAL,
			 "the settings `control` and `state` cannot change on trial (from %s to "
			 "%s)",
			 d->state_folder, folder);
}

static int begin(struct daemon *d, struct error *err)
{
	struct trial t = {
		.state = TRIAL_PENDING,
		.deadline = trial_now() + d->trial_asked * 1000ull,
		.since = time(NULL),
	};
	int r = choose_known(d, &t.known, err);

	if (r < 0)
		return r;
	trial_boot(t.boot);
	r = trial_write(d->state_folder, &t, err);
	if (r < 0) {
		trial_done(&t);
		return error_wrap(err, r, "the policies cannot be put on trial");
	}
	d->trial = t;
	return 0;
}

int daemon_trial_adopt(struct daemon *d, struct world *next, struct error *err)
{
	struct trial before = d->trial;
	int r = 0;

	if (d->trial_asked || d->trial.state == TRIAL_PENDING)
		r = check_places(d, next, err);
	if (r == 0 && d->trial_asked)
		r = begin(d, err);
	if (r < 0) {
		world_drop(next, &d->world);
		return r;
	}
	r = daemon_adopt(d, next, err);
	if (!d->trial_asked)
		return r;
	if (r < 0) {
		trial_done(&d->trial);
		d->trial = before;
		keep(d);
		return r;
	}
	trial_done(&before);
	arm(d, trial_left(&d->trial));
	daemon_note(&d->trial_error, NULL);
	daemon_note(&d->not_in_force, NULL);
	log_line(LOG_LEVEL_WARNING, "policies on trial until confirmed", NULL);
	return 0;
}

void daemon_trial_loaded(struct daemon *d)
{
	if (d->trial.state == TRIAL_PENDING)
		return;
	daemon_note(&d->not_in_force, NULL);
	if (d->trial.state == TRIAL_OVER || d->trial_error ||
	    !sources_equal(d->trial.known, d->world.sources))
		settle(d);
}

/* ---- confirm ---- */

enum reconcile_exit daemon_confirm(struct daemon *d, struct error *err)
{
	if (d->trial.state != TRIAL_PENDING) {
		error_set(err, -ENOENT, "nothing is on trial%s",
			  d->trial.state == TRIAL_OVER ? ": it was not confirmed in time" : "");
		return QUAYWALL_FINDINGS;
	}
	/* The files may not have been good since the start. */
	if (!d->world.policies) {
		error_set(err, -ENOENT, "no policies are in force that could be confirmed");
		return QUAYWALL_FINDINGS;
	}
	if (trial_left(&d->trial) == 0) {
		end_trial(d);
		error_set(err, -ETIME, "too late: the time is over");
		return QUAYWALL_FINDINGS;
	}
	if (settle(d) < 0) {
		error_set(err, -EIO, "confirmed until the next start only: %s", d->trial_error);
		return QUAYWALL_UNREACHABLE;
	}
	log_line(LOG_LEVEL_INFO, "policies confirmed", NULL);
	return QUAYWALL_FINE;
}

/* ---- changed files ---- */

static struct sources *read_files(const struct daemon *d)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	struct world w = {.settings = NULL};
	struct sources *now;

	world_load(&w, d->options, &p, NULL);
	now = w.sources;
	w.sources = NULL;
	world_drop(&w, NULL);
	return now;
}

bool daemon_takes_changes(struct daemon *d)
{
	bool is_over = d->trial.state == TRIAL_OVER;
	CLEANUP_SOURCES struct sources *now = NULL;

	if (!is_over && (!d->world.policies || d->world.settings->watch))
		return true;
	now = read_files(d);
	/* Whoever puts the files back is done. */
	if (sources_equal(now, d->world.sources) && d->world.policies) {
		if (is_over)
			settle(d);
		daemon_note(&d->not_in_force, NULL);
	} else if (!is_over) {
		daemon_note(&d->not_in_force,
			    "the files have changed: in force by 'quaywall reload'");
	}
	return false;
}

/* ---- start ---- */

static int open_timer(struct daemon *d, struct error *err)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return error_set(err, -errno, "timerfd_create: %s", strerror(errno));
	d->on_trial =
		(struct loop_source) {.fd = fd, .events = POLLIN, .ready = trial_ready, .data = d};
	loop_add(&d->loop, &d->on_trial);
	return 0;
}

int daemon_trial_open(struct daemon *d, struct error *err)
{
	CLEANUP_ERROR struct error why = ERROR_INIT;
	CLEANUP_SETTINGS struct settings *places = world_places(d->options);
	int r = open_timer(d, err);

	if (r < 0)
		return r;
	d->state_folder = world_state_folder(places);
	/* Now, as a daemon that gives up its rights can only keep those to a folder that is there. If it cannot
	 * be made, the first writing says so. */
	statefile_make_folder(d->state_folder, NULL);
	r = trial_read(d->state_folder, &d->trial, &why);
	if (r == 0 || r == -ENOENT)
		return 0;
	/* Whether something was on trial is not to be known: the files are all there is. */
	daemon_note(&d->trial_error, error_text(&why));
	log_line(LOG_LEVEL_ERROR, "the confirmed policies cannot be read", "cause", d->trial_error,
		 NULL);
	return 0;
}

/* Whether the set that was confirmed last is to be in force, not what the files say: what was on trial is over,
 * and nobody has asked for it again. `run --confirm` asks, but not for what was refused: the service manager
 * starts it again and again. */
static bool keeps_known(struct daemon *d, uint64_t *ret_refused)
{
	CLEANUP_SOURCES struct sources *now = NULL;

	*ret_refused = d->trial.refused;
	if (d->trial.state == TRIAL_NONE)
		return false;
	if (d->trial.state == TRIAL_PENDING && trial_left(&d->trial))
		return false;
	now = read_files(d);
	if (sources_equal(now, d->trial.known)) {
		d->trial.state = TRIAL_NONE;
		return false;
	}
	if (d->trial.state == TRIAL_PENDING) {
		*ret_refused = sources_fingerprint(now);
		return true;
	}
	return !d->options->confirm || sources_fingerprint(now) == d->trial.refused;
}

bool daemon_trial_resume(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	uint64_t refused;

	if (!keeps_known(d, &refused)) {
		if (d->trial.state == TRIAL_PENDING)
			arm(d, trial_left(&d->trial));
		else
			d->trial_asked = d->options->confirm;
		return false;
	}
	daemon_follow_files(d);
	if (go_back(d, &err) < 0) {
		log_line(LOG_LEVEL_ERROR, "policies were not confirmed, but what was is lost",
			 "cause", error_text(&err), NULL);
		daemon_note(&d->trial_error, error_text(&err));
		trial_done(&d->trial);
		return false;
	}
	over(d, refused);
	if (d->suspended)
		daemon_ready(d);
	return true;
}

void daemon_trial_done(struct daemon *d)
{
	if (d->on_trial.ready)
		close(d->on_trial.fd);
	trial_done(&d->trial);
	free(d->state_folder);
	free(d->trial_error);
	free(d->not_in_force);
}
