#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../controller/reconcile/output.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"

static char *formed(enum output_to to, const char *line, size_t *ret_len)
{
	CLEANUP_JSON json_t *record = json_loads(line, 0, NULL);
	CLEANUP_BUF struct buf out = BUF_INIT;

	assert_non_null(record);
	output_form(to, record, line, "ho st\n", &out);
	if (ret_len)
		*ret_len = out.len;
	return buf_steal(&out);
}

#define FLOW                                                                                        \
	"{\"time\":\"2026-11-24T10:02:00.123Z\",\"verdict\":\"refused\",\"passed\":false,"          \
	"\"from\":{\"kind\":\"endpoint\",\"title\":\"shop/web (web-1)\",\"address\":\"10.0.0.2\"}," \
	"\"to\":{\"kind\":\"outside\",\"title\":\"outside\",\"address\":\"192.0.2.1\"},"            \
	"\"ports\":\"22/tcp\",\"why\":\"no rule\"}"

static void test_a_file_has_the_line(void **state)
{
	CLEANUP_FREE char *text = formed(OUTPUT_FILE, FLOW, NULL);

	(void)state;
	assert_string_equal(text, FLOW "\n");
}

static void test_syslog(void **state)
{
	CLEANUP_FREE char *text = formed(OUTPUT_SYSLOG, FLOW, NULL);
	CLEANUP_FREE char *want = mem_printf(
		"<29>1 2026-11-24T10:02:00.123Z ho_st_ quaywall %d flow - " FLOW, (int)getpid());

	(void)state;
	assert_string_equal(text, want);
}

/* Without a time, and no flow. */
static void test_syslog_of_an_alert(void **state)
{
	CLEANUP_FREE char *text =
		formed(OUTPUT_SYSLOG, "{\"event\":\"alert\",\"text\":\"hm\"}", NULL);

	(void)state;
	assert_int_equal(strncmp(text, "<28>1 - ho_st_ quaywall ", 24), 0);
	assert_non_null(strstr(text, " alert - {\"event\""));
}

static void test_the_journal(void **state)
{
	CLEANUP_FREE char *text = formed(OUTPUT_JOURNAL, FLOW, NULL);

	(void)state;
	assert_string_equal(
		text,
		"MESSAGE=refused shop/web (web-1) 10.0.0.2 -> world 192.0.2.1 22/tcp: no rule\n"
		"PRIORITY=5\nSYSLOG_IDENTIFIER=quaywall\nQUAYWALL_VERDICT=refused\n"
		"QUAYWALL_PORTS=22/tcp\nQUAYWALL_WHY=no rule\n"
		"QUAYWALL_FROM=shop/web (web-1)\nQUAYWALL_FROM_ADDRESS=10.0.0.2\n"
		"QUAYWALL_TO=world\nQUAYWALL_TO_ADDRESS=192.0.2.1\nQUAYWALL_JSON=" FLOW "\n");
}

/* A name with a line break in it begins no field. */
static void test_a_hostile_name(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = formed(
		OUTPUT_JOURNAL, "{\"verdict\":\"accepted\",\"ports\":\"a\\nPRIORITY=0\"}", &len);
	const char *field = "QUAYWALL_PORTS\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n";

	(void)state;
	assert_non_null(memmem(text, len, field, 15 + 8 + 12 + 1));
	assert_non_null(memmem(text, len, "\nPRIORITY=6\n", 12));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_has_the_line), cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_syslog_of_an_alert),  cmocka_unit_test(test_the_journal),
		cmocka_unit_test(test_a_hostile_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
