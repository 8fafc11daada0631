#include "checker.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "quaywall/docker.h"
#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "loop.h"
#include "overlay.h"
#include "world.h"

#define STOP_SECONDS 2

struct checker {
	struct checker_input in;
	struct checker_result result;
	json_t *posture; /* while it runs */
	pthread_t thread;
	int fd;
};

/* ---- the posture ---- */

static json_t *of_snapshot(const char *path)
{
	json_t *posture = NULL;

	docker_snapshot_load_posture(path, &posture, NULL);
	return posture ? posture : check_posture_without("the snapshot holds no posture");
}

/* The engine's; of one that does not answer *RET_HAD is false. */
static json_t *of_engine(const struct settings *s, struct host_diag *diag, bool *ret_had)
{
	struct docker_options options = {.url = s->docker,
					 .tls_ca = s->tls_ca,
					 .tls_cert = s->tls_cert,
					 .tls_key = s->tls_key};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *docker = NULL;
	CLEANUP_JSON json_t *host = host_posture(s->docker, diag);
	int r = docker_posture(&options, &docker, &err);

	reconcile_overlay_traffic(host);
	*ret_had = r == 0;
	return check_posture(docker, r < 0 ? error_text(&err) : NULL, host);
}

/* One that an engine gave a while ago tells more than that it does not answer now. */
static void renew_posture(struct checker *c, const struct settings *s)
{
	uint64_t began = loop_now_us();
	bool had = true;
	json_t *now;

	c->posture = c->in.posture ? json_loads(c->in.posture, JSON_ALLOW_NUL, NULL) : NULL;
	if (!c->in.asks && c->posture)
		return;
	now = c->in.options->snapshot ? of_snapshot(c->in.options->snapshot)
				      : of_engine(s, c->in.diag, &had);
	c->result.asked = had;
	c->result.posture_us = loop_now_us() - began;
	if (!had && c->posture) {
		json_decref(now);
		return;
	}
	json_decref(c->posture);
	c->posture = now;
}

static void find_posture(struct checker *c, const struct settings *s)
{
	renew_posture(c, s);
	/* What was switched since, as for a first policy, is not to look as if it had not been. */
	if (!c->in.options->snapshot)
		host_posture_refresh(json_object_get(c->posture, "host"));
}

/* What this daemon has kept. Of flows there can be many: they are read where something will come of it. */
static void find_kept(struct checker *c, const struct settings *s)
{
	json_t *none = json_pack("{s:I}", "followed", (json_int_t)c->in.followed);

	reconcile_rule_hits(c->in.state_folder, c->posture);
	json_object_set_new(c->posture, "flows", none);
	if (s->unused_days && c->in.followed / 86400 >= s->unused_days)
		reconcile_seen_flows(c->in.state_folder, c->posture);
}

/* ---- the thread ---- */

/* Here and not for each who asks: of a host of thousands of containers it is megabytes. */
static char *answer_of(const struct checker_result *r)
{
	CLEANUP_JSON json_t *answer = check_report_answer(&r->report, r->at);

	return json_dumps(answer, JSON_COMPACT);
}

static void keep_posture(struct checker *c)
{
	c->result.posture = c->posture ? json_dumps(c->posture, JSON_COMPACT) : NULL;
	json_decref(c->posture);
	c->posture = NULL;
}

static void look(struct checker *c)
{
	struct world w = {.settings = NULL};
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	struct check_input in = {.now = time(NULL)};
	uint64_t began = loop_now_us();

	/* They were good when they came in force. */
	if (world_load_sources(&w, c->in.options, c->in.sources, &p) == 0) {
		w.model = c->in.model;
		c->in.model = NULL;
		find_posture(c, w.settings);
		world_compile(&w, NULL);
	}
	if (w.compiled) {
		find_kept(c, w.settings);
		in.compiled = w.compiled;
		in.posture = c->posture;
		check_run(&in, &c->result.report);
		json_object_del(c->posture, "flows");
		if (compile_watches_overlay(w.compiled))
			c->result.overlay = overlay_series_now(w.model);
	}
	keep_posture(c);
	c->result.at = time(NULL);
	c->result.answer = answer_of(&c->result);
	c->result.took_us = loop_now_us() - began - c->result.posture_us;
	world_drop(&w, NULL);
}

static void *run(void *data)
{
	struct checker *c = data;

	look(c);
	eventfd_write(c->fd, 1);
	return NULL;
}

/* ---- begin and end ---- */

static void input_done(struct checker_input *in)
{
	sources_free(in->sources);
	model_free(in->model);
	free(in->posture);
	free(in->state_folder);
}

static void checker_free(struct checker *c)
{
	input_done(&c->in);
	checker_result_done(&c->result);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int checker_start(struct checker_input *in, struct checker **ret, struct error *err)
{
	struct checker *c = mem_new(1, sizeof(*c));
	int r;

	c->in = *in;
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = c->fd < 0 ? errno : pthread_create(&c->thread, NULL, run, c);
	if (r) {
		checker_free(c);
		return error_set(err, -r, "no thread for the checks: %s", strerror(r));
	}
	*ret = c;
	return 0;
}

int checker_fd(const struct checker *c)
{
	return c->fd;
}

void checker_take(struct checker *c, struct checker_result *ret)
{
	pthread_join(c->thread, NULL);
	*ret = c->result;
	c->result = (struct checker_result) {.posture = NULL};
	checker_free(c);
}

bool checker_stop(struct checker *c)
{
	struct timespec end;

	if (!c)
		return true;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += STOP_SECONDS;
	if (pthread_timedjoin_np(c->thread, NULL, &end) != 0)
		return false;
	checker_free(c);
	return true;
}

void checker_result_done(struct checker_result *r)
{
	check_report_done(&r->report);
	json_decref(r->overlay);
	free(r->posture);
	free(r->answer);
	r->posture = r->answer = NULL;
	r->overlay = NULL;
}
