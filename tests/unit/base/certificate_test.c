#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/certificate.h"

/* Made by the tests' author for this file; its key is gone. */
static const char until_2031[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIH/MIGmAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAXQwHhcNMjYwMTAxMDAw\n"
	"MDAwWhcNMzEwMTAyMDMwNDA1WjAMMQowCAYDVQQDDAF0MFkwEwYHKoZIzj0CAQYI\n"
	"KoZIzj0DAQcDQgAE7ej3Mz0dCfjMiF627NOOzBcTP1gy5gQZtWLammo0DgpZlH8s\n"
	"H1XL0BLQzobeOt23GM0nvbRx7aOMhHwtvCefnjAKBggqhkjOPQQDAgNIADBFAiAi\n"
	"uwsBHF4w2a0xjGFAE7lvC3Y0P06DaJgy175KsTTPRgIhALjS1rcOsfMiCZ6RCm2l\n"
	"VyFMM/r0Oll+Fyz8H7mBQ1bZ\n"
	"-----END CERTIFICATE-----\n";

static const char until_2051[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBATCBqAIBATAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF0MCAXDTI2MDEwMTAw\n"
	"MDAwMFoYDzIwNTEwMjAzMDQwNTA2WjAMMQowCAYDVQQDDAF0MFkwEwYHKoZIzj0C\n"
	"AQYIKoZIzj0DAQcDQgAE7ej3Mz0dCfjMiF627NOOzBcTP1gy5gQZtWLammo0DgpZ\n"
	"lH8sH1XL0BLQzobeOt23GM0nvbRx7aOMhHwtvCefnjAKBggqhkjOPQQDAgNIADBF\n"
	"AiEAydEdCmx+8MQxHwIPEMC32MzK8kbh0tBFDcP8YKYx4jQCIFwMHJfr+fIU1TMg\n"
	"ZS4wb3AkQ5jODBkdremf6ip5kVrm\n"
	"-----END CERTIFICATE-----\n";

static int64_t expiry_of(const char *text)
{
	int64_t expiry = -1;

	assert_int_equal(certificate_expiry(text, strlen(text), &expiry), 0);
	return expiry;
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(expiry_of(until_2031), 1925089445);
	assert_int_equal(expiry_of(until_2051), 2559009906);
}

static void test_the_earliest_counts(void **state)
{
	char both[4096];

	(void)state;
	snprintf(both, sizeof(both), "text\n%s%s", until_2051, until_2031);
	assert_int_equal(expiry_of(both), 1925089445);
}

/* Whatever is cut off or changed: no reading beyond the end (with sanitizers), and no time of nowhere. */
static void test_broken_ones(void **state)
{
	int64_t expiry = 7;
	char text[sizeof(until_2031)];

	(void)state;
	assert_int_equal(certificate_expiry("", 0, &expiry), -EBADMSG);
	assert_int_equal(certificate_expiry("-----BEGIN CERTIFICATE-----", 27, &expiry), -EBADMSG);
	for (size_t len = 0; len < 120; len++)
		assert_int_equal(certificate_expiry(until_2031, len, &expiry), -EBADMSG);
	assert_int_equal(expiry, 7);
	for (size_t i = 28; i < sizeof(text) - 1; i++) {
		memcpy(text, until_2031, sizeof(text));
		text[i] = text[i] == '/' ? 'A' : '/';
		certificate_expiry(text, sizeof(text) - 1, &expiry);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_the_earliest_counts),
		cmocka_unit_test(test_broken_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
