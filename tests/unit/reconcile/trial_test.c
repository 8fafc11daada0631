#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "../../../controller/reconcile/trial.h"

static struct policy_file file(const char *name, const char *text)
{
	return (struct policy_file) {
		.name = mem_strdup(name), .text = mem_strdup(text), .len = strlen(text)};
}

static struct trial sample(void)
{
	struct trial t = {
		.state = TRIAL_PENDING,
		.deadline = 123456789,
		.boot = "01234567-89ab-cdef-0123-456789abcdef",
		.since = 1790000000,
		.refused = 0xfedcba9876543210u,
		.known = sources_new(),
	};

	t.known->settings = file("/etc/quaywall/quaywall.yaml", "defaults: {mode: audit}\n");
	MEM_PUSH(&t.known->policies, file("a.yaml", "policy: a\nfor: all # \xc3\xa9\t\"\\\n"));
	MEM_PUSH(&t.known->policies, file("sum 0.yaml", ""));
	return t;
}

static void assert_same(const struct trial *a, const struct trial *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->deadline, b->deadline);
	assert_string_equal(a->boot, b->boot);
	assert_int_equal(a->since, b->since);
	assert_int_equal(a->refused, b->refused);
	assert_true(sources_equal(a->known, b->known));
}

static void check_round(struct trial *t)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct trial back = {.state = TRIAL_NONE};

	assert_int_equal(trial_encode(t, &text), 0);
	assert_int_equal(trial_decode(text.data, text.len, &back, NULL), 0);
	assert_same(t, &back);
	trial_done(&back);
	trial_done(t);
}

static void test_what_is_written_is_read(void **state)
{
	struct trial t = sample();

	(void)state;
	check_round(&t);
	t = sample();
	policy_file_done(&t.known->settings);
	t.state = TRIAL_OVER;
	check_round(&t);
	t = (struct trial) {.state = TRIAL_NONE};
	check_round(&t);
}

static void assert_refused(const char *data, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct trial t = {.state = TRIAL_OVER, .since = 7};

	assert_int_equal(trial_decode(data, len, &t, &err), -EBADMSG);
	assert_non_null(err.text);
	assert_true(t.state == TRIAL_OVER && t.since == 7 && !t.known);
}

static void test_every_truncation_is_refused(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct trial t = sample();

	(void)state;
	trial_encode(&t, &text);
	for (size_t len = 0; len < text.len; len++) {
		/* Of exactly that length, so that a sanitizer sees what reads on. */
		CLEANUP_FREE char *cut = mem_new(len ? len : 1, 1);

		memcpy(cut, text.data, len);
		assert_refused(cut, len);
	}
	buf_char(&text, '\n');
	assert_refused(text.data, text.len);
	trial_done(&t);
}

static void test_every_other_byte_is_refused(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct trial t = sample();

	(void)state;
	trial_encode(&t, &text);
	for (size_t i = 0; i < text.len; i++) {
		text.data[i] ^= 0x20;
		assert_refused(text.data, text.len);
		text.data[i] ^= 0x20;
	}
	trial_done(&t);
}

/* With its checksum in order. */
static void assert_content_refused(const char *json)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_printf(&text, "%s\nsum %016llx\n", json,
		   (unsigned long long)sources_hash(SOURCES_HASH_INIT, json, strlen(json)));
	assert_refused(text.data, text.len);
}

static void test_strange_contents_are_refused(void **state)
{
	static const char good[] = "{\"quaywall_trial\":1,\"state\":\"none\",\"deadline\":0,"
				   "\"boot\":\"\",\"since\":0,\"refused\":\"0\",\"known\":%s}";
	static const char *const known[] = {"1",
					    "{}",
					    "[]",
					    "\"x\"",
					    "{\"settings\":null}",
					    "{\"settings\":null,\"policies\":{}}",
					    "{\"settings\":null,\"policies\":[1]}",
					    "{\"settings\":{},\"policies\":[]}",
					    "{\"settings\":null,\"policies\":[{\"name\":\"a\"}]}"};

	(void)state;
	assert_content_refused("");
	assert_content_refused("[]");
	assert_content_refused("{}");
	assert_content_refused("{\"quaywall_trial\":2}");
	assert_content_refused("{\"quaywall_trial\":1,\"state\":\"odd\",\"deadline\":0,\"boot\":"
			       "\"\",\"since\":0,\"refused\":\"0\",\"known\":null}");
	assert_content_refused("{\"quaywall_trial\":1,\"state\":\"none\",\"deadline\":-1,\"boot\":"
			       "\"\",\"since\":0,\"refused\":\"0\",\"known\":null}");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;
		const char *gap = strstr(good, "%s");

		buf_add(&text, good, (size_t)(gap - good));
		buf_str(&text, known[i]);
		buf_str(&text, gap + 2);
		assert_content_refused(buf_text(&text));
	}
}

static void test_names_that_are_no_utf8(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct trial t = sample();

	(void)state;
	MEM_PUSH(&t.known->policies, file("\xff.yaml", "policy: b\n"));
	assert_int_equal(trial_encode(&t, &text), -EILSEQ);
	trial_done(&t);
}

static void test_sources(void **state)
{
	struct trial t = sample();
	CLEANUP_SOURCES struct sources *other = sources_copy(t.known);
	uint64_t before = sources_fingerprint(other);

	(void)state;
	assert_true(sources_equal(t.known, other));
	assert_int_equal(sources_fingerprint(t.known), before);
	free(other->settings.name);
	other->settings.name = mem_strdup("/elsewhere");
	assert_true(sources_equal(t.known, other));
	other->policies.items[0].text[3] = 'X';
	assert_false(sources_equal(t.known, other));
	assert_int_not_equal(sources_fingerprint(other), before);
	assert_false(sources_equal(t.known, NULL));
	assert_true(sources_equal(NULL, NULL));
	assert_int_equal(sources_fingerprint(NULL), 0);
	trial_done(&t);
}

static void test_time(void **state)
{
	struct trial t = {.deadline = trial_now() + 60000};

	(void)state;
	trial_boot(t.boot);
	assert_true(trial_left(&t) > 59000 && trial_left(&t) <= 60000);
	t.deadline = trial_now();
	assert_int_equal(trial_left(&t), 0);
	t.deadline = trial_now() + 60000;
	t.boot[0] = t.boot[0] == 'a' ? 'b' : 'a'; /* after a reboot */
	assert_int_equal(trial_left(&t), 0);
}

/* ---- the file ---- */

static int make_dir(void **state)
{
	char *dir = mem_strdup("/tmp/quaywall-trial-XXXXXX");

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int remove_dir(void **state)
{
	CLEANUP_FREE char *sub = mem_printf("%s/state", (char *)*state);
	int r;

	chmod(sub, 0700);
	trial_remove(sub, NULL);
	rmdir(sub);
	r = rmdir(*state);
	free(*state);
	return r;
}

static void test_file(void **state)
{
	CLEANUP_FREE char *dir = mem_printf("%s/state", (char *)*state);
	CLEANUP_FREE char *path = mem_printf("%s/" TRIAL_FILE, dir);
	CLEANUP_FREE char *fresh = mem_printf("%s/" TRIAL_FILE ".new", dir);
	struct trial t = sample(), back = {.state = TRIAL_NONE};
	struct stat st;

	assert_int_equal(trial_read(dir, &back, NULL), -ENOENT);
	assert_int_equal(trial_remove(dir, NULL), 0);
	assert_int_equal(trial_write(dir, &t, NULL), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(fresh, F_OK), -1);
	assert_int_equal(trial_read(dir, &back, NULL), 0);
	assert_same(&t, &back);
	trial_done(&back);
	assert_int_equal(trial_remove(dir, NULL), 0);
	assert_int_equal(trial_read(dir, &back, NULL), -ENOENT);
	trial_done(&t);
}

/* A disk that has no room left, as far as a limit on the size of files is one. */
static void test_no_room(void **state)
{
	CLEANUP_FREE char *dir = mem_printf("%s/state", (char *)*state);
	CLEANUP_FREE char *fresh = mem_printf("%s/" TRIAL_FILE ".new", dir);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct trial t = sample(), back = {.state = TRIAL_NONE};
	struct rlimit before, little;

	assert_int_equal(trial_write(dir, &t, NULL), 0);
	t.state = TRIAL_OVER;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	little = before;
	little.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &little);
	assert_int_equal(trial_write(dir, &t, &err), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_non_null(strstr(error_text(&err), "cannot be written: File too large"));
	assert_int_equal(access(fresh, F_OK), -1);
	assert_int_equal(trial_read(dir, &back, NULL), 0);
	assert_int_equal(back.state, TRIAL_PENDING);
	trial_done(&back);
	trial_done(&t);
}

static void test_folder_of_others(void **state)
{
	CLEANUP_FREE char *dir = mem_printf("%s/state", (char *)*state);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct trial t = sample(), back = {.state = TRIAL_NONE};

	assert_int_equal(trial_write(dir, &t, NULL), 0);
	chmod(dir, 0722);
	assert_int_equal(trial_read(dir, &back, &err), -EPERM);
	assert_int_equal(trial_write(dir, &t, &err), -EPERM);
	chmod(dir, 0755);
	assert_int_equal(trial_read(dir, &back, &err), 0);
	trial_done(&back);
	trial_done(&t);
}

#define WITH_DIR(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_every_other_byte_is_refused),
		cmocka_unit_test(test_strange_contents_are_refused),
		cmocka_unit_test(test_names_that_are_no_utf8),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_time),
		WITH_DIR(test_file),
		WITH_DIR(test_no_room),
		WITH_DIR(test_folder_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
