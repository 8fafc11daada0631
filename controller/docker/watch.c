#include "quaywall/docker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "inventory.h"
#include "session.h"

#include "quaywall/mem.h"

#define FIRST_SECONDS	 600 /* an engine that restores its containers accepts, and answers later */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS	 5000
#define STABLE_MS	 5000 /* a session that lived so long resets the backoff */
#define INTERVAL_DEFAULT 60

struct docker {
	struct docker_options options; /* with strings of its own */
	pthread_t thread;
	int fd;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t stopped;
	bool stop;
	bool relist;		 /* the owner wants a listing */
	struct session *session; /* the thread's; others may wake it */
	struct model *model;	 /* not taken yet */
	struct docker_status status;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void notify(struct docker *d)
{
	uint64_t one = 1;

	/* Fails only where the counter is at its end: then the fd is readable anyway. */
	if (write(d->fd, &one, sizeof(one)) < 0)
		return;
}

static bool is_stopped(struct docker *d)
{
	bool stop;

	pthread_mutex_lock(&d->lock);
	stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

static bool take_relist(struct docker *d)
{
	bool relist;

	pthread_mutex_lock(&d->lock);
	relist = d->relist;
	d->relist = false;
	pthread_mutex_unlock(&d->lock);
	return relist;
}

/* Makes S the session that docker_stop() wakes. */
static void set_session(struct docker *d, struct session *s)
{
	pthread_mutex_lock(&d->lock);
	d->session = s;
	pthread_mutex_unlock(&d->lock);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

/* An engine that stays away is told of once, not at each attempt. */
static void set_state(struct docker *d, enum docker_state state, const char *why)
{
	char *error = mem_strdup(why), *before;
	bool news;

	pthread_mutex_lock(&d->lock);
	before = d->status.error;
	news = d->status.state != state || !same_text(before, error);
	d->status.state = state;
	d->status.error = error;
	pthread_mutex_unlock(&d->lock);
	free(before);
	if (news)
		notify(d);
}

static void set_model(struct docker *d, struct model *m)
{
	pthread_mutex_lock(&d->lock);
	model_free(d->model);
	d->model = m;
	pthread_mutex_unlock(&d->lock);
	notify(d);
}

/* What the counters were when the session began, or at its end. */
struct counters {
	unsigned long events, repaired;
};

static void set_counters(struct docker *d, const struct counters *before, const struct session *s)
{
	pthread_mutex_lock(&d->lock);
	d->status.events = before->events + session_events(s);
	d->status.repaired = before->repaired + session_repaired(s);
	pthread_mutex_unlock(&d->lock);
}

static void on_listed(struct docker *d)
{
	pthread_mutex_lock(&d->lock);
	d->status.connects++;
	pthread_mutex_unlock(&d->lock);
}

static void on_failed(struct docker *d, int code, bool listed, const struct error *err)
{
	enum docker_state state = DOCKER_CONNECTING;

	pthread_mutex_lock(&d->lock);
	d->status.lost += listed;
	if (code == -ENOTSUP)
		state = DOCKER_REFUSED;
	else if (d->status.connects > 0)
		state = DOCKER_LOST;
	pthread_mutex_unlock(&d->lock);
	set_state(d, state, error_text(err));
}

/* Drives S until it fails or the watcher is stopped (0). */
static int drive(struct docker *d, struct session *s, const struct counters *before,
		 struct error *err)
{
	int64_t interval = d->options.list_interval * INT64_C(1000), due = INT64_MAX;
	bool listed = false;

	while (!is_stopped(d)) {
		int64_t now = now_ms(), left = listed ? due - now : interval;
		struct model *m;
		int r = session_turn(s, left > 0 ? (int)left : 0, err);

		set_counters(d, before, s);
		if (r < 0)
			return r;
		m = session_take(s);
		if (m)
			set_model(d, m);
		if (!listed && session_is_listed(s)) {
			listed = true;
			due = now_ms() + interval;
			on_listed(d);
		}
		if (!listed)
			continue;
		set_state(d, DOCKER_CONNECTED, session_trouble(s));
		if (session_ended_listing(s))
			notify(d);
		if (take_relist(d) || now_ms() >= due) {
			session_list(s);
			due = now_ms() + interval;
		}
	}
	return 0;
}

/* One session, from connecting to its end. *RET_STABLE: it was listed and then lived for a while. */
static void connect_once(struct docker *d, struct inventory *images, bool *ret_stable)
{
	struct session_options o = {.docker = &d->options, .follow = true};
	struct counters before = {d->status.events, d->status.repaired};
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int64_t began = now_ms();
	CLEANUP_SESSION struct session *s = NULL;
	int r;

	o.first_seconds = FIRST_SECONDS;
	*ret_stable = false;
	r = session_new(&o, &s, &err);
	if (r < 0) {
		on_failed(d, r, false, &err);
		return;
	}
	inventory_take_images(session_inventory(s), images);
	set_session(d, s);
	r = drive(d, s, &before, &err);
	set_session(d, NULL);
	if (r < 0)
		on_failed(d, r, session_is_listed(s), &err);
	*ret_stable = session_is_listed(s) && now_ms() - began >= STABLE_MS;
	inventory_take_images(images, session_inventory(s));
}

/* Sleeps, unless the watcher is stopped. */
static void back_off(struct docker *d, unsigned failures)
{
	int64_t ms = BACKOFF_LAST_MS;
	struct timespec until;

	if (failures == 0)
		return;
	if (failures < 7)
		ms = BACKOFF_FIRST_MS << (failures - 1);
	if (ms > BACKOFF_LAST_MS)
		ms = BACKOFF_LAST_MS;
	ms += now_ms();
	until.tv_sec = ms / 1000;
	until.tv_nsec = ms % 1000 * 1000000;
	pthread_mutex_lock(&d->lock);
	while (!d->stop && now_ms() < ms)
		pthread_cond_timedwait(&d->stopped, &d->lock, &until);
	pthread_mutex_unlock(&d->lock);
}

static void *watch(void *data)
{
	struct docker *d = data;
	CLEANUP_INVENTORY struct inventory *images = inventory_new(); /* from session to session */
	unsigned failures = 0;
	bool stable;

	while (!is_stopped(d)) {
		connect_once(d, images, &stable);
		failures = stable ? 0 : failures;
		back_off(d, failures++);
	}
	return NULL;
}

/* The thread takes no signal: they are the daemon's. And a TLS connection that breaks must not end the
 * process by SIGPIPE. */
static int start_thread(struct docker *d, struct error *err)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&d->thread, NULL, watch, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? 0 : error_set(err, -r, "no thread for the engine: %s", strerror(r));
}

static int check_options(const struct docker_options *options, struct error *err)
{
	struct http *h = NULL;
	int r = http_new(options, &h, err);

	http_free(h);
	return r;
}

static void docker_free(struct docker *d)
{
	if (d->fd >= 0)
		close(d->fd);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->stopped);
	model_free(d->model);
	docker_status_done(&d->status);
	free((char *)d->options.url);
	free((char *)d->options.tls_ca);
	free((char *)d->options.tls_cert);
	free((char *)d->options.tls_key);
	free(d);
}

static struct docker *docker_new(const struct docker_options *o)
{
	struct docker *d = mem_new(1, sizeof(*d));
	pthread_condattr_t monotonic;

	d->options = (struct docker_options) {
		.url = mem_strdup(o->url),
		.tls_ca = mem_strdup(o->tls_ca),
		.tls_cert = mem_strdup(o->tls_cert),
		.tls_key = mem_strdup(o->tls_key),
		.list_interval = o->list_interval ? o->list_interval : INTERVAL_DEFAULT,
	};
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	d->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return d;
}

int docker_watch(const struct docker_options *options, struct docker **ret, struct error *err)
{
	struct docker *d;
	int r = check_options(options, err);

	if (r < 0)
		return r;
	d = docker_new(options);
	r = d->fd < 0 ? error_set(err, -errno, "no eventfd: %s", strerror(errno))
		      : start_thread(d, err);
	if (r < 0) {
		docker_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void docker_stop(struct docker *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	if (d->session)
		session_wakeup(d->session);
	pthread_cond_signal(&d->stopped);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	docker_free(d);
}

void docker_relist(struct docker *d)
{
	pthread_mutex_lock(&d->lock);
	d->relist = true;
	if (d->session)
		session_wakeup(d->session);
	pthread_mutex_unlock(&d->lock);
}

int docker_fd(const struct docker *d)
{
	return d->fd;
}

struct model *docker_take(struct docker *d)
{
	struct model *m;
	uint64_t count;

	/* Cleared before the look, so that what comes in between wakes the owner again. */
	while (read(d->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&d->lock);
	m = d->model;
	d->model = NULL;
	pthread_mutex_unlock(&d->lock);
	return m;
}

void docker_status(struct docker *d, struct docker_status *ret)
{
	pthread_mutex_lock(&d->lock);
	*ret = d->status;
	ret->error = mem_strdup(d->status.error);
	pthread_mutex_unlock(&d->lock);
}

void docker_status_done(struct docker_status *s)
{
	free(s->error);
	s->error = NULL;
}
