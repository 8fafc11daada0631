#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "little.h"
#include "../../../controller/reconcile/daemon.h"
#include "../../../controller/reconcile/statefile.h"

/* Endpoints of the little host. */
enum { DB, WEB, LONE };

static struct daemon d;
static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/learning-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	d = (struct daemon) {.state_folder = dir};
	little_world(&d.world, "policy: shop\nfor: [{name: web}, {name: db}]\n");
	daemon_learn_open(&d);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	daemon_learn_done(&d);
	world_drop(&d.world, NULL);
	statefile_remove(dir, LEARNING_FILE, NULL);
	return rmdir(dir);
}

/* 128 ports of each protocol and way are kept apart: one more place for each that is asked for. */
static void add(unsigned n)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};
	struct flow f = {
		.from = {.kind = END_ENDPOINT, .endpoint = n / 384 ? WEB : DB},
		.to = {.kind = END_ENDPOINT, .endpoint = n / 384 ? DB : WEB},
		.protocol = protocols[n / 128 % 3],
		.port = (uint16_t)(1 + n % 128),
	};

	daemon_learn_flow(&d, &f, FLOW_AUDIT);
}

static json_int_t pairs_of_file(void)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	json_t *j;
	size_t len = 0;

	if (statefile_read(dir, LEARNING_FILE, LEARNING_SIZE_MAX, &text, NULL) == -ENOENT)
		return -1;
	assert_true(statefile_check_sum(text.data, text.len, &len));
	j = json_loadb(text.data, len, 0, NULL);
	assert_int_equal(learn_table_read(j, LEARNING_PAIRS, &t, NULL), 0);
	json_decref(j);
	return (json_int_t)learn_table_len(t);
}

static unsigned turns_until_written(void)
{
	unsigned turns = 0;

	do {
		daemon_learn_due(&d);
		turns++;
	} while (d.learning.draft.len && turns < 100);
	return turns;
}

static void test_nothing_new_is_not_written(void **state)
{
	(void)state;
	daemon_learn_due(&d);
	assert_int_equal(pairs_of_file(), -1);
	assert_false(d.learning.write_timer.due);
}

static void test_written_in_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++)
		add(i);
	assert_true(d.learning.write_timer.due);
	assert_true(turns_until_written() > 2);
	assert_int_equal(pairs_of_file(), 500);
	assert_false(d.learning.changed);
	assert_null(d.learning.error);
}

/* What comes while it is written is in it or in the next one. */
static void test_new_ones_between_the_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add(i);
	daemon_learn_due(&d);
	assert_true(d.learning.draft.len);
	assert_int_equal(pairs_of_file(), -1);
	add(300);
	add(0);
	turns_until_written();
	assert_int_equal(pairs_of_file(), 301);
	assert_true(d.learning.changed && d.learning.write_timer.due);
	daemon_learn_forget(&d);
	assert_int_equal(pairs_of_file(), 0);
}

static void test_forgotten_between_the_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add(i);
	daemon_learn_due(&d);
	daemon_learn_forget(&d);
	assert_int_equal(pairs_of_file(), 0);
	add(1);
	turns_until_written();
	assert_int_equal(pairs_of_file(), 1);
}

static void test_what_cannot_be_written_is_tried_again(void **state)
{
	CLEANUP_FREE char *path = mem_printf("%s/" LEARNING_FILE ".new", dir);

	(void)state;
	add(1);
	/* In the way of the file that is renamed. */
	assert_int_equal(mkdir(path, 0700), 0);
	turns_until_written();
	assert_non_null(d.learning.error);
	assert_true(d.learning.changed && d.learning.write_timer.due);
	assert_int_equal(rmdir(path), 0);
	turns_until_written();
	assert_int_equal(pairs_of_file(), 1);
	assert_null(d.learning.error);
}

static void test_kept_at_the_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add(i);
	daemon_learn_due(&d);
	daemon_learn_done(&d);
	assert_int_equal(pairs_of_file(), 300);
	d.learning = (struct learning) {.table = NULL};
	daemon_learn_open(&d);
	assert_int_equal(learn_table_len(d.learning.table), 300);
}

static void tick(bool follows, uint64_t ms)
{
	if (d.learning.followed_from)
		d.learning.followed_from -= ms;
	d.accepted.events = follows ? (struct flow_events *)&d : NULL;
	daemon_learn_tick(&d);
}

/* From one look to the next, where flows were followed at both; a restart does not end it, forgetting does. */
static void test_for_how_long_flows_were_followed(void **state)
{
	(void)state;
	tick(true, 0);
	tick(true, 300000);
	tick(false, 300000);
	tick(true, 300000);
	tick(true, 60000);
	assert_int_equal(d.learning.followed, 360);
	d.accepted.events = NULL;
	daemon_learn_done(&d);
	d.learning = (struct learning) {.table = NULL};
	daemon_learn_open(&d);
	assert_int_equal(d.learning.followed, 360);
	daemon_learn_forget(&d);
	assert_int_equal(d.learning.followed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_new_is_not_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_in_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_ones_between_the_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten_between_the_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_written_is_tried_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_kept_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_for_how_long_flows_were_followed, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
