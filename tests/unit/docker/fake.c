#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#define CONNECTIONS_MAX 64
#define PATHS_MAX	4096
#define WRITE_SECONDS	10

struct text {
	char *key, *value;
};

struct texts {
	struct text *items;
	size_t len, cap;
};

struct connection {
	struct fake *fake;
	pthread_t thread;
	int fd; /* -1: ended */
	bool events;
};

struct fake {
	char *folder, *path, *url;
	int listener;
	pthread_t thread;
	pthread_mutex_t lock;
	struct texts containers, networks, images, answers, asked;
	struct connection connections[CONNECTIONS_MAX];
	size_t nconnections;
};

/* ---- what it holds ---- */

static struct text *find(struct texts *t, const char *key)
{
	for (size_t i = 0; i < t->len; i++) {
		if (!strcmp(t->items[i].key, key))
			return &t->items[i];
	}
	return NULL;
}

static void put(struct texts *t, const char *key, const char *value)
{
	struct text fresh = {mem_strdup(key), NULL}, *at = find(t, key);

	if (at) {
		free(fresh.key);
	} else {
		MEM_PUSH(t, fresh);
		at = &t->items[t->len - 1];
	}
	free(at->value);
	at->value = mem_strdup(value);
}

static void put_locked(struct fake *f, struct texts *t, const char *key, const char *value)
{
	pthread_mutex_lock(&f->lock);
	put(t, key, value);
	pthread_mutex_unlock(&f->lock);
}

static void texts_done(struct texts *t)
{
	for (size_t i = 0; i < t->len; i++) {
		free(t->items[i].key);
		free(t->items[i].value);
	}
	free(t->items);
}

void fake_container(struct fake *f, const char *id, const char *json)
{
	put_locked(f, &f->containers, id, json);
}

void fake_network(struct fake *f, const char *id, const char *json)
{
	put_locked(f, &f->networks, id, json);
}

void fake_image(struct fake *f, const char *id, const char *json)
{
	put_locked(f, &f->images, id, json);
}

void fake_answer(struct fake *f, const char *path, const char *status, const char *body)
{
	CLEANUP_FREE char *response = NULL;

	if (status && *status)
		response = mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
				      strlen(body), body);
	put_locked(f, &f->answers, path, status && !*status ? "" : response);
}

/* ---- answering ---- */

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void add_body(struct buf *out, const char *json)
{
	buf_printf(out,
		   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		   "Content-Length: %zu\r\n\r\n%s",
		   strlen(json), json);
}

static void add_one(struct buf *out, struct texts *t, const char *key)
{
	struct text *found = find(t, key);

	if (found && found->value)
		add_body(out, found->value);
	else
		buf_str(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
}

/* A list of all, or of ONE. */
static void add_list(struct buf *out, struct texts *t, const char *one)
{
	CLEANUP_BUF struct buf list = BUF_INIT;

	buf_char(&list, '[');
	for (size_t i = 0; i < t->len; i++) {
		if (!t->items[i].value || (one && strcmp(t->items[i].key, one)))
			continue;
		buf_printf(&list, "%s%s", list.len > 1 ? "," : "", t->items[i].value);
	}
	buf_char(&list, ']');
	add_body(out, buf_text(&list));
}

/* "/containers/json?all=1&filters=%7B%22id%22%3A%5B%22ID%22%5D%7D" -> ID */
static char *filtered_id(const char *query)
{
	const char *begin = strstr(query, "%5B%22"), *end = strstr(query, "%22%5D");

	return begin && end ? mem_strndup(begin + 6, (size_t)(end - begin - 6)) : NULL;
}

static void add_usual(struct fake *f, const char *path, const char *one, struct buf *out)
{
	if (!strcmp(path, "/version"))
		add_body(out,
			 "{\"Components\": [{\"Name\": \"Engine\"}], \"Version\": \"20.10.24\", "
			 "\"ApiVersion\": \"1.41\", \"MinAPIVersion\": \"1.12\"}");
	else if (!strcmp(path, "/info"))
		add_body(out, "{\"ID\": \"FAKE\", \"SecurityOptions\": [\"name=seccomp\"]}");
	else if (!strcmp(path, "/containers/json"))
		add_list(out, &f->containers, NULL);
	else if (!strcmp(path, "/containers/json?one"))
		add_list(out, &f->containers, one);
	else if (!strcmp(path, "/networks"))
		add_list(out, &f->networks, NULL);
	else if (!strncmp(path, "/networks/", 10))
		add_one(out, &f->networks, path + 10);
	else if (!strncmp(path, "/images/", 8))
		add_one(out, &f->images, path + 8);
	else if (!strcmp(path, "/events"))
		buf_str(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	else
		buf_str(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}");
}

/* PATH without version, query and "/json" behind an image. */
static char *plain_path(const char *whole, char **ret_one)
{
	const char *begin = strncmp(whole, "/v1.", 4) ? whole : strchr(whole + 1, '/');
	const char *query = strchr(whole, '?');
	char *path = mem_strndup(begin, query ? (size_t)(query - begin) : strlen(begin));
	size_t len = strlen(path);

	*ret_one = !strcmp(path, "/containers/json") && query ? filtered_id(query) : NULL;
	if (!strncmp(path, "/images/", 8) && len > 13 && !strcmp(path + len - 5, "/json"))
		path[len - 5] = '\0';
	if (*ret_one) {
		free(path);
		path = mem_strdup("/containers/json?one");
	}
	return path;
}

/* The answer to WHOLE, under the lock. *RET_HANG: none is to be given. */
static void find_answer(struct connection *c, const char *whole, struct buf *out, bool *ret_hang)
{
	CLEANUP_FREE char *one = NULL;
	CLEANUP_FREE char *path = plain_path(whole, &one);
	struct text *replaced = find(&c->fake->answers, path), entry;

	entry = (struct text) {mem_strdup(path), mem_strdup(whole)};
	MEM_PUSH(&c->fake->asked, entry);
	*ret_hang = replaced && replaced->value && !*replaced->value;
	if (replaced && replaced->value)
		buf_str(out, replaced->value);
	else
		add_usual(c->fake, path, one, out);
	c->events = !strcmp(path, "/events") && !*ret_hang;
}

static bool answer(struct connection *c, const char *whole)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	bool hang, sent;
	char ignored;

	pthread_mutex_lock(&c->fake->lock);
	find_answer(c, whole, &out, &hang);
	sent = hang || write_all(c->fd, buf_text(&out), out.len);
	pthread_mutex_unlock(&c->fake->lock);
	if (hang || c->events) /* until the client goes, or fake_cut() comes */
		return recv(c->fd, &ignored, 1, 0) > 0;
	return sent;
}

static void *serve(void *data)
{
	struct connection *c = data;
	char request[8192], whole[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(c->fd, request + len, sizeof(request) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		len = 0;
		if (sscanf(request, "GET %4095s HTTP/1.1", whole) != 1 || !answer(c, whole))
			break;
	}
	pthread_mutex_lock(&c->fake->lock);
	close(c->fd);
	c->fd = -1;
	c->events = false;
	pthread_mutex_unlock(&c->fake->lock);
	return NULL;
}

static void *listen_for_clients(void *data)
{
	struct timeval limit = {.tv_sec = WRITE_SECONDS};
	struct fake *f = data;
	int fd;

	while ((fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct connection *c = &f->connections[f->nconnections];

		if (f->nconnections == CONNECTIONS_MAX)
			abort();
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		pthread_mutex_lock(&f->lock);
		*c = (struct connection) {.fake = f, .fd = fd};
		f->nconnections++;
		pthread_mutex_unlock(&f->lock);
		if (pthread_create(&c->thread, NULL, serve, c))
			abort();
	}
	return NULL;
}

/* ---- the test's side ---- */

struct fake *fake_new(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct fake *f = mem_new(1, sizeof(*f));
	char folder[] = "/tmp/quaywall-fake-XXXXXX";

	if (!mkdtemp(folder))
		abort();
	f->folder = mem_strdup(folder);
	f->path = mem_printf("%s/docker.sock", folder);
	f->url = mem_printf("unix://%s", f->path);
	pthread_mutex_init(&f->lock, NULL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(f->listener, 16) ||
	    pthread_create(&f->thread, NULL, listen_for_clients, f))
		abort();
	return f;
}

void fake_cut(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->nconnections; i++) {
		if (f->connections[i].fd >= 0)
			shutdown(f->connections[i].fd, SHUT_RDWR);
		f->connections[i].events = false;
	}
	pthread_mutex_unlock(&f->lock);
}

void fake_free(struct fake *f)
{
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	fake_cut(f);
	for (size_t i = 0; i < f->nconnections; i++)
		pthread_join(f->connections[i].thread, NULL);
	close(f->listener);
	unlink(f->path);
	rmdir(f->folder);
	texts_done(&f->containers);
	texts_done(&f->networks);
	texts_done(&f->images);
	texts_done(&f->answers);
	texts_done(&f->asked);
	pthread_mutex_destroy(&f->lock);
	free(f->folder);
	free(f->path);
	free(f->url);
	free(f);
}

const char *fake_url(const struct fake *f)
{
	return f->url;
}

/* The connection that is subscribed; NULL: none. Under the lock. */
static struct connection *subscriber(struct fake *f)
{
	for (size_t i = f->nconnections; i-- > 0;) {
		if (f->connections[i].events && f->connections[i].fd >= 0)
			return &f->connections[i];
	}
	return NULL;
}

bool fake_event_bytes(struct fake *f, const char *bytes, size_t len)
{
	CLEANUP_BUF struct buf chunk = BUF_INIT;
	bool sent = false;

	buf_printf(&chunk, "%zx\r\n", len);
	buf_add(&chunk, bytes, len);
	buf_str(&chunk, "\r\n");
	for (int tries = 0; tries < 10000; tries++) {
		struct connection *c;

		pthread_mutex_lock(&f->lock);
		c = subscriber(f);
		if (c)
			sent = write_all(c->fd, chunk.data, chunk.len);
		pthread_mutex_unlock(&f->lock);
		if (c)
			return sent;
		usleep(1000);
	}
	return false;
}

bool fake_event(struct fake *f, const char *line)
{
	CLEANUP_FREE char *text = mem_printf("%s\n", line);

	return fake_event_bytes(f, text, strlen(text));
}

unsigned fake_asked(struct fake *f, const char *path)
{
	unsigned n = 0;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->asked.len; i++)
		n += !strcmp(f->asked.items[i].key, path);
	pthread_mutex_unlock(&f->lock);
	return n;
}

bool fake_was_asked_as(struct fake *f, const char *whole)
{
	bool was = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->asked.len; i++)
		was |= !strcmp(f->asked.items[i].value, whole);
	pthread_mutex_unlock(&f->lock);
	return was;
}
