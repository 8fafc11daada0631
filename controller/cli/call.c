#include "call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#define ANSWER_MAX  (256u << 20) /* a host of 10,000 containers needs 5 MiB */
#define PATIENCE_MS 60000	 /* `reload` takes as long as the policies do */

char *call_path(const struct arguments *a)
{
	struct reconcile_options options = arguments_options(a);
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};
	CLEANUP_SETTINGS struct settings *s = NULL;

	if (a->control)
		return mem_strdup(a->control);
	if (reconcile_load_settings(&options, &p, &s, NULL) < 0)
		s = settings_new();
	return mem_strdup(s->control);
}

static int dial(const char *path, int *ret, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, -ENAMETOOLONG, "%s: the path is too long for a socket", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, -errno, "cannot reach the daemon on %s: %s", path,
				 strerror(errno));
	*ret = fd;
	fd = -1;
	return 0;
}

static int send_all(int fd, const char *text, size_t len, struct error *err)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return error_set(err, -errno, "asking the daemon: %s", strerror(errno));
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, struct buf *out, struct error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char bytes[65536];
	ssize_t n;

	do {
		if (poll(&p, 1, PATIENCE_MS) == 0)
			return error_set(err, -ETIMEDOUT, "the daemon does not answer");
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0)
			return error_set(err, -errno, "the daemon's answer: %s", strerror(errno));
		buf_add(out, bytes, (size_t)n);
		if (out->len > ANSWER_MAX)
			return error_set(err, -EMSGSIZE, "the daemon's answer is too long");
	} while (n > 0);
	return 0;
}

static int ask(const char *path, const json_t *request, int *ret, struct error *err)
{
	CLEANUP_FREE char *text = json_dumps(request, JSON_COMPACT);
	CLEANUP_FD int fd = -1;
	int r = dial(path, &fd, err);

	if (r == 0)
		r = send_all(fd, text, strlen(text), err);
	if (r == 0)
		r = send_all(fd, "\n", 1, err);
	if (r < 0)
		return r;
	*ret = fd;
	fd = -1;
	return 0;
}

int call_stream(const struct arguments *a, const json_t *request, int *ret, struct error *err)
{
	CLEANUP_FREE char *path = call_path(a);

	return ask(path, request, ret, err);
}

int call_read_answer(const char *text, size_t len, json_t **ret, struct error *err)
{
	CLEANUP_JSON json_t *answer = json_loadb(text, len, 0, NULL);
	json_t *code = json_object_get(answer, "exit"), *result = json_object_get(answer, "result");
	const char *why = json_string_value(json_object_get(answer, "error"));

	*ret = NULL;
	if (!json_is_integer(code)) {
		error_set(err, -EPROTO, "the daemon broke off its answer");
		return QUAYWALL_UNREACHABLE;
	}
	if (result)
		*ret = json_incref(result);
	else
		error_set(err, -EPROTO, "%s", why ? why : "the daemon gave no answer");
	return (int)json_integer_value(code);
}

int call_daemon(const struct arguments *a, const json_t *request, json_t **ret, bool *ret_away,
		struct error *err)
{
	CLEANUP_FREE char *path = call_path(a);
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_FD int fd = -1;
	int r = ask(path, request, &fd, err);

	*ret = NULL;
	if (ret_away)
		*ret_away = r == -ENOENT || r == -ECONNREFUSED;
	if (r == 0)
		r = read_all(fd, &text, err);
	if (r < 0)
		return QUAYWALL_UNREACHABLE;
	return call_read_answer(buf_text(&text), text.len, ret, err);
}
