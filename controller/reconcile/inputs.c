#include "daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quaywall/log.h"
#include "quaywall/mem.h"
#include "notify.h"

#define DEBOUNCE_MS    200
#define EMPTY_MS       3000
#define BURST_MS       2000
#define HOST_MS	       100
#define SECOND_LOOK_MS 1000
#define TRY_AGAIN_MS   5000

void daemon_note(char **text, const char *now)
{
	char *copy = mem_strdup(now);

	free(*text);
	*text = copy;
}

/* ---- settings and policies ---- */

static void log_problems(const struct policy_problems *p)
{
	for (size_t i = 0; i < p->len; i++) {
		const struct policy_problem *problem = &p->items[i];
		bool is_error = problem->severity == POLICY_ERROR;
		char line[16];

		snprintf(line, sizeof(line), "%u", problem->where.line);
		log_line(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
			 is_error ? "policy error" : "policy warning", "file", problem->where.file,
			 "line", problem->where.line ? line : NULL, "text", problem->text, NULL);
	}
}

static bool differ(const char *a, const char *b)
{
	return (a || b) && (!a || !b || strcmp(a, b) != 0);
}

/* What is opened once, at the start. */
static void warn_of_restart(const struct settings *was, const struct settings *is)
{
	const char *setting = differ(was->docker, is->docker) ? "docker"
			      : differ(was->tls_ca, is->tls_ca) ||
					      differ(was->tls_cert, is->tls_cert) ||
					      differ(was->tls_key, is->tls_key)
				      ? "tls"
			      : differ(was->control, is->control) ? "control"
								  : NULL;

	if (setting)
		log_line(LOG_LEVEL_WARNING, "setting takes effect at the next start", "setting",
			 setting, NULL);
}

static void watch_files(struct daemon *d, const char *policies)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;

	loop_remove(&d->loop, &d->on_watch);
	if (watchdir_reset(&d->watch, &err) < 0) {
		log_line(LOG_LEVEL_ERROR, "files are not watched, reload by SIGHUP", "cause",
			 error_text(&err), NULL);
		loop_timer_hasten(&d->reload_timer, TRY_AGAIN_MS);
		if (d->watch.fd >= 0)
			loop_add(&d->loop, &d->on_watch);
		return;
	}
	watchdir_add(&d->watch, d->options->config ? d->options->config : RECONCILE_CONFIG);
	watchdir_add(&d->watch, policies);
	daemon_note(&d->watched, policies);
	d->on_watch = (struct loop_source) {
		.fd = d->watch.fd, .events = POLLIN, .ready = daemon_watch_ready, .data = d};
	loop_add(&d->loop, &d->on_watch);
}

/* Wrong settings do not say where the policies are: those in force do. */
void daemon_follow_files(struct daemon *d)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	CLEANUP_SETTINGS struct settings *now = NULL;

	if (reconcile_load_settings(d->options, &p, &now, NULL) < 0 && !d->world.settings)
		now = world_places(d->options);
	watch_files(d, now ? now->policies : d->world.settings->policies);
}

/* The settings were changed again while they were read. */
static void follow_moved_files(struct daemon *d)
{
	if (!differ(d->watched, d->world.settings->policies))
		return;
	watch_files(d, d->world.settings->policies);
	loop_timer_set(&d->reload_timer, DEBOUNCE_MS);
}

void daemon_watch_ready(void *data, short revents)
{
	struct daemon *d = data;

	(void)revents;
	if (!watchdir_dispatch(&d->watch))
		return;
	/* The last of a burst of changes counts, but a burst that never ends must not keep us from reading. */
	if (!d->reload_timer.due)
		d->burst_began = loop_now();
	if (loop_now() - d->burst_began < BURST_MS)
		loop_timer_set(&d->reload_timer, DEBOUNCE_MS);
}

/* None where the engine never answered and no skeleton was laid: the table of the last run stays, or the engine
 * has its chance first. */
int daemon_choose_model(struct daemon *d, struct world *w, struct error *err)
{
	if (d->skeleton)
		return world_skeleton(d->host, &w->model, err);
	w->model = d->world.model;
	return 0;
}

int daemon_adopt(struct daemon *d, struct world *next, struct error *err)
{
	int r = next->compiled ? daemon_apply(d, next, err) : 0;

	if (r < 0) {
		world_drop(next, &d->world);
		return r;
	}
	world_replace(&d->world, next);
	if (d->world.compiled)
		kernel_forget(&d->kernel);
	daemon_seen_follow(d);
	daemon_scrape_follow(d);
	daemon_outlet_follow(d);
	daemon_alert_follow(d);
	daemon_accepted_follow(d);
	daemon_check_soon(d);
	if (d->world.compiled) {
		daemon_bridge_filter(d);
		daemon_ready(d);
	}
	return 0;
}

/* A folder that is not there is an empty set, as on a fresh host. But where policies are in force, or were in the
 * last run, it is a mistake, or only away for a moment: an empty set would open the host. */
static int check_folder(const struct daemon *d, const struct world *next, struct policy_problems *p,
			struct error *err)
{
	const char *dir = next->settings->policies;
	bool guards = d->world.policies ? d->world.policies->ndocuments > 0
					: kernel_has_table(&d->kernel);

	if (!guards || access(dir, F_OK) == 0 || errno != ENOENT)
		return 0;
	/* Among them that no policy is in force, which is not so. */
	policy_problems_done(p);
	return error_set(err, -ENOENT,
			 "the folder %s is not there ('quaywall flush' ends enforcement)", dir);
}

/* The last policy is gone: meant so, or a folder that is emptied and filled again. It is taken when asked for, or
 * when it stays so. */
static int check_empty(struct daemon *d, const struct world *next, struct error *err)
{
	bool empties = d->world.policies && d->world.policies->ndocuments > 0 &&
		       next->policies->ndocuments == 0;

	if (!empties || d->asked) {
		d->empty_since = 0;
		return 0;
	}
	if (!d->empty_since)
		d->empty_since = loop_now();
	if (loop_now() - d->empty_since >= EMPTY_MS)
		return 0;
	loop_timer_hasten(&d->reload_timer, EMPTY_MS);
	return error_set(
		err, -ENOENT,
		"no policy is left in %s: in force in %d s if it stays so, at once by reload",
		next->settings->policies, EMPTY_MS / 1000);
}

static int load(struct daemon *d, struct policy_problems *p, struct error *err)
{
	struct world next = {.settings = NULL};
	int r = world_load(&next, d->options, p, err);

	if (r == 0)
		r = check_folder(d, &next, p, err);
	if (r == 0)
		r = check_empty(d, &next, err);
	if (r == 0)
		r = daemon_choose_model(d, &next, err);
	if (r == 0 && next.model)
		r = world_compile(&next, p);
	if (r < 0) {
		world_drop(&next, &d->world);
		return r;
	}
	if (d->world.settings)
		warn_of_restart(d->world.settings, next.settings);
	return daemon_trial_adopt(d, &next, err);
}

static void log_loaded(const struct daemon *d)
{
	const struct policy_set *set = d->world.policies;
	char documents[24], files[24];

	snprintf(documents, sizeof(documents), "%zu", set->ndocuments);
	snprintf(files, sizeof(files), "%zu", set->nfiles);
	log_line(LOG_LEVEL_INFO,
		 d->world.compiled ? "policies in force" : "policies read, waiting for the engine",
		 "documents", documents, "files", files, NULL);
}

bool daemon_load(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct policy_problems p = {NULL, 0, 0};
	unsigned long failures = d->failures;
	bool on_trial = d->trial_asked;
	int r;

	daemon_follow_files(d);
	r = load(d, &p, &err);
	if (d->asked && d->docker)
		docker_relist(d->docker);
	d->asked = false;
	d->trial_asked = 0;
	if (r == 0) {
		follow_moved_files(d);
		daemon_trial_loaded(d);
	}
	policy_problems_done(&d->problems);
	d->problems = p;
	log_problems(&d->problems);
	if (r == 0) {
		daemon_note(&d->load_error, NULL);
		d->loaded = time(NULL);
		log_loaded(d);
		return true;
	}
	daemon_note(&d->load_error,
		    policy_problems_errors(&d->problems) ? "files have errors" : error_text(&err));
	log_line(LOG_LEVEL_ERROR, "policies refused, the set in force stays", "cause",
		 d->load_error, NULL);
	/* Where the kernel or a shortage, not a file, is in the way, that can pass; but a trial begins when it is asked
	 * for. */
	if (!on_trial &&
	    (d->failures > failures || r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO))
		loop_timer_set(&d->reload_timer, TRY_AGAIN_MS);
	return false;
}

bool daemon_reload(struct daemon *d, unsigned trial_s)
{
	bool was_suspended = d->suspended;
	bool good;

	d->resumes = was_suspended;
	d->suspended = false;
	d->asked = true;
	d->trial_asked = trial_s;
	daemon_outlet_reopen(d);
	good = daemon_load(d);
	d->resumes = false;
	/* A set that was refused does not mean that the one in force stays away after a flush. */
	if (!good && (trial_s || !d->world.compiled))
		d->suspended = was_suspended;
	else if (!good)
		daemon_apply_due(d);
	return good;
}

void daemon_reload_due(void *data)
{
	struct daemon *d = data;

	if (!daemon_takes_changes(d)) {
		daemon_follow_files(d);
		return;
	}
	daemon_load(d);
	notify_send("STATUS=%s", d->load_error ? d->load_error : "enforcing");
}

/* ---- the model ---- */

/* Compiles the set in force with M. A document that is wrong with this model alone is left out. */
static void compile_with(struct daemon *d, struct world *next, struct model *m)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	*next = (struct world) {.sources = d->world.sources,
				.settings = d->world.settings,
				.policies = d->world.policies,
				.model = m};
	if (!next->policies)
		return;
	if (world_compile(next, &p) < 0)
		world_compile(next, NULL);
	log_problems(&p);
}

void daemon_put_in_force(struct daemon *d, struct world *next)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool is_first = next->compiled && !d->world.compiled;
	int r = next->compiled ? daemon_apply_model(d, next, &err) : 0;

	world_replace(&d->world, next);
	if (r == 0 && d->world.compiled)
		kernel_forget(&d->kernel);
	daemon_seen_follow(d);
	daemon_scrape_follow(d);
	daemon_outlet_follow(d);
	daemon_alert_follow(d);
	daemon_accepted_follow(d);
	daemon_check_soon(d);
	if (r < 0) {
		daemon_apply_failed(d, &err);
		return;
	}
	if (is_first)
		log_loaded(d);
	if (d->world.compiled) {
		daemon_bridge_filter(d);
		daemon_ready(d);
	}
}

/* The engine's word counts, whatever the kernel says of it. */
static void put_in_force(struct daemon *d, struct model *m, bool skeleton)
{
	struct world next;

	log_line(LOG_LEVEL_DEBUG, "all of it is compiled", NULL);
	compile_with(d, &next, m);
	d->skeleton = skeleton;
	daemon_put_in_force(d, &next);
}

static void refuse_model(struct daemon *d, const struct error *err)
{
	if (differ(d->model_error, error_text(err)))
		log_line(LOG_LEVEL_ERROR, "the engine is not of this host, the rules stay", "cause",
			 error_text(err), NULL);
	daemon_note(&d->model_error, error_text(err));
}

static void take_model(struct daemon *d, struct model *m, bool last_look)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = host_read_interfaces(d->host, m, &err);

	if (r == 0)
		daemon_follow_bridges(d, m);
	if (r == 0 && !d->options->snapshot)
		r = docker_check_here(m, &err);
	if (r < 0) {
		/* A network may have come or gone between the two readings. */
		model_free(d->waiting);
		d->waiting = m;
		if (last_look)
			refuse_model(d, &err);
		else
			loop_timer_set(&d->waiting_timer, SECOND_LOOK_MS);
		return;
	}
	model_free(d->waiting);
	d->waiting = NULL;
	loop_timer_clear(&d->waiting_timer);
	daemon_note(&d->model_error, NULL);
	/* Those found count, whatever the error: the others' frames are refused. */
	if (host_bind_ports(d->host, m, &err) < 0)
		log_line(LOG_LEVEL_WARNING, "cannot look for containers' ports", "cause",
			 error_text(&err), NULL);
	if (!daemon_step(d, m))
		put_in_force(d, m, false);
	daemon_ports_wanted(d);
}

void daemon_take_model(struct daemon *d, struct model *m)
{
	take_model(d, m, false);
}

void daemon_waiting_due(void *data)
{
	struct daemon *d = data;
	struct model *m = d->waiting;

	d->waiting = NULL;
	if (m)
		take_model(d, m, true);
}

/* Nothing is in the kernel and the engine does not answer: whatever its bridges carry is unknown.
 */
static void lay_skeleton(struct daemon *d)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	if (kernel_has_table(&d->kernel) && !d->skeleton)
		return;
	if (world_skeleton(d->host, &m, &err) < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot read the host's interfaces", "cause",
			 error_text(&err), NULL);
		return;
	}
	if (!d->skeleton)
		log_line(LOG_LEVEL_WARNING,
			 "the engine is away: unknown addresses on its bridges are refused", NULL);
	put_in_force(d, m, true);
}

void daemon_engine_due(void *data)
{
	struct daemon *d = data;

	if (!d->world.model)
		lay_skeleton(d);
}

static void log_engine(const struct docker_status *s)
{
	static const char *const events[] = {
		[DOCKER_CONNECTING] = "engine not reachable yet",
		[DOCKER_CONNECTED] = "engine connected",
		[DOCKER_LOST] = "engine lost, the rules stay",
		[DOCKER_REFUSED] = "engine cannot be governed, the rules stay",
	};

	log_line(s->state == DOCKER_CONNECTED ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		 events[s->state], "cause", s->error, NULL);
}

static void log_trouble(struct daemon *d, const struct docker_status *s)
{
	const char *trouble = s->state == DOCKER_CONNECTED ? s->error : NULL;

	if (trouble && differ(d->engine_trouble, trouble))
		log_line(LOG_LEVEL_WARNING,
			 "a part of the engine cannot be read, the rest is followed", "cause",
			 trouble, NULL);
	daemon_note(&d->engine_trouble, trouble);
}

void daemon_docker_ready(void *data, short revents)
{
	struct daemon *d = data;
	struct model *m = docker_take(d->docker);
	struct docker_status s;

	(void)revents;
	docker_status(d->docker, &s);
	if (s.state != d->engine_state)
		log_engine(&s);
	d->engine_state = s.state;
	log_trouble(d, &s);
	if (m)
		daemon_take_model(d, m);
	else if (s.error && !d->world.model)
		loop_timer_set(&d->engine_timer, 0);
	docker_status_done(&s);
	/* Each listing looks, and each model, also one that had to wait or that the kernel did not take. */
	if (d->world.compiled)
		daemon_bridge_filter(d);
}

/* ---- the host ---- */

void daemon_host_ready(void *data, short revents)
{
	struct daemon *d = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	bool changed = false;

	(void)revents;
	if (host_dispatch(d->host, &changed, &err) < 0) {
		log_line(LOG_LEVEL_WARNING, "reading the host's interfaces failed", "cause",
			 error_text(&err), NULL);
		changed = true;
	}
	daemon_ports_moved(d);
	/* Every container brings a veth or two: one reading for all of them. */
	if (changed)
		loop_timer_hasten(&d->host_timer, daemon_lost_bridge(d) ? 0 : HOST_MS);
}

/* The model of now with the host as it is; NULL where nothing came of what was announced: the pair of a container that
 * starts is two interfaces of the host's until one end is a port and the other inside. Also of what the rules of now cannot
 * tell: those that come next may name it. */
static struct model *model_moved(struct daemon *d)
{
	const struct model *now = d->world.model;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	/* The ports of VXLAN are looked for where there is an overlay network. */
	CLEANUP_MODEL struct model *host = model_has_overlay(now) ? model_copy(now) : model_new();

	/* Where it cannot be read, taking the model says so. */
	if (host_read_interfaces(d->host, host, &err) == 0 &&
	    model_same_host(host, now, NULL, NULL))
		return NULL;
	return model_copy(now);
}

void daemon_host_due(void *data)
{
	struct daemon *d = data;
	struct model *m;

	/* The bridge that was missing may be there now. */
	m = d->waiting;
	d->waiting = NULL;
	if (!m && d->world.model && !d->skeleton)
		m = model_moved(d);
	if (m)
		take_model(d, m, false);
	else if (d->skeleton)
		lay_skeleton(d);
}
