/* The nft room against the kernel and against nft(8), each test in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "quaywall/nft.h"
#include "sample.h"
#include "sandbox.h"

#define INET 1

static int enter(void **state)
{
	(void)state;
	sandbox_enter();
	return 0;
}

static struct nft *open_here(void)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n = NULL;

	if (nft_open(-1, &n, &err) < 0)
		fail_msg("%s", error_text(&err));
	return n;
}

/* Turns OLD (NULL: no table) into WANTED and expects CODE. */
static void expect_apply(struct nft *n, const struct ruleset *old, const struct ruleset *wanted,
			 int code, struct error *err)
{
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	int r;

	ruleset_compare(old, wanted, &d);
	r = nft_apply(n, &(struct nft_change) {"quaywall", INET, wanted, &d}, 1, err);
	if (r != code)
		fail_msg("%d instead of %d: %s", r, code, error_text(err));
}

static void apply(struct nft *n, const struct ruleset *old, const struct ruleset *wanted)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;

	expect_apply(n, old, wanted, 0, &err);
}

static struct ruleset *dump(struct nft *n)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct ruleset *r = NULL;

	if (nft_dump(n, "quaywall", INET, &r, &err) < 0)
		fail_msg("%s", error_text(&err));
	return r;
}

/* Is the kernel's table WANTED? */
static void expect_kernel(struct nft *n, const struct ruleset *wanted)
{
	struct ruleset *got CLEANUP_RULESET = dump(n);
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	struct buf text CLEANUP_BUF = BUF_INIT;

	ruleset_compare(got, wanted, &d);
	if (d.len == 0)
		return;
	ruleset_diff_print(got, wanted, &d, &text);
	fail_msg("the kernel has something else:\n%s", buf_text(&text));
}

static uint32_t generation(struct nft *n)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	uint32_t g = 0;

	if (nft_generation(n, &g, &err) < 0)
		fail_msg("%s", error_text(&err));
	return g;
}

static void test_everything_round_trip(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct nft *n CLEANUP_NFT = open_here();

	(void)state;
	assert_null(dump(n));
	apply(n, NULL, wanted);
	expect_kernel(n, wanted);
}

/* What nft lists, it loads, and it is the same then. */
static void test_nft_lists_and_loads_again(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct buf text CLEANUP_BUF = BUF_INIT;

	(void)state;
	{
		struct nft *n CLEANUP_NFT = open_here();

		apply(n, NULL, wanted);
		assert_int_equal(sandbox_nft(&text, "list", "table", "inet", "quaywall", NULL), 0);
	}
	sandbox_enter();
	{
		struct nft *n CLEANUP_NFT = open_here();

		assert_int_equal(sandbox_nft_load(buf_text(&text)), 0);
		expect_kernel(n, wanted);
	}
}

static void test_own_print_loads(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct nft *n CLEANUP_NFT = open_here();
	struct buf text CLEANUP_BUF = BUF_INIT;

	(void)state;
	ruleset_print(wanted, &text);
	assert_int_equal(sandbox_nft_load(buf_text(&text)), 0);
	expect_kernel(n, wanted);
}

/* nft cannot tell a table that we made from one that it made of our text. */
static void test_nft_lists_both_the_same(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct buf text CLEANUP_BUF = BUF_INIT, ours CLEANUP_BUF = BUF_INIT;
	struct buf its CLEANUP_BUF = BUF_INIT;

	(void)state;
	{
		struct nft *n CLEANUP_NFT = open_here();

		apply(n, NULL, wanted);
		assert_int_equal(sandbox_nft(&ours, "-s", "list", "ruleset", NULL), 0);
	}
	sandbox_enter();
	ruleset_print(wanted, &text);
	assert_int_equal(sandbox_nft_load(buf_text(&text)), 0);
	assert_int_equal(sandbox_nft(&its, "-s", "list", "ruleset", NULL), 0);
	assert_string_equal(buf_text(&ours), buf_text(&its));
}

static void test_hundred_thousand_elements_are_one_transaction(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_big(100000);
	struct ruleset *less CLEANUP_RULESET = sample_big(50000);
	struct nft *n CLEANUP_NFT = open_here();
	uint32_t before = generation(n);

	(void)state;
	apply(n, NULL, wanted);
	assert_int_equal(generation(n), before + 1);
	expect_kernel(n, wanted);
	apply(n, wanted, less);
	assert_int_equal(generation(n), before + 2);
	expect_kernel(n, less);
}

/* ---- changes, one after the other ---- */

static unsigned chance(unsigned *seed, unsigned of)
{
	return (unsigned)rand_r(seed) % of;
}

static void add_random_ranges(struct ruleset_set *s, unsigned *seed)
{
	unsigned first = chance(seed, 3) ? chance(seed, 2000) : 0, last;

	while (first <= 65535) {
		uint8_t begin[RULESET_KEY_MAX] = {0}, end[RULESET_KEY_MAX] = {0};
		struct ruleset_element e = {.key = begin, .key_end = end};

		last = first + chance(seed, 9000);
		last = last > 65535 ? 65535 : last;
		begin[0] = (uint8_t)(first >> 8);
		begin[1] = (uint8_t)first;
		end[0] = (uint8_t)(last >> 8);
		end[1] = (uint8_t)last;
		if (chance(seed, 3))
			ruleset_add_element(s, &e);
		first = last + 1;
	}
}

static void vary_set(struct ruleset *r, const struct ruleset_set *from, unsigned *seed)
{
	unsigned counter = chance(seed, 12) || (from->flags & SET_DYNAMIC) ? 0 : SET_COUNTER;
	struct ruleset_set *s =
		ruleset_add_set(r, from->name, from->flags ^ counter, from->fields, from->nfields);

	s->timeout = from->timeout;
	s->size = from->size;
	if (strcmp(s->name, "q_ranges") == 0) {
		add_random_ranges(s, seed);
		return;
	}
	for (size_t i = 0; i < from->len; i++) {
		struct ruleset_element e = from->elements[i];

		if (chance(seed, 5) == 0)
			e.comment = "shop.yaml:99";
		if (chance(seed, 3))
			ruleset_add_element(s, &e);
	}
}

static void vary_chain(struct ruleset *r, const struct ruleset_chain *from, unsigned *seed)
{
	int32_t off = chance(seed, 12) ? 0 : 1;
	struct ruleset_chain *c =
		ruleset_add_chain(r, from->name, from->hook, from->priority + off);
	bool vary = chance(seed, 4) == 0;

	for (size_t i = 0; i < from->len; i++) {
		struct ruleset_rule *rule;

		if (vary && chance(seed, 4) == 0)
			continue;
		rule = ruleset_add_rule(c, from->rules[i].comment);
		for (size_t j = 0; j < from->rules[i].len; j++)
			ruleset_add_expr(rule, &from->rules[i].exprs[j]);
	}
}

static struct ruleset *vary(const struct ruleset *from, unsigned *seed)
{
	struct ruleset *r = ruleset_new(from->table, from->family);

	for (size_t i = 0; i < from->nlimits; i++)
		ruleset_add_limit(r, from->limits[i].name, from->limits[i].rate,
				  from->limits[i].unit,
				  from->limits[i].burst + (chance(seed, 6) == 0));
	for (size_t i = 0; i < from->nsets; i++)
		vary_set(r, from->sets[i], seed);
	for (size_t i = 0; i < from->nchains; i++)
		vary_chain(r, from->chains[i], seed);
	ruleset_sort(r);
	return r;
}

/* From any state to any other by the difference alone. */
static void test_random_changes(void **state)
{
	struct ruleset *full CLEANUP_RULESET = sample_full(), *now = NULL, *next;
	struct ruleset *nothing CLEANUP_RULESET = ruleset_new("quaywall", INET);
	struct nft *n CLEANUP_NFT = open_here();
	unsigned seed = 86;

	(void)state;
	for (int i = 0; i < 60; i++) {
		next = vary(full, &seed);
		apply(n, now, next);
		expect_kernel(n, next);
		ruleset_free(now);
		now = next;
	}
	apply(n, now, nothing);
	expect_kernel(n, nothing);
	ruleset_free(now);
}

/* ---- refusals ---- */

static struct ruleset *with_bad_jump(void)
{
	struct ruleset *r = sample_full();
	struct ruleset_rule *rule =
		ruleset_add_rule(ruleset_find_chain(r, "input"), "shop.yaml:77");

	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_VERDICT,
						       .verdict = VERDICT_JUMP,
						       .name = (char *)"nowhere"});
	ruleset_sort(r);
	return r;
}

static void test_a_refused_rule_is_named_and_nothing_changed(void **state)
{
	struct ruleset *good CLEANUP_RULESET = sample_full(),
			     *bad CLEANUP_RULESET = with_bad_jump();
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	uint32_t before;

	(void)state;
	apply(n, NULL, good);
	before = generation(n);
	expect_apply(n, good, bad, -ENOENT, &err);
	assert_string_equal(error_text(&err), "the kernel refuses a rule of chain input "
					      "(shop.yaml:77): No such file or directory");
	assert_int_equal(generation(n), before);
	expect_kernel(n, good);
}

/* One of many in a message, in a set of ranges, where each is two elements. */
static void test_a_refused_element_is_named(void **state)
{
	struct ruleset *good CLEANUP_RULESET = sample_full(), *bad CLEANUP_RULESET = sample_full();
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct ruleset_set *s = ruleset_find_set(bad, "q_subnetmap");

	(void)state;
	apply(n, NULL, good);
	sample_element(s, "10.1.0.0-10.1.0.9", VERDICT_DROP, NULL, "shop.yaml:50");
	sample_element(s, "10.2.0.0-10.2.0.9", VERDICT_GOTO, "nowhere", "shop.yaml:51");
	sample_element(s, "10.3.0.0-10.3.0.9", VERDICT_DROP, NULL, "shop.yaml:52");
	ruleset_sort(bad);
	expect_apply(n, good, bad, -ENOENT, &err);
	assert_non_null(strstr(error_text(&err), "an element of set q_subnetmap (shop.yaml:51)"));
	expect_kernel(n, good);
}

/* Someone wrote meanwhile: the difference is not from what is there. */
static void test_a_difference_from_something_else_is_refused(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full(),
			       *other CLEANUP_RULESET = sample_full();
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();

	(void)state;
	sample_element(ruleset_find_set(other, "q_bridges"), "br-other", VERDICT_NONE, NULL, NULL);
	ruleset_sort(other);
	apply(n, NULL, wanted);
	expect_apply(n, NULL, wanted, -EEXIST, &err);
	expect_apply(n, other, wanted, -ENOENT, &err);
	apply(n, wanted, other);
	expect_apply(n, wanted, other, -EEXIST, &err);
}

/* ---- what others do ---- */

static void test_foreign_things_are_replaced(void **state)
{
	static const char *const foreign[][8] = {
		{"add", "rule", "inet", "quaywall", "forward", "meta mark 5 drop"},
		{"insert", "rule", "inet", "quaywall", "forward", "accept"},
		{"add", "chain", "inet", "quaywall", "extra"},
		{"add", "chain", "inet", "quaywall", "q_drop",
		 "{ type filter hook input priority 5; policy drop; }"},
		{"chain", "inet", "quaywall", "input", "{ policy drop; }"},
		{"add", "set", "inet", "quaywall", "marks", "{ type mark; elements = { 5 }; }"},
		{"add", "element", "inet", "quaywall", "q_bridges", "{ eth0 }"},
		{"delete", "element", "inet", "quaywall", "q_ranges", "{ 8080 }"},
		{"add", "limit", "inet", "quaywall", "other", "{ rate 1/second }"},
		{"flush", "chain", "inet", "quaywall", "forward"},
		{"flush", "set", "inet", "quaywall", "q_subnets4"},
		{"add", "table", "inet", "quaywall", "{ flags dormant; }"},
		{"delete", "table", "inet", "quaywall"},
	};
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct nft *n CLEANUP_NFT = open_here();

	(void)state;
	apply(n, NULL, wanted);
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		const char *argv[9] = {"nft"};
		struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};

		memcpy(argv + 1, foreign[i], sizeof(foreign[i]));
		assert_int_equal(sandbox_run(argv, NULL), 0);
		{
			struct ruleset *got CLEANUP_RULESET = dump(n);

			ruleset_compare(got, wanted, &d);
			if (d.len == 0)
				fail_msg("'nft %s %s' went unseen", argv[1], argv[2]);
			apply(n, got, wanted);
		}
		expect_kernel(n, wanted);
	}
}

static bool dispatched(struct nft *n)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	bool changed = false;

	if (nft_monitor_dispatch(n, "quaywall", &changed, &err) < 0)
		fail_msg("%s", error_text(&err));
	return changed;
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_monitor_tells_own_changes_from_others(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct nft_writer writer;

	(void)state;
	assert_int_equal(nft_monitor_fd(n), -1);
	assert_int_equal(nft_monitor(n, &err), 0);
	assert_false(is_readable(nft_monitor_fd(n)));
	apply(n, NULL, wanted);
	assert_true(is_readable(nft_monitor_fd(n)));
	assert_false(dispatched(n));
	assert_false(is_readable(nft_monitor_fd(n)));
	assert_int_equal(sandbox_nft(NULL, "add", "table", "inet", "other", NULL), 0);
	assert_false(dispatched(n));
	assert_int_equal(
		sandbox_nft(NULL, "add", "element", "inet", "quaywall", "q_ports", "{ 5 }", NULL),
		0);
	assert_true(dispatched(n));
	assert_false(dispatched(n));
	nft_monitor_writer(n, &writer);
	assert_string_equal(writer.process, "nft");
	assert_true(writer.pid > 1 && writer.portid > 0);
	assert_int_equal(sandbox_nft(NULL, "flush", "ruleset", NULL), 0);
	assert_true(dispatched(n));
}

static void test_lost_notifications_count_as_a_change(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct nft_writer writer;
	int space = 1;

	(void)state;
	assert_int_equal(nft_monitor(n, &err), 0);
	setsockopt(nft_monitor_fd(n), SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof(space));
	for (int i = 0; i < 40; i++)
		assert_int_equal(sandbox_nft(NULL, "add", "table", "inet", i % 2 ? "a" : "b", NULL),
				 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sandbox_nft(NULL, "flush", "ruleset", NULL) |
					 sandbox_nft(NULL, "add", "table", "inet", "a", NULL),
				 0);
	assert_true(dispatched(n));
	nft_monitor_writer(n, &writer);
	assert_string_equal(writer.process, "");
	assert_false(dispatched(n));
}

/* A bulk load leaves the monitor alone, and it works again afterwards. */
static void test_monitor_around_a_bulk_load(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_big(20000);
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();

	(void)state;
	assert_int_equal(nft_monitor(n, &err), 0);
	apply(n, NULL, wanted);
	assert_false(is_readable(nft_monitor_fd(n)));
	assert_false(dispatched(n));
	assert_int_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
	assert_true(dispatched(n));
}

/* Someone who adds and deletes all the time does not make a dump a mixture, nor does one that is
 * just being committed: large sets take the kernel a while. */
static void test_dump_beside_a_writer(void **state)
{
	struct ruleset *one CLEANUP_RULESET = sample_big(20000),
			    *two CLEANUP_RULESET = sample_big(28000);
	struct nft *n CLEANUP_NFT = open_here();
	int status;
	pid_t writer;

	(void)state;
	apply(n, NULL, one);
	writer = fork();
	if (writer == 0) {
		struct nft *other;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		other = open_here();
		for (int i = 0; i < 30; i++) {
			apply(other, i % 2 ? two : one, i % 2 ? one : two);
			usleep(20000);
		}
		_exit(0);
	}
	for (int i = 0; i < 40; i++) {
		struct ruleset *got CLEANUP_RULESET = dump(n);
		size_t len = ruleset_find_set(got, "q_big")->len;

		assert_true(len == 20000 || len == 28000);
	}
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	expect_kernel(n, one);
}

/* ---- ownership ---- */

static bool become_owner(struct nft *n)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	bool owner = false;

	if (nft_set_owner(n, &owner, &err) < 0)
		fail_msg("%s", error_text(&err));
	return owner;
}

/* A process that owns the table and waits to be killed. */
static pid_t start_owner(const struct ruleset *wanted)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct nft *n;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		n = open_here();
		if (!become_owner(n))
			_exit(1);
		apply(n, NULL, wanted);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void stop_owner(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void test_owned_table_outlives_flushes_and_its_owner(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full(),
			       *more CLEANUP_RULESET = sample_full();
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct ruleset *left CLEANUP_RULESET = NULL;
	pid_t child;

	(void)state;
	if (!become_owner(n)) {
		skip();
		return;
	}
	child = start_owner(wanted);
	sandbox_nft(NULL, "flush", "ruleset", NULL);
	expect_kernel(n, wanted);
	assert_int_equal(nft_delete_tables(n, "quaywall", &err), -EPERM);
	expect_apply(n, wanted, more, -EPERM, &err);
	stop_owner(child);
	expect_kernel(n, wanted);

	/* The next one reads what is there, changes what differs, and nobody else can. */
	left = dump(n);
	sample_element(ruleset_find_set(more, "q_bridges"), "br-new", VERDICT_NONE, NULL, NULL);
	ruleset_sort(more);
	apply(n, left, more);
	expect_kernel(n, more);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
	expect_kernel(n, more);
	apply(n, more, wanted);
	assert_int_equal(nft_delete_tables(n, "quaywall", &err), 0);
	assert_null(dump(n));
}

/* Also where there is nothing else to do. */
static void test_an_orphan_is_adopted_without_a_difference(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct nft *n CLEANUP_NFT = open_here();
	uint32_t before;

	(void)state;
	if (!become_owner(n)) {
		skip();
		return;
	}
	stop_owner(start_owner(wanted));
	apply(n, wanted, wanted);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
	before = generation(n);
	apply(n, wanted, wanted);
	assert_int_equal(generation(n), before);
	expect_kernel(n, wanted);
}

/* As `run --once` leaves it: without the flags. */
static void test_a_plain_table_is_taken_over(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct nft *once = open_here(), *n CLEANUP_NFT = open_here();

	(void)state;
	apply(once, NULL, wanted);
	nft_close(once);
	if (!become_owner(n)) {
		skip();
		return;
	}
	apply(n, wanted, wanted);
	expect_kernel(n, wanted);
	assert_int_not_equal(sandbox_nft(NULL, "delete", "table", "inet", "quaywall", NULL), 0);
}

static void test_probing_for_ownership_changes_nothing(void **state)
{
	struct nft *n CLEANUP_NFT = open_here();
	struct buf text CLEANUP_BUF = BUF_INIT;
	uint32_t before = generation(n);

	(void)state;
	become_owner(n);
	assert_int_equal(generation(n), before);
	assert_int_equal(sandbox_nft(&text, "list", "tables", NULL), 0);
	assert_string_equal(buf_text(&text), "");
}

/* ---- namespaces ---- */

static void test_another_namespace(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	int other CLEANUP_FD = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *there CLEANUP_NFT = NULL, *here CLEANUP_NFT = NULL;

	(void)state;
	sandbox_enter();
	here = open_here();
	assert_int_equal(nft_open(other, &there, &err), 0);
	assert_int_equal(nft_monitor(there, &err), 0);
	apply(there, NULL, wanted);
	assert_true(is_readable(nft_monitor_fd(there)));
	expect_kernel(there, wanted);
	assert_null(dump(here));
}

static void test_deleting_what_is_not_there_is_fine(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();

	(void)state;
	assert_int_equal(nft_delete_tables(n, "quaywall", &err), 0);
}

/* ---- counters ---- */

static const char counting[] =
	"table inet quaywall {\n"
	"  set s { type ipv4_addr; counter; elements = {\n"
	"    10.0.0.1 counter packets 5 bytes 50 comment \"a.yaml:1\",\n"
	"    10.0.0.2 counter packets 7 bytes 70 comment \"a.yaml:2 two\",\n"
	"    10.0.0.3 counter packets 1 bytes 10 comment \"a.yaml:1\", 10.0.0.4 } }\n"
	"  set r { type ipv4_addr; flags interval; counter; elements = {\n"
	"    10.1.0.0/16 counter packets 4294967296 bytes 3 comment \"a.yaml:3\" } }\n"
	"  set quiet { type ipv4_addr; elements = { 10.0.0.1 comment \"a.yaml:9\" } }\n"
	"  chain refuse { counter packets 3 bytes 30\n counter packets 9 bytes 90 drop\n }\n"
	"  chain c {\n"
	"    ip saddr @s counter packets 2 bytes 20 goto refuse comment \"a.yaml:4 end\"\n"
	"    ip saddr @r counter packets 8 bytes 80\n"
	"    ip saddr @quiet return comment \"a.yaml:5\"\n"
	"  }\n"
	"}\n";

static void print_count(const struct nft_count *c, void *data)
{
	if (c->set)
		buf_printf(data, "%s", c->set);
	else
		buf_printf(data, "%s:%d:%s", c->chain, (int)c->verdict,
			   c->target ? c->target : "-");
	buf_printf(data, " %s %llu/%llu\n", c->comment ? c->comment : "-",
		   (unsigned long long)c->packets, (unsigned long long)c->bytes);
}

static struct nft_counters *begin_counters(struct nft *n)
{
	struct ruleset *table CLEANUP_RULESET = dump(n);
	const struct ruleset *const tables[] = {table};
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft_counters *c = NULL;

	if (nft_counters_open(-1, tables, 1, &c, &err) < 0)
		fail_msg("%s", error_text(&err));
	return c;
}

/* Returns in how many pieces. */
static size_t end_counters(struct nft_counters *c, struct buf *text)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	size_t pieces = 1;
	int r;

	while ((r = nft_counters_read(c, print_count, text, &err)) > 0) {
		assert_true(is_readable(nft_counters_fd(c)));
		pieces++;
	}
	if (r < 0)
		fail_msg("%s", error_text(&err));
	nft_counters_close(c);
	return pieces;
}

static void test_counters(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct buf text CLEANUP_BUF = BUF_INIT;
	uint64_t packets = 1;

	(void)state;
	assert_int_equal(sandbox_nft_load(counting), 0);
	end_counters(begin_counters(n), &text);
	assert_string_equal(buf_text(&text), "refuse:0:- - 3/30\n"
					     "refuse:2:- - 9/90\n"
					     "c:5:refuse a.yaml:4 end 2/20\n"
					     "c:0:- - 8/80\n"
					     "r a.yaml:3 4294967296/3\n"
					     "s a.yaml:1 6/60\n"
					     "s a.yaml:2 two 7/70\n");
	assert_int_equal(nft_chain_packets(n, "quaywall", INET, "refuse", &packets, &err), 0);
	assert_int_equal(packets, 3);
	assert_int_equal(nft_chain_packets(n, "quaywall", INET, "none", &packets, &err), 0);
	assert_int_equal(packets, 0);
	assert_int_equal(nft_chain_packets(n, "other", INET, "refuse", &packets, &err), 0);
	assert_int_equal(packets, 0);
}

/* What came in between is neither counted twice nor forgotten; what has gone is left out. */
static void test_counters_beside_a_writer(void **state)
{
	struct nft *n CLEANUP_NFT = open_here();
	struct buf text CLEANUP_BUF = BUF_INIT;
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft_counters *c;

	(void)state;
	assert_int_equal(sandbox_nft_load(counting), 0);
	c = begin_counters(n);
	assert_int_equal(sandbox_nft(NULL,
				     "flush chain inet quaywall c; delete set inet quaywall r;"
				     " add element inet quaywall s { 10.0.0.9 counter packets "
				     "100 bytes 100 comment \"a.yaml:1\" }",
				     NULL),
			 0);
	end_counters(c, &text);
	assert_string_equal(buf_text(&text), "refuse:0:- - 3/30\n"
					     "refuse:2:- - 9/90\n"
					     "s a.yaml:1 106/160\n"
					     "s a.yaml:2 two 7/70\n");
	/* One that is given up keeps nobody. */
	c = begin_counters(n);
	assert_int_equal(nft_counters_read(c, print_count, &text, &err), 1);
	nft_counters_close(c);
}

static void add_up(const struct nft_count *c, void *data)
{
	*(uint64_t *)data += c->packets;
}

/* Many elements come in pieces, each of one message of the kernel. */
static void test_counters_of_a_big_set(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct nft *n CLEANUP_NFT = open_here();
	struct buf text CLEANUP_BUF = BUF_INIT;
	struct nft_counters *c;
	uint64_t packets = 0;
	size_t pieces = 1;

	(void)state;
	buf_str(&text, "table inet quaywall {\n set s {\n type ipv4_addr; counter; elements = {\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&text, "10.0.%u.%u counter packets 3 bytes 0 comment \"a.yaml:%u\",\n",
			   i / 250, i % 250, i % 7);
	buf_str(&text, "}\n}\n}\n");
	assert_int_equal(sandbox_nft_load(buf_text(&text)), 0);
	c = begin_counters(n);
	while (nft_counters_read(c, add_up, &packets, &err) > 0)
		pieces++;
	nft_counters_close(c);
	assert_int_equal(packets, 60000);
	assert_in_range(pieces, 40, 1000);
}

#define IN_SANDBOX(test) cmocka_unit_test_setup(test, enter)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDBOX(test_everything_round_trip),
		IN_SANDBOX(test_nft_lists_and_loads_again),
		IN_SANDBOX(test_own_print_loads),
		IN_SANDBOX(test_nft_lists_both_the_same),
		IN_SANDBOX(test_hundred_thousand_elements_are_one_transaction),
		IN_SANDBOX(test_random_changes),
		IN_SANDBOX(test_a_refused_rule_is_named_and_nothing_changed),
		IN_SANDBOX(test_a_refused_element_is_named),
		IN_SANDBOX(test_a_difference_from_something_else_is_refused),
		IN_SANDBOX(test_foreign_things_are_replaced),
		IN_SANDBOX(test_monitor_tells_own_changes_from_others),
		IN_SANDBOX(test_lost_notifications_count_as_a_change),
		IN_SANDBOX(test_monitor_around_a_bulk_load),
		IN_SANDBOX(test_dump_beside_a_writer),
		IN_SANDBOX(test_owned_table_outlives_flushes_and_its_owner),
		IN_SANDBOX(test_an_orphan_is_adopted_without_a_difference),
		IN_SANDBOX(test_a_plain_table_is_taken_over),
		IN_SANDBOX(test_probing_for_ownership_changes_nothing),
		IN_SANDBOX(test_another_namespace),
		IN_SANDBOX(test_deleting_what_is_not_there_is_fine),
		IN_SANDBOX(test_counters),
		IN_SANDBOX(test_counters_beside_a_writer),
		IN_SANDBOX(test_counters_of_a_big_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
