#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/log.h"

struct capture {
	int saved, reader;
};

static void capture_begin(struct capture *c)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fflush(stderr);
	c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	c->reader = fds[0];
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
}

/* What was written since, in TEXT. */
static void capture_end(struct capture *c, char text[static 512])
{
	ssize_t len;

	fflush(stderr);
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	len = read(c->reader, text, 511);
	assert_true(len >= 0);
	text[len] = '\0';
	close(c->reader);
}

static void test_line_with_pairs(void **state)
{
	struct capture c;
	char text[512];

	(void)state;
	capture_begin(&c);
	log_line(LOG_LEVEL_INFO, "applied", "table", "quaywall", "gone", NULL, "took", "3 ms",
		 NULL);
	capture_end(&c, text);
	assert_string_equal(text, "level=info event=applied table=quaywall took=\"3 ms\"\n");
}

static void test_hostile_values_stay_one_line(void **state)
{
	struct capture c;
	char text[512];

	(void)state;
	capture_begin(&c);
	log_line(LOG_LEVEL_ERROR, "e", "a", "x\nlevel=info", "b", "\"q\"\\", "c", "\x1b[31m", "d",
		 "", "e", "a=b", NULL);
	capture_end(&c, text);
	assert_string_equal(text, "level=error event=e a=\"x\\nlevel=info\" b=\"\\\"q\\\"\\\\\" "
				  "c=\"\\x1b[31m\" d=\"\" e=\"a=b\"\n");
}

static void test_levels_above_are_dropped(void **state)
{
	struct capture c;
	char text[512];

	(void)state;
	capture_begin(&c);
	log_line(LOG_LEVEL_DEBUG, "quiet", NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	log_line(LOG_LEVEL_DEBUG, "loud", NULL);
	log_set_level(LOG_LEVEL_ERROR);
	log_line(LOG_LEVEL_WARNING, "quiet", NULL);
	log_set_level(LOG_LEVEL_INFO);
	capture_end(&c, text);
	assert_string_equal(text, "level=debug event=loud\n");
}

static void test_priority_only_for_the_journal(void **state)
{
	struct capture c;
	char text[512], stream[64];
	struct stat st;

	(void)state;
	capture_begin(&c);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_line(LOG_LEVEL_WARNING, "a", NULL);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_line(LOG_LEVEL_WARNING, "b", NULL);
	unsetenv("JOURNAL_STREAM");
	capture_end(&c, text);
	assert_string_equal(text, "<4>level=warning event=a\nlevel=warning event=b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_with_pairs),
		cmocka_unit_test(test_hostile_values_stay_one_line),
		cmocka_unit_test(test_levels_above_are_dropped),
		cmocka_unit_test(test_priority_only_for_the_journal),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
