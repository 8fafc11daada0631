#include "parse.h"

static struct settings *parse_alert(const char *alert)
{
	CLEANUP_PROBLEMS struct policy_problems p = {0};
	CLEANUP_FREE char *text = mem_printf("alert: %s\n", alert);
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct settings *s = settings_parse("quaywall.yaml", text, strlen(text), &p);

	policy_problems_print(&p, &out);
	assert_null(strstr(buf_text(&out), "secret"));
	return s;
}

static void test_defaults(void **state)
{
	CLEANUP_SETTINGS struct settings *s = settings_new();

	(void)state;
	assert_int_equal(s->alert_scan.count, 20);
	assert_int_equal(s->alert_scan.unit, POLICY_MINUTE);
	assert_int_equal(s->alert_flood.count, 300);
	assert_int_equal(s->alert_flood.unit, POLICY_MINUTE);
	assert_true(s->alert_spoofing);
	assert_false(s->alert_new_flows);
	assert_null(s->webhook);
}

static void test_everything(void **state)
{
	CLEANUP_SETTINGS struct settings *s =
		parse_alert("{scan: 5/second, flood: 0, spoofing: false, new_flows: true, "
			    "webhook: \"https://u:p@h:8443/x?y=%20#z\"}");

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->alert_scan.count, 5);
	assert_int_equal(s->alert_scan.unit, POLICY_SECOND);
	assert_int_equal(s->alert_flood.count, 0);
	assert_false(s->alert_spoofing);
	assert_true(s->alert_new_flows);
	assert_string_equal(s->webhook, "https://u:p@h:8443/x?y=%20#z");
}

/* Their exact texts are in tests/errors/settings.txt; no message holds the address. */
static void test_webhooks_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"ftp://h/secret", "file:///secret",	"https:///secret",    "https://:1/secret",
		"h/secret",	  "https://h/a secret", "https://secret:x@/", "javascript:secret",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CLEANUP_FREE char *text = mem_printf("{webhook: \"%s\"}", wrong[i]);

		assert_null(parse_alert(text));
	}
	assert_null(parse_alert("{webhook: {url: secret}}"));
	assert_null(parse_alert("{webhook: \"https://h/secret\\n\"}"));
}

static void test_a_webhook_that_is_too_long(void **state)
{
	CLEANUP_FREE char *text = mem_printf("{webhook: \"https://h/%02100d\"}", 0);

	(void)state;
	assert_null(parse_alert(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_webhooks_that_are_none),
		cmocka_unit_test(test_a_webhook_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
