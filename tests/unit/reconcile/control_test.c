#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/reconcile.h"
#include "../../../controller/reconcile/control.h"

struct fixture {
	char dir[64], path[80];
	struct loop loop;
	struct control control;
	uid_t uid; /* of the last request */
};

static json_t *answer(void *data, const json_t *request, uid_t uid)
{
	struct fixture *f = data;

	f->uid = uid;
	return json_pack("{s:i, s:O}", "exit", 0, "result", request);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "%s", "/tmp/quaywall-control-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	f->control = (struct control) {.loop = &f->loop, .answer = answer, .data = f};
	f->uid = (uid_t)-1;
	*state = f;
	return control_open(&f->control, f->path, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_close(&f->control);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Turns the loop until FD has something to read (or is closed). */
static void serve(struct fixture *f, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, 0) == 0)
		loop_turn(&f->loop, NULL);
}

static void expect_answer(struct fixture *f, int fd, const char *want)
{
	char text[512] = "";
	size_t len = 0;
	ssize_t n;

	do {
		serve(f, fd);
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_string_equal(text, want);
	close(fd);
}

static void test_answers_and_closes(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(send(fd, "{\"verb\":", 8, 0), 8);
	loop_turn(&f->loop, NULL);
	assert_int_equal(send(fd, "\"x\"}\nmore", 9, 0), 9);
	expect_answer(f, fd, "{\"exit\":0,\"result\":{\"verb\":\"x\"}}\n");
	assert_int_equal(f->uid, getuid());
}

static void test_what_is_no_json(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(send(fd, "[1\n", 3, 0), 3);
	expect_answer(f, fd, "{\"exit\":2,\"error\":\"the request is no JSON object\"}\n");
	assert_int_equal(f->uid, (uid_t)-1);
}

static void test_a_request_without_end(void **state)
{
	struct fixture *f = *state;
	char bytes[4096];
	int fd = dial(f);
	size_t sent = 0;

	memset(bytes, 'x', sizeof(bytes));
	while (sent < RECONCILE_REQUEST_SIZE) {
		assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
		sent += sizeof(bytes);
		loop_turn(&f->loop, NULL);
	}
	serve(f, fd);
	assert_true(recv(fd, bytes, 1, 0) <= 0);
	close(fd);
}

static void test_a_silent_client_only_loses_its_own_connection(void **state)
{
	struct fixture *f = *state;
	int silent = dial(f);
	char byte;
	int fd;

	loop_turn(&f->loop, NULL);
	fd = dial(f);
	assert_int_equal(send(fd, "{}\n", 3, 0), 3);
	expect_answer(f, fd, "{\"exit\":0,\"result\":{}}\n");
	/* Its time is over: the timer's due is put into the past. */
	assert_int_equal(f->loop.ntimers, 1);
	f->loop.timers[0]->due = 1;
	serve(f, silent);
	assert_int_equal(recv(silent, &byte, 1, 0), 0);
	close(silent);
}

static void test_too_many_clients(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_CLIENTS_MAX + 1];
	char byte;

	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fds[i] = dial(f);
		loop_turn(&f->loop, NULL);
	}
	assert_int_equal(recv(fds[CONTROL_CLIENTS_MAX], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
}

/* It is not asked again and again, and served once there are some. */
/* ---- streams ---- */

static unsigned stream(void *data, const json_t *request, struct buf *beginning)
{
	(void)data;
	if (!json_object_get(request, "stream"))
		return 0;
	buf_str(beginning, "first\n");
	return (unsigned)json_integer_value(json_object_get(request, "stream"));
}

static int dial_stream(struct fixture *f)
{
	int fd = dial(f);

	f->control.streams = stream;
	assert_int_equal(send(fd, "{\"stream\":1}\n", 13, 0), 13);
	serve(f, fd);
	return fd;
}

static void expect_text(int fd, const char *want)
{
	char text[512] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, want);
}

static void test_a_stream(void **state)
{
	struct fixture *f = *state;
	int fd = dial_stream(f);

	expect_text(fd, "first\n");
	assert_true(control_has_streams(&f->control, 1));
	assert_false(control_has_streams(&f->control, 2));
	control_tell(&f->control, 2, "not for this one");
	control_tell(&f->control, 3, "second");
	control_tell(&f->control, 1, "third");
	serve(f, fd);
	expect_text(fd, "second\nthird\n");
	close(fd);
	loop_turn(&f->loop, NULL);
	assert_false(control_has_streams(&f->control, 1));
	control_tell(&f->control, 1, "nobody");
}

static size_t take_some(struct fixture *f, int fd, char *to, size_t room)
{
	ssize_t n;

	serve(f, fd);
	n = recv(fd, to, room, MSG_DONTWAIT);
	assert_true(n > 0);
	return (size_t)n;
}

/* What does not fit any more is counted, and told once there is room. */
static void test_a_stream_that_is_not_read(void **state)
{
	struct fixture *f = *state;
	static char line[4096];
	int fd = dial_stream(f);
	size_t len = 0, room = 2 * CONTROL_STREAM_SIZE;
	char *text = calloc(1, room);

	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 2000; i++)
		control_tell(&f->control, 1, line);
	while (len < CONTROL_STREAM_SIZE - 2 * sizeof(line))
		len += take_some(f, fd, text + len, room - 1 - len);
	assert_null(strstr(text, "skipped"));
	control_tell(&f->control, 1, "last");
	while (!strstr(text, "last\n"))
		len += take_some(f, fd, text + len, room - 1 - len);
	assert_non_null(strstr(text, "{\"event\":\"skipped\",\"lines\":"));
	assert_non_null(strstr(text, "}\nlast\n"));
	assert_true(len < CONTROL_STREAM_SIZE + sizeof(line));
	free(text);
	close(fd);
}

static void test_too_many_streams(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_STREAMS_MAX], one_more;

	for (size_t i = 0; i < CONTROL_STREAMS_MAX; i++)
		fds[i] = dial_stream(f);
	one_more = dial_stream(f);
	expect_answer(f, one_more, "{\"exit\":0,\"result\":{\"stream\":1}}\n");
	close(one_more);
	for (size_t i = 0; i < CONTROL_STREAMS_MAX; i++)
		close(fds[i]);
}

static void test_no_descriptors(void **state)
{
	struct fixture *f = *state;
	int client = dial(f), next = dup(client);
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	close(next);
	none = (struct rlimit) {(rlim_t)next, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop_turn(&f->loop, NULL);
	assert_int_equal(f->loop.nsources, 1);
	assert_int_equal(f->control.listener.events, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(write(client, "{}\n", 3) == 3);
	expect_answer(f, client, "{\"exit\":0,\"result\":{}}\n");
	assert_int_equal(f->loop.ntimers, 0);
}

static void test_a_living_daemon_is_not_pushed_aside(void **state)
{
	struct fixture *f = *state;
	struct control second = {.loop = &f->loop};
	CLEANUP_ERROR struct error err = ERROR_INIT;

	assert_int_equal(control_open(&second, f->path, &err), -EADDRINUSE);
	assert_non_null(strstr(error_text(&err), "a daemon runs already"));
	assert_int_equal(access(f->path, F_OK), 0);
}

static void test_a_dead_daemons_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	control_close(&f->control);
	assert_int_equal(access(f->path, F_OK), -1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(control_open(&f->control, f->path, NULL), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	fd = dial(f);
	assert_int_equal(send(fd, "{}\n", 3, 0), 3);
	expect_answer(f, fd, "{\"exit\":0,\"result\":{}}\n");
}

static void test_something_else_is_left_alone(void **state)
{
	struct fixture *f = *state;
	FILE *file;

	control_close(&f->control);
	file = fopen(f->path, "we");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(control_open(&f->control, f->path, NULL), -EEXIST);
	assert_int_equal(access(f->path, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_and_closes),
		TEST(test_what_is_no_json),
		TEST(test_a_request_without_end),
		TEST(test_a_silent_client_only_loses_its_own_connection),
		TEST(test_too_many_clients),
		TEST(test_a_stream),
		TEST(test_a_stream_that_is_not_read),
		TEST(test_too_many_streams),
		TEST(test_no_descriptors),
		TEST(test_a_living_daemon_is_not_pushed_aside),
		TEST(test_a_dead_daemons_socket_is_replaced),
		TEST(test_something_else_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
