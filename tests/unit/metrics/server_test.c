/* The server with clients in the same thread, over an abstract unix socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "quaywall/metrics.h"

#define GET "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

static struct sockaddr_un address;
static socklen_t address_len;
static struct metrics_server *server;
static unsigned wanted;
static bool at_once;

static void answer(const char *text)
{
	struct buf out CLEANUP_BUF = BUF_INIT;

	buf_str(&out, text);
	metrics_server_answer(server, &out);
}

static void note_wanted(void *data)
{
	assert_ptr_equal(data, &wanted);
	wanted++;
	if (at_once)
		answer("x 1\n");
}

static int open_server(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)state;
	wanted = 0;
	at_once = false;
	address = (struct sockaddr_un) {.sun_family = AF_UNIX};
	address_len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
		      (socklen_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
					  "quaywall-server-test-%d", (int)getpid());
	if (bind(fd, (struct sockaddr *)&address, address_len) < 0 || listen(fd, 64) < 0)
		return -1;
	return metrics_server_open(fd, note_wanted, &wanted, &server, &err);
}

static int close_server(void **state)
{
	(void)state;
	metrics_server_close(server);
	server = NULL;
	return 0;
}

/* Serves for as long as there is something to do within MS. */
static void serve(int ms)
{
	struct pollfd fd = {.fd = metrics_server_fd(server), .events = POLLIN};

	for (int i = 0; i < 1000; i++) {
		int wait = metrics_server_wait(server);
		bool due = wait >= 0 && wait < ms;

		if (poll(&fd, 1, due ? wait : ms) == 0 && !due)
			return;
		metrics_server_dispatch(server);
	}
	fail_msg("the server never waits");
}

static int ask(const char *request)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
	if (*request)
		assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

/* What came up to the connection's end, which must be there; or nothing, where it must not. */
static void expect(int fd, const char *head, const char *body)
{
	char text[4096];
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	if (!head) {
		assert_int_equal(len, 0);
		assert_true(got < 0 && errno == EAGAIN);
		return;
	}
	/* A reset, where it was closed with something unread. */
	assert_true(got == 0 || errno == ECONNRESET);
	close(fd);
	assert_memory_equal(text, head, strlen(head));
	if (body)
		assert_string_equal(strstr(text, "\r\n\r\n") + 4, body);
}

static void test_a_scrape(void **state)
{
	int fd;

	(void)state;
	at_once = true;
	fd = ask(GET);
	serve(50);
	expect(fd, "HTTP/1.1 200 OK\r\n", "x 1\n");
	assert_int_equal(wanted, 1);
	/* What is fresh is good for others. */
	fd = ask(GET);
	serve(50);
	expect(fd, "HTTP/1.1 200 OK\r\n", "x 1\n");
	assert_int_equal(wanted, 1);
}

static void test_a_text_that_comes_later_is_for_all_who_wait(void **state)
{
	int first, second, gone;

	(void)state;
	first = ask(GET);
	second = ask(GET);
	gone = ask(GET);
	serve(50);
	assert_int_equal(wanted, 1);
	expect(first, NULL, NULL);
	close(gone);
	serve(50);
	answer("y 2\n");
	serve(50);
	expect(first, "HTTP/1.1 200 OK\r\n", "y 2\n");
	expect(second, "HTTP/1.1 200 OK\r\n", "y 2\n");
	assert_int_equal(wanted, 1);
}

static void test_other_requests(void **state)
{
	static const struct {
		const char *request, *head;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"GET /metrics/../etc HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
		{"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx",
		 "HTTP/1.1 405 "},
		{"nonsense\r\n\r\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = ask(cases[i].request);

		serve(50);
		expect(fd, cases[i].head, NULL);
	}
	assert_int_equal(wanted, 0);
}

/* A head that never ends is not kept. */
static void test_a_long_head(void **state)
{
	char line[1024];
	int fd = ask("GET /metrics HTTP/1.1\r\n");

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "x: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < 64; i++) {
		if (send(fd, line, sizeof(line), MSG_NOSIGNAL) < 0)
			break;
		serve(1);
	}
	serve(50);
	expect(fd, "", NULL);
	assert_int_equal(wanted, 0);
}

/* More than there is room for wait outside, and cost nothing; once there is room they are served. */
static void test_many_clients(void **state)
{
	int fds[METRICS_CLIENTS_MAX + 8];

	(void)state;
	at_once = true;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = ask(i < METRICS_CLIENTS_MAX ? "GET /metr" : GET);
	serve(50);
	for (size_t i = METRICS_CLIENTS_MAX; i < ARRAY_SIZE(fds); i++)
		expect(fds[i], NULL, NULL);
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
		close(fds[i]);
	serve(50);
	for (size_t i = METRICS_CLIENTS_MAX; i < ARRAY_SIZE(fds); i++)
		expect(fds[i], "HTTP/1.1 200 OK\r\n", "x 1\n");
}

/* Where nobody comes, nothing wakes up. */
static void test_it_sleeps(void **state)
{
	int fd;

	(void)state;
	at_once = true;
	serve(10);
	assert_int_equal(metrics_server_wait(server), -1);
	fd = ask(GET);
	serve(10);
	expect(fd, "HTTP/1.1 200 OK\r\n", "x 1\n");
	assert_int_equal(metrics_server_wait(server), -1);
	assert_false(metrics_server_rests(server));
}

/* Who cannot be let in waits, and does not keep the loop busy. */
static void test_without_descriptors(void **state)
{
	int fd = ask(GET), next = dup(fd);
	struct rlimit was, less;

	(void)state;
	at_once = true;
	close(next);
	getrlimit(RLIMIT_NOFILE, &was);
	less = was;
	less.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &less);
	metrics_server_dispatch(server);
	assert_true(metrics_server_rests(server));
	assert_in_range(metrics_server_wait(server), 1, 200);
	setrlimit(RLIMIT_NOFILE, &was);
	metrics_server_dispatch(server);
	assert_false(metrics_server_rests(server));
	serve(10);
	expect(fd, "HTTP/1.1 200 OK\r\n", "x 1\n");
}

static void test_an_end_while_clients_wait(void **state)
{
	int waiting, half;

	(void)state;
	waiting = ask(GET);
	half = ask("GET /");
	serve(50);
	close_server(NULL);
	close(waiting);
	close(half);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(test_a_scrape),
		WITH_SERVER(test_a_text_that_comes_later_is_for_all_who_wait),
		WITH_SERVER(test_other_requests),
		WITH_SERVER(test_a_long_head),
		WITH_SERVER(test_many_clients),
		WITH_SERVER(test_it_sleeps),
		WITH_SERVER(test_without_descriptors),
		WITH_SERVER(test_an_end_while_clients_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
