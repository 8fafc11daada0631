#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "quaywall/learn.h"
#include "quaywall/mem.h"

#define TIMES(first, last) \
	"\"first\":\"1970-01-01T00:00:" first "Z\",\"last\":\"1970-01-01T00:00:" last "Z\""
#define COUNTS "\"allowed\":1,\"audited\":2,\"refused\":3,\"unanswered\":1," TIMES("10", "20")
#define WEB    "{\"kind\":\"container\",\"project\":\"shop\",\"service\":\"web\"}"
#define HOST   "{\"kind\":\"host\"}"
#define TEN    "{\"kind\":\"outside\",\"address\":\"10.0.0.1\"}"

static void json_cleanup(json_t **j)
{
	json_decref(*j);
}

#define CLEANUP_JSON __attribute__((cleanup(json_cleanup)))

static int read_text(const char *text, struct learn_table **ret, struct error *err)
{
	CLEANUP_JSON json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return learn_table_read(j, 4, ret, err);
}

/* In the order of the pairs and of their keys as they are written. */
static const char *const good[] = {
	"{\"pairs\":[],\"left_out\":7}",
	"{\"pairs\":["
	"{\"from\":" WEB ",\"to\":" HOST ",\"protocol\":\"udp\",\"port\":53," COUNTS "},"
	"{\"from\":" WEB ",\"to\":" TEN ",\"protocol\":\"icmp\"," COUNTS "},"
	"{\"from\":" TEN ",\"to\":" WEB
	",\"protocol\":\"tcp\",\"port\":80,\"published\":8080," COUNTS "}],\"left_out\":0}",
	"{\"pairs\":["
	"{\"from\":{\"kind\":\"container\",\"name\":\"a \\\"b\\\" \\u0001\"},\"to\":" WEB
	",\"protocol\":\"tcp\",\"port\":1,\"port_last\":9," COUNTS "},"
	"{\"from\":{\"kind\":\"container\",\"project\":\"p\",\"name\":\"n\"},\"to\":"
	"{\"kind\":\"outside\"},\"protocol\":47," COUNTS "},"
	"{\"from\":{\"kind\":\"outside\",\"address\":\"fc00::/7\"},\"to\":" WEB
	",\"protocol\":\"tcp\",\"port\":1," COUNTS "}],\"left_out\":0}",
};

static void test_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
		CLEANUP_ERROR struct error err = ERROR_INIT;
		CLEANUP_JSON json_t *again = NULL;
		CLEANUP_FREE char *text = NULL;

		if (read_text(good[i], &t, &err) < 0)
			fail_msg("%s: %s", good[i], error_text(&err));
		again = learn_table_json(t);
		text = json_dumps(again, JSON_COMPACT);
		assert_string_equal(text, good[i]);
	}
}

/* Piece by piece, as the daemon does it, it says the same. */
static void test_printed(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(good); i++) {
		CLEANUP_LEARN_TABLE struct learn_table *t = NULL, *again = NULL;
		CLEANUP_BUF struct buf text = BUF_INIT;
		CLEANUP_JSON json_t *before = NULL, *after = NULL;
		size_t at = 0;

		assert_int_equal(read_text(good[i], &t, NULL), 0);
		buf_str(&text, "{\"pairs\":[");
		while (at < learn_table_len(t))
			at = learn_table_print(t, at, 2, &text);
		buf_str(&text, "],\"left_out\":0}");
		assert_int_equal(read_text(buf_text(&text), &again, NULL), 0);
		before = learn_table_json(t);
		after = learn_table_json(again);
		assert_true(json_equal(before, after));
	}
}

#define PAIR(from, to, rest) \
	"{\"pairs\":[{\"from\":" from ",\"to\":" to "," rest "}],\"left_out\":0}"
#define TCP "\"protocol\":\"tcp\",\"port\":80,"

static const char *const bad[] = {
	"[]",
	"{\"pairs\":[]}",
	"{\"pairs\":[],\"left_out\":-1}",
	"{\"pairs\":{},\"left_out\":0}",
	"{\"pairs\":[7],\"left_out\":0}",
	PAIR(HOST, TEN, TCP COUNTS),
	PAIR("{\"kind\":\"container\"}", HOST, TCP COUNTS),
	PAIR("{\"kind\":\"container\",\"service\":\"web\"}", HOST, TCP COUNTS),
	PAIR("{\"kind\":\"container\",\"project\":\"p\",\"service\":\"s\",\"name\":\"n\"}", HOST,
	     TCP COUNTS),
	PAIR("{\"kind\":\"container\",\"name\":\"\"}", HOST, TCP COUNTS),
	PAIR("{\"kind\":\"container\",\"name\":5}", HOST, TCP COUNTS),
	PAIR("{\"kind\":\"bridge\"}", WEB, TCP COUNTS),
	PAIR("{\"kind\":\"outside\",\"address\":\"10.0.0.1/8\"}", WEB, TCP COUNTS),
	PAIR("{\"kind\":\"outside\",\"address\":5}", WEB, TCP COUNTS),
	PAIR(WEB, HOST, "\"protocol\":\"dccp\",\"port\":80," COUNTS),
	PAIR(WEB, HOST, "\"protocol\":0," COUNTS),
	PAIR(WEB, HOST, "\"protocol\":58," COUNTS), /* ICMPv6 is kept as ICMP */
	PAIR(WEB, HOST, "\"protocol\":\"icmp\",\"port\":80," COUNTS),
	PAIR(WEB, HOST, "\"protocol\":\"tcp\",\"port\":65536," COUNTS),
	PAIR(WEB, HOST, "\"protocol\":\"tcp\",\"port\":9,\"port_last\":8," COUNTS),
	PAIR(WEB, HOST, TCP "\"published\":80," COUNTS),
	PAIR(WEB, HOST, TCP "\"allowed\":0,\"audited\":0,\"refused\":0," TIMES("01", "02")),
	PAIR(WEB, HOST, TCP "\"allowed\":-1,\"audited\":0,\"refused\":0," TIMES("01", "02")),
	PAIR(WEB, HOST, TCP "\"allowed\":1,\"audited\":0,\"refused\":0," TIMES("03", "02")),
	PAIR(WEB, HOST,
	     TCP
	     "\"allowed\":1,\"audited\":0,\"refused\":0,\"first\":\"1970-01-01T00:00:00Z\",\"last\":\"11476-08-21T05:20:00Z\""),
	PAIR(WEB, HOST,
	     TCP "\"allowed\":1,\"audited\":0,\"refused\":0,\"unanswered\":2," TIMES("01", "02")),
	PAIR(WEB, HOST, TCP "\"allowed\":1,\"refused\":0," TIMES("01", "02")),
	"{\"pairs\":[{\"from\":" WEB ",\"to\":" HOST "," TCP COUNTS "},"
	"{\"from\":" WEB ",\"to\":" HOST "," TCP COUNTS "}],\"left_out\":0}",
};

static void test_what_makes_no_sense_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct learn_table *t = NULL;
		CLEANUP_ERROR struct error err = ERROR_INIT;

		if (read_text(bad[i], &t, &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_null(t);
		assert_non_null(err.text);
	}
}

static void test_a_name_that_is_too_long(void **state)
{
	CLEANUP_FREE char *name = mem_new(LEARN_NAME_MAX + 2, 1);
	struct learn_table *t = NULL;

	(void)state;
	memset(name, 'n', LEARN_NAME_MAX);
	for (int longer = 0; longer < 2; longer++) {
		CLEANUP_FREE char *text = mem_printf(
			PAIR("{\"kind\":\"container\",\"name\":\"%s\"}", HOST, TCP COUNTS), name);

		assert_int_equal(read_text(text, &t, NULL) == 0, !longer);
		learn_table_free(t);
		t = NULL;
		name[LEARN_NAME_MAX] = 'n';
	}
}

static void test_more_pairs_than_there_is_room_for(void **state)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct learn_table *t = NULL;

	(void)state;
	buf_str(&text, "{\"pairs\":[");
	for (int i = 0; i < 5; i++)
		buf_printf(&text,
			   "%s{\"from\":" WEB ",\"to\":" HOST
			   ",\"protocol\":\"tcp\",\"port\":%d," COUNTS "}",
			   i ? "," : "", i + 1);
	buf_str(&text, "],\"left_out\":0}");
	assert_int_not_equal(read_text(buf_text(&text), &t, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_back),
		cmocka_unit_test(test_printed),
		cmocka_unit_test(test_what_makes_no_sense_is_an_error),
		cmocka_unit_test(test_a_name_that_is_too_long),
		cmocka_unit_test(test_more_pairs_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
