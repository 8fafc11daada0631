#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "listen.h"

#define ROOTS_PLACES  4
#define ROOTS_STREAMS 2
#define PATIENCE_MS   5000 /* for the whole of a connection */
#define REST_MS	      200

struct control_client {
	struct control *control;
	struct loop_source source;
	struct loop_timer timer;
	uid_t uid;
	struct buf in, out;
	size_t sent;
	unsigned streams;      /* kinds of lines; 0: none */
	unsigned long skipped; /* lines, since the last that it got */
};

/* ---- clients ---- */

static void client_close(struct control_client *cl)
{
	struct control *c = cl->control;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i] == cl)
			c->clients[i] = NULL;
	loop_remove(c->loop, &cl->source);
	loop_remove_timer(c->loop, &cl->timer);
	close(cl->source.fd);
	buf_done(&cl->in);
	buf_done(&cl->out);
	free(cl);
}

static void client_late(void *data)
{
	client_close(data);
}

/* False: the connection is over. */
static bool client_send(struct control_client *cl)
{
	while (cl->sent < cl->out.len) {
		ssize_t n = send(cl->source.fd, cl->out.data + cl->sent, cl->out.len - cl->sent,
				 MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		cl->sent += (size_t)n;
	}
	return cl->streams != 0;
}

/* ---- streams ---- */

static size_t count_streams(const struct control *c, unsigned kinds)
{
	size_t n = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		n += c->clients[i] && (c->clients[i]->streams & kinds);
	return n;
}

bool control_has_streams(const struct control *c, unsigned kinds)
{
	return count_streams(c, kinds) > 0;
}

static void stream_add(struct control_client *cl, const char *line)
{
	/* What was sent makes room only now: most clients have read everything. */
	if (cl->sent) {
		memmove(cl->out.data, cl->out.data + cl->sent, cl->out.len - cl->sent);
		buf_truncate(&cl->out, cl->out.len - cl->sent);
		cl->sent = 0;
	}
	if (cl->out.len + strlen(line) > CONTROL_STREAM_SIZE) {
		cl->skipped++;
		return;
	}
	if (cl->skipped)
		buf_printf(&cl->out, "{\"event\":\"skipped\",\"lines\":%lu}\n", cl->skipped);
	cl->skipped = 0;
	buf_str(&cl->out, line);
	buf_char(&cl->out, '\n');
}

void control_tell(struct control *c, unsigned kinds, const char *line)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *cl = c->clients[i];

		if (!cl || !(cl->streams & kinds))
			continue;
		stream_add(cl, line);
		cl->source.events = POLLIN | POLLOUT;
	}
}

/* It goes on for as long as the client stays; what the client still says is of no interest. */
static bool stream_ready(struct control_client *cl, short revents)
{
	char bytes[256];
	ssize_t n = revents & POLLIN ? recv(cl->source.fd, bytes, sizeof(bytes), 0) : 1;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	if (revents & (POLLERR | POLLHUP))
		return false;
	if (!client_send(cl))
		return false;
	if (cl->sent == cl->out.len)
		cl->source.events = POLLIN;
	return true;
}

static bool stream_begin(struct control_client *cl, const json_t *request)
{
	struct control *c = cl->control;
	size_t places = CONTROL_STREAMS_MAX - (cl->uid != 0 ? ROOTS_STREAMS : 0);

	if (!c->streams || count_streams(c, ~0u) >= places)
		return false;
	cl->streams = c->streams(c->data, request, &cl->out);
	if (!cl->streams)
		return false;
	cl->source.events = POLLIN | POLLOUT;
	loop_timer_clear(&cl->timer);
	return true;
}

/* ---- requests ---- */

static void make_answer(struct control_client *cl, const json_t *request)
{
	const struct control *c = cl->control;
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_FREE char *text = NULL;

	if (json_is_object(request) && c->prepared && c->prepared(c->data, request, &cl->out))
		return;
	if (json_is_object(request))
		answer = c->answer(c->data, request, cl->uid);
	else
		answer = json_pack("{s:i, s:s}", "exit", QUAYWALL_USAGE, "error",
				   "the request is no JSON object");
	text = json_dumps(answer, JSON_COMPACT);
	buf_str(&cl->out, text ? text : "{\"exit\":3,\"error\":\"no answer\"}");
}

static void client_answer(struct control_client *cl)
{
	json_error_t where;
	CLEANUP_JSON json_t *request = json_loadb(cl->in.data, cl->in.len, 0, &where);

	if (json_is_object(request) && stream_begin(cl, request))
		return;
	make_answer(cl, request);
	buf_char(&cl->out, '\n');
	cl->source.events = POLLOUT;
	/* The time that the answer took is not the client's. */
	loop_timer_set(&cl->timer, PATIENCE_MS);
}

/* False: the connection is over. */
static bool client_read(struct control_client *cl)
{
	char bytes[4096];
	ssize_t n = recv(cl->source.fd, bytes, sizeof(bytes), 0);
	char *end;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	buf_add(&cl->in, bytes, (size_t)n);
	end = memchr(cl->in.data, '\n', cl->in.len);
	if (!end)
		return cl->in.len < RECONCILE_REQUEST_SIZE;
	buf_truncate(&cl->in, (size_t)(end - cl->in.data));
	client_answer(cl);
	return true;
}

static void client_ready(void *data, short revents)
{
	struct control_client *cl = data;
	bool goes_on;

	if (cl->streams)
		goes_on = stream_ready(cl, revents);
	else if (cl->out.len)
		goes_on = client_send(cl);
	else
		goes_on = revents & POLLIN ? client_read(cl) : false;
	if (!goes_on)
		client_close(cl);
}

static void client_open(struct control *c, struct control_client **place, int fd, uid_t uid)
{
	struct control_client *cl = mem_new(1, sizeof(*cl));

	*cl = (struct control_client) {
		.control = c,
		.source = {.fd = fd, .events = POLLIN, .ready = client_ready, .data = cl},
		.timer = {.expired = client_late, .data = cl},
		.uid = uid,
	};
	*place = cl;
	if (!loop_add(c->loop, &cl->source) || !loop_add_timer(c->loop, &cl->timer)) {
		client_close(cl);
		return;
	}
	loop_timer_set(&cl->timer, PATIENCE_MS);
}

/* Where the next client of UID goes, or NULL. Some places are root's alone: whoever else may ask must not keep
 * root from changing things. */
static struct control_client **free_place(struct control *c, uid_t uid)
{
	size_t others = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		others += c->clients[i] && c->clients[i]->uid != 0;
	if (uid != 0 && others >= CONTROL_CLIENTS_MAX - ROOTS_PLACES)
		return NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (!c->clients[i])
			return &c->clients[i];
	return NULL;
}

static void rest_over(void *data)
{
	struct control *c = data;

	c->listener.events = POLLIN;
	loop_remove_timer(c->loop, &c->rest);
}

/* Who waits keeps the listener readable: without a rest, this would be a busy loop. */
static void rest(struct control *c)
{
	c->rest = (struct loop_timer) {.expired = rest_over, .data = c};
	if (!loop_add_timer(c->loop, &c->rest))
		return;
	loop_timer_set(&c->rest, REST_MS);
	c->listener.events = 0;
}

static void listener_ready(void *data, short revents)
{
	struct control *c = data;
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_client **place = NULL;
	struct ucred who;
	socklen_t len = sizeof(who);

	(void)revents;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
		rest(c);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
		place = free_place(c, who.uid);
	if (place)
		client_open(c, place, fd, who.uid);
	else
		close(fd); /* too many at a time */
}

/* ---- the socket ---- */

int control_open(struct control *c, const char *path, struct error *err)
{
	int fd = -1;
	int r = listen_unix("control socket", path, CONTROL_CLIENTS_MAX, &fd, err);

	if (r == -EADDRINUSE)
		return error_set(err, r, "a daemon runs already, it answers on %s", path);
	if (r < 0)
		return r;
	c->path = mem_strdup(path);
	c->listener = (struct loop_source) {
		.fd = fd, .events = POLLIN, .ready = listener_ready, .data = c};
	loop_add(c->loop, &c->listener);
	return 0;
}

void control_close(struct control *c)
{
	if (!c->path)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i])
			client_close(c->clients[i]);
	loop_remove(c->loop, &c->listener);
	loop_remove_timer(c->loop, &c->rest);
	unlink(c->path);
	close(c->listener.fd);
	free(c->path);
	c->path = NULL;
}
