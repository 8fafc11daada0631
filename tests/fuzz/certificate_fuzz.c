/*
 * Any bytes as a file of certificates, as a swarm's node has one. The first byte says whether the rest is the text, or what
 * one certificate says within it. Never a crash, and a time that its digits can say.
 */
#include <stdint.h>
#include <stdlib.h>

#include "quaywall/buf.h"
#include "quaywall/certificate.h"

#define EARLIEST INT64_C(-62167219200) /* the year 0 */
#define LATEST \
	INT64_C(253717920000) /* beyond the year 9999, as far as a 99th day of a 99th month may lead */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void add_base64(const uint8_t *data, size_t len, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? data[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			buf_add(out, k <= n ? &digits[bits >> (18 - 6 * k) & 63] : "=", 1);
	}
}

static void check(const char *text, size_t len)
{
	int64_t expiry = 0;

	if (certificate_expiry(text, len, &expiry) == 0 && (expiry < EARLIEST || expiry > LATEST))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_BUF struct buf pem = BUF_INIT;

	if (!len)
		return 0;
	if (data[0] % 2) {
		check((const char *)data + 1, len - 1);
		return 0;
	}
	buf_str(&pem, "-----BEGIN CERTIFICATE-----\n");
	add_base64(data + 1, len - 1, &pem);
	buf_str(&pem, "\n-----END CERTIFICATE-----\n");
	check(pem.data, pem.len);
	return 0;
}
