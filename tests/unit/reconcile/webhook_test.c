/* What of its address is told; deliveries are in tests/netns/test_alerts.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../../controller/reconcile/webhook.h"
#include "quaywall/mem.h"

static void test_nothing_but_the_place(void **state)
{
	static const char *const cases[][2] = {
		{"https://hooks.example.org/services/T0/B0/secret", "https://hooks.example.org"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"https://me:secret@host:1/x", "https://host:1"},
		{"https://me:se@cret@host/x", "https://host"},
		{"https://host?token=secret", "https://host"},
		{"https://host#secret", "https://host"},
		{"https://host\\secret@x", "https://host"},
		{"https://[2001:db8::1]:443/secret@x", "https://[2001:db8::1]:443"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_FREE char *place = webhook_place(cases[i][0]);

		assert_string_equal(place, cases[i][1]);
	}
}

/* However many come: the thread is at the first, which nobody takes. */
static void test_what_waits_is_bounded(void **state)
{
	struct webhook *w = NULL;
	struct webhook_state s;

	(void)state;
	assert_int_equal(webhook_open("http://127.0.0.1:1/", NULL, &w, NULL), 0);
	for (int i = 0; i < 200; i++)
		webhook_send(w, "{}");
	webhook_state(w, &s);
	assert_true(s.waiting <= WEBHOOK_WAITING + 1);
	assert_true(s.dropped >= 200 - WEBHOOK_WAITING - 1);
	assert_int_equal(s.sent, 0);
	free(s.error);
	webhook_close(w);
	webhook_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_but_the_place),
		cmocka_unit_test(test_what_waits_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
