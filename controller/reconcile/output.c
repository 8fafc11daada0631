#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "lane.h"

#define LINES_MAX  2048
#define BYTES_MAX  (2u << 20)
#define PATIENCE   200 /* ms that a collector may keep a datagram waiting */
#define LAST_LINES 500 /* ms for what waits at the end */
#define QUIET_S	   60  /* between two complaints */

struct output {
	enum output_to to;
	char *path;
	void (*trouble)(const char *why);
	struct lane *lane;

	/* the thread's */
	int fd;
	bool torn; /* the last line stands there in part */
	time_t complained;

	pthread_mutex_t lock; /* of what follows */
	bool reopen;
	uint64_t lines, lost;
	char *error;
};

/* ---- the file ---- */

/* Of the group that the service has, where it has one. The service's own mask lets no group read; nothing else of
 * this process makes files meanwhile but with a mode that no mask widens. */
static int open_masked(const char *path)
{
	mode_t mask = umask(0027);
	int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		     0640);
	int r = fd < 0 ? -errno : fd;

	umask(mask);
	return r;
}

static const char *why_not(int r)
{
	switch (r) {
	case -EACCES:
		return "not permitted (a folder that the settings name since the daemon was "
		       "started, or that was not there then, takes a restart)";
	case -ELOOP:
		return "a symbolic link (expected a file)";
	default:
		return strerror(-r);
	}
}

static int open_file(struct output *o, struct error *err)
{
	CLEANUP_FD int fd = open_masked(o->path);
	struct stat st;

	if (fd < 0) {
		int r = fd;

		fd = -1;
		return error_set(err, r, "%s: %s", o->path, why_not(r));
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s: no regular file", o->path);
	o->fd = fd;
	fd = -1;
	return 0;
}

/* Whether the file that is open is still the one of that name. */
static bool is_in_place(const struct output *o)
{
	struct stat ours, there;

	return fstat(o->fd, &ours) == 0 && lstat(o->path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int write_line(struct output *o, const char *line, size_t len, struct error *err)
{
	ssize_t n;

	if (o->torn && write(o->fd, "\n", 1) == 1)
		o->torn = false;
	n = o->torn ? -1 : write(o->fd, line, len);
	if (n == (ssize_t)len)
		return 0;
	if (n > 0) {
		o->torn = true;
		errno = ENOSPC;
	}
	return error_set(err, -errno, "%s: %s", o->path, strerror(errno));
}

static int to_file(struct output *o, const char *line, size_t len, struct error *err)
{
	bool reopen;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	reopen = o->reopen;
	o->reopen = false;
	pthread_mutex_unlock(&o->lock);
	if (o->fd >= 0 && (reopen || !is_in_place(o))) {
		close(o->fd);
		o->fd = -1;
		o->torn = false;
	}
	if (o->fd < 0)
		r = open_file(o, err);
	return r < 0 ? r : write_line(o, line, len, err);
}

/* ---- sockets ---- */

static int open_socket(struct output *o, struct error *err)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_usec = PATIENCE * 1000};

	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	if (strlen(o->path) >= sizeof(addr.sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: the path is too long", o->path);
	memcpy(addr.sun_path, o->path, strlen(o->path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, -errno, "%s: %s", o->path, strerror(errno));
	o->fd = fd;
	fd = -1;
	return 0;
}

static int send_once(struct output *o, const char *line, size_t len, struct error *err)
{
	int r = o->fd < 0 ? open_socket(o, err) : 0;

	if (r < 0)
		return r;
	if (send(o->fd, line, len, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN)
		return error_set(err, -EAGAIN, "%s: is not read from", o->path);
	return error_set(err, -errno, "%s: %s", o->path, strerror(errno));
}

/* A collector that was started anew has a new socket. */
static int to_socket(struct output *o, const char *line, size_t len, struct error *err)
{
	bool was_open = o->fd >= 0;
	int r = send_once(o, line, len, err);

	if (r == 0 || r == -EAGAIN || r == -EMSGSIZE)
		return r;
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	return was_open ? send_once(o, line, len, err) : r;
}

/* ---- the thread ---- */

static void complain(struct output *o, const char *why)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!o->trouble || (o->complained && now.tv_sec - o->complained < QUIET_S))
		return;
	o->complained = now.tv_sec;
	o->trouble(why);
}

static void take(void *data, struct lane *lane, const char *line, size_t len)
{
	struct output *o = data;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	int r = o->to == OUTPUT_FILE ? to_file(o, line, len, &err) : to_socket(o, line, len, &err);
	char *why = r < 0 ? mem_strdup(error_text(&err)) : NULL;

	(void)lane;
	if (why)
		complain(o, why);
	pthread_mutex_lock(&o->lock);
	o->lines += !why;
	o->lost += why != NULL;
	free(o->error);
	o->error = why;
	pthread_mutex_unlock(&o->lock);
}

/* ---- the loop's side ---- */

static void output_free(struct output *o)
{
	if (o->fd >= 0)
		close(o->fd);
	pthread_mutex_destroy(&o->lock);
	free(o->error);
	free(o->path);
	free(o);
}

int output_open(enum output_to to, const char *path, void (*trouble)(const char *why),
		struct output **ret, struct error *err)
{
	struct output *o = mem_new(1, sizeof(*o));
	int r;

	*o = (struct output) {.to = to, .path = mem_strdup(path), .trouble = trouble, .fd = -1};
	pthread_mutex_init(&o->lock, NULL);
	r = lane_start((struct lane_size) {LINES_MAX, BYTES_MAX}, take, o, &o->lane, err);
	if (r < 0) {
		output_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

void output_close(struct output *o)
{
	/* One whose disk hangs keeps what it works with. */
	if (o && lane_stop(o->lane, LAST_LINES, NULL))
		output_free(o);
}

void output_add(struct output *o, const char *data, size_t len)
{
	if (lane_put(o->lane, data, len))
		return;
	pthread_mutex_lock(&o->lock);
	o->lost++;
	pthread_mutex_unlock(&o->lock);
}

void output_reopen(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	o->reopen = true;
	pthread_mutex_unlock(&o->lock);
}

void output_state(struct output *o, struct output_state *ret)
{
	pthread_mutex_lock(&o->lock);
	*ret = (struct output_state) {o->lines, o->lost, mem_strdup(o->error)};
	pthread_mutex_unlock(&o->lock);
}
