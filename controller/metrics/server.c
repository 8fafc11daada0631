/*
 * The HTTP server, by libmicrohttpd in its mode without threads: all its sockets are in one epoll.
 *
 * A connection serves one request and is closed. Its time is limited twice: libmicrohttpd ends those that are silent, and
 * here are ended those that go on too slowly.
 */
#include "quaywall/metrics.h"

#include <errno.h>
#include <unistd.h>

#if !defined(QUAYWALL_METRICS)

int metrics_server_open(int listener, void (*wanted)(void *data), void *data,
			struct metrics_server **ret, struct error *err)
{
	(void)wanted;
	(void)data;
	(void)ret;
	close(listener);
	return error_set(err, -ENOTSUP, "built without libmicrohttpd");
}

void metrics_server_close(struct metrics_server *s)
{
	(void)s;
}

int metrics_server_fd(const struct metrics_server *s)
{
	(void)s;
	return -1;
}

void metrics_server_dispatch(struct metrics_server *s)
{
	(void)s;
}

int metrics_server_wait(const struct metrics_server *s)
{
	(void)s;
	return -1;
}

bool metrics_server_rests(const struct metrics_server *s)
{
	(void)s;
	return false;
}

void metrics_server_answer(struct metrics_server *s, const struct buf *text)
{
	(void)s;
	(void)text;
}

#else

#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "quaywall/mem.h"

#define FRESH_MS 1000 /* how long a text is good */
#define TIME_MS	 5000 /* for the whole of a connection */
#define SILENT_S 3
#define REST_MS	 200
#define MEMORY	 16384 /* of a connection, for what the client sends */

struct client {
	struct MHD_Connection *connection; /* NULL: a free place */
	int fd;
	uint64_t since; /* ms */
	bool waits;	/* for a text */
	bool cut;	/* its time was over */
};

struct metrics_server {
	struct MHD_Daemon *daemon;
	int epoll; /* the daemon's */
	struct client clients[METRICS_CLIENTS_MAX];
	void (*wanted)(void *data);
	void *data;
	bool asked;
	bool again;		   /* there is something to do of which no readable fd tells */
	struct MHD_Response *text; /* NULL: none yet */
	uint64_t text_at;	   /* ms */
	uint64_t progress;	   /* what clients did that cannot go on without end */
	uint64_t rest_until;	   /* ms; 0: it does not rest */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

/* ---- clients ---- */

static struct client *find_client(struct metrics_server *s, const struct MHD_Connection *connection)
{
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
		if (s->clients[i].connection == connection)
			return &s->clients[i];
	return NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void note_connection(void *data, struct MHD_Connection *connection, void **context,
			    enum MHD_ConnectionNotificationCode code)
{
	struct metrics_server *s = data;
	struct client *client;

	(void)context;
	s->progress++;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		client = find_client(s, connection);
		if (client)
			*client = (struct client) {.connection = NULL};
		/* There is room: only a further run listens again. */
		s->again = true;
		return;
	}
	/* There is one: libmicrohttpd lets no more in. */
	client = find_client(s, NULL);
	if (client)
		*client = (struct client) {
			.connection = connection, .fd = fd_of(connection), .since = now_ms()};
}

/* Whoever is served too slowly is told that nothing more comes; libmicrohttpd sees that as the end. */
static void end_slow_clients(struct metrics_server *s)
{
	uint64_t now = now_ms();

	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct client *client = &s->clients[i];

		if (!client->connection || client->cut || now - client->since < TIME_MS)
			continue;
		client->cut = true;
		shutdown(client->fd, SHUT_RDWR);
	}
}

/* ---- requests ---- */

static bool is_fresh(const struct metrics_server *s)
{
	return s->text && now_ms() - s->text_at < FRESH_MS;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned code, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET");
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result serve(struct metrics_server *s, struct MHD_Connection *connection)
{
	struct client *client = find_client(s, connection);

	if (!is_fresh(s) && !s->asked) {
		s->asked = true;
		s->wanted(s->data);
	}
	if (is_fresh(s))
		return MHD_queue_response(connection, MHD_HTTP_OK, s->text);
	if (!client)
		return MHD_NO;
	client->waits = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* Called once the request's head is there, and again behind a wait. What it has for a body is not read. */
static enum MHD_Result handle(void *data, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **context)
{
	struct metrics_server *s = data;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)context;
	s->progress++;
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	return serve(s, connection);
}

static void resume_all(struct metrics_server *s)
{
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		if (!s->clients[i].waits)
			continue;
		s->clients[i].waits = false;
		s->again = true;
		MHD_resume_connection(s->clients[i].connection);
	}
}

void metrics_server_answer(struct metrics_server *s, const struct buf *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		text->len, (void *)buf_text(text), MHD_RESPMEM_MUST_COPY);

	if (!response)
		abort(); /* out of memory */
	MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "Content-Type",
				"text/plain; version=0.0.4; charset=utf-8");
	if (s->text)
		MHD_destroy_response(s->text);
	s->text = response;
	s->text_at = now_ms();
	s->asked = false;
	resume_all(s);
}

/* ---- the event source ---- */

int metrics_server_fd(const struct metrics_server *s)
{
	return s->epoll;
}

static bool has_clients(const struct metrics_server *s)
{
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
		if (s->clients[i].connection)
			return true;
	return false;
}

static bool is_readable(int fd)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};

	return poll(&waiting, 1, 0) > 0;
}

/* Without descriptors who waits cannot be let in, and keeps the fd readable: a rest, or this would be a busy loop. */
void metrics_server_dispatch(struct metrics_server *s)
{
	uint64_t before = s->progress;

	s->rest_until = 0;
	s->again = false;
	end_slow_clients(s);
	MHD_run(s->daemon);
	if (!has_clients(s) && s->progress == before && is_readable(s->epoll))
		s->rest_until = now_ms() + REST_MS;
}

bool metrics_server_rests(const struct metrics_server *s)
{
	return s->rest_until != 0;
}

static uint64_t left(uint64_t until, uint64_t now)
{
	return until > now ? until - now : 0;
}

int metrics_server_wait(const struct metrics_server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout = 0;
	uint64_t wait = UINT64_MAX, now = now_ms();

	if (MHD_get_timeout(s->daemon, &timeout) == MHD_YES)
		wait = timeout;
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		const struct client *client = &s->clients[i];

		if (client->connection && !client->cut && left(client->since + TIME_MS, now) < wait)
			wait = left(client->since + TIME_MS, now);
	}
	if (s->rest_until)
		wait = left(s->rest_until, now);
	if (s->again)
		wait = 0;
	return wait > INT_MAX ? -1 : (int)wait;
}

/* ---- beginning and end ---- */

static int start(struct metrics_server *s, int listener, struct error *err)
{
	const union MHD_DaemonInfo *info;

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, s,
		MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)METRICS_CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		note_connection, s, MHD_OPTION_END);
	if (!s->daemon) {
		close(listener);
		return error_set(err, -EIO, "libmicrohttpd does not start");
	}
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return error_set(err, -ENOTSUP, "libmicrohttpd has no epoll");
	s->epoll = info->epoll_fd;
	return 0;
}

int metrics_server_open(int listener, void (*wanted)(void *data), void *data,
			struct metrics_server **ret, struct error *err)
{
	CLEANUP_METRICS_SERVER struct metrics_server *s = mem_new(1, sizeof(*s));
	int r;

	s->wanted = wanted;
	s->data = data;
	r = start(s, listener, err);
	if (r < 0)
		return r;
	*ret = s;
	s = NULL;
	return 0;
}

void metrics_server_close(struct metrics_server *s)
{
	if (!s)
		return;
	/* libmicrohttpd does not end while connections are suspended. */
	resume_all(s);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	if (s->text)
		MHD_destroy_response(s->text);
	free(s);
}

#endif
