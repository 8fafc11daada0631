/* Files and sockets of a folder of their own; a full disk is in tests/netns/test_output.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../../controller/reconcile/output.h"
#include "quaywall/mem.h"

struct fixture {
	char dir[64], path[80], moved[80];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/quaywall-output-XXXXXX");
	*state = f;
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/out", f->dir);
	snprintf(f->moved, sizeof(f->moved), "%s/out.1", f->dir);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	unlink(f->moved);
	rmdir(f->dir);
	free(f);
	return 0;
}

static struct output *opened(enum output_to to, const char *path)
{
	struct output *o = NULL;

	assert_int_equal(output_open(to, path, NULL, &o, NULL), 0);
	return o;
}

static uint64_t count(struct output *o, uint64_t *ret_lost)
{
	struct output_state s;

	output_state(o, &s);
	free(s.error);
	*ret_lost = s.lost;
	return s.lines + s.lost;
}

/* Adds, and waits until it was written or lost. Returns how many were lost in all. */
static uint64_t add(struct output *o, const char *line)
{
	uint64_t lost = 0, before = count(o, &lost);

	output_add(o, line, strlen(line));
	for (int i = 0; i < 10000 && count(o, &lost) == before; i++)
		nanosleep(&(struct timespec) {.tv_nsec = 1000000}, NULL);
	assert_int_equal(count(o, &lost), before + 1);
	return lost;
}

static void assert_holds(const char *path, const char *want)
{
	char text[128] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, want);
}

static void assert_error(struct output *o, const char *part)
{
	struct output_state s;

	output_state(o, &s);
	if (part)
		assert_non_null(s.error && strstr(s.error, part) ? s.error : NULL);
	else
		assert_null(s.error);
	free(s.error);
}

static void test_a_file_is_added_to(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_FILE, f->path);
	struct stat st;

	assert_int_equal(add(o, "1\n"), 0);
	output_close(o);
	o = opened(OUTPUT_FILE, f->path);
	assert_int_equal(add(o, "2\n"), 0);
	output_close(o);
	assert_holds(f->path, "1\n2\n");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	output_close(NULL);
}

static void test_what_waits_is_written_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_FILE, f->path);

	for (char c = 'a'; c <= 'h'; c++)
		output_add(o, &c, 1);
	output_close(o);
	assert_holds(f->path, "abcdefgh");
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_FILE, f->path);

	add(o, "1\n");
	assert_int_equal(rename(f->path, f->moved), 0);
	add(o, "2\n");
	assert_holds(f->moved, "1\n");
	assert_holds(f->path, "2\n");
	assert_int_equal(unlink(f->path), 0);
	add(o, "3\n");
	assert_holds(f->path, "3\n");
	output_reopen(o);
	assert_int_equal(add(o, "4\n"), 0);
	assert_holds(f->path, "3\n4\n");
	output_close(o);
}

/* Through a link that somebody put there, another's file would be written. */
static void test_links_and_pipes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_FILE, f->path);

	assert_int_equal(symlink(f->moved, f->path), 0);
	assert_int_equal(add(o, "1\n"), 1);
	assert_error(o, "a symbolic link");
	assert_int_not_equal(access(f->moved, F_OK), 0);
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(add(o, "2\n"), 2);
	unlink(f->path);
	assert_int_equal(add(o, "3\n"), 2);
	assert_error(o, NULL);
	assert_holds(f->path, "3\n");
	output_close(o);
}

static void test_no_folder(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *path = mem_printf("%s/none/out", f->dir);
	struct output *o = opened(OUTPUT_FILE, path);

	assert_int_equal(add(o, "1\n"), 1);
	assert_error(o, "No such file");
	output_close(o);
}

/* ---- sockets ---- */

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void assert_comes(int fd, const char *want)
{
	char text[128] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, 0) >= 0);
	assert_string_equal(text, want);
}

static void test_a_collector_that_comes_and_goes(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_SYSLOG, f->path);
	int fd;

	assert_int_equal(add(o, "1"), 1);
	assert_error(o, "No such file");
	fd = listen_at(f->path);
	assert_int_equal(add(o, "2"), 1);
	assert_comes(fd, "2");
	close(fd);
	unlink(f->path);
	fd = listen_at(f->path);
	assert_int_equal(add(o, "3"), 1);
	assert_comes(fd, "3");
	close(fd);
	assert_int_equal(add(o, "4"), 2);
	output_close(o);
}

static void test_a_collector_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct output *o = opened(OUTPUT_JOURNAL, f->path);
	int fd = listen_at(f->path);
	uint64_t lost = 0;

	for (int i = 0; i < 2000 && !lost; i++)
		lost = add(o, "line");
	assert_int_equal(lost, 1);
	assert_error(o, "is not read from");
	assert_comes(fd, "line");
	assert_int_equal(add(o, "line"), 1);
	assert_error(o, NULL);
	close(fd);
	output_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_file_is_added_to, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_waits_is_written_at_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_and_pipes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_collector_that_comes_and_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_collector_that_does_not_read, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
