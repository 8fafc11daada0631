#include "quaywall/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define DER_MAX 16384 /* bytes of one certificate; Swarm's have some 500 */

/* ---- base64 ---- */

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Up to the first '=' or '-'. Returns the bytes, or -EBADMSG for what is none or too much. */
static int decode(const char *text, size_t len, uint8_t out[static DER_MAX])
{
	unsigned bits = 0, nbits = 0;
	int n = 0;

	for (size_t i = 0; i < len && text[i] != '=' && text[i] != '-'; i++) {
		int d = digit(text[i]);

		if (text[i] == '\n' || text[i] == '\r' || text[i] == ' ')
			continue;
		if (d < 0 || n == DER_MAX)
			return -EBADMSG;
		bits = (bits << 6 | (unsigned)d) & 0xffff;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			out[n++] = (uint8_t)(bits >> nbits);
		}
	}
	return n;
}

/* ---- DER ---- */

enum { INTEGER = 0x02, UTC_TIME = 0x17, GENERALIZED_TIME = 0x18, SEQUENCE = 0x30, VERSION = 0xa0 };

struct der {
	const uint8_t *at;
	size_t left;
};

/* Takes the next object off D. */
static bool der_next(struct der *d, uint8_t *ret_tag, struct der *ret)
{
	size_t header = 2, len;

	if (d->left < 2)
		return false;
	len = d->at[1];
	if (len & 0x80) {
		size_t bytes = len & 0x7f;

		if (bytes == 0 || bytes > 3 || d->left < 2 + bytes)
			return false;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | d->at[2 + i];
		header += bytes;
	}
	if (d->left - header < len)
		return false;
	*ret_tag = d->at[0];
	*ret = (struct der) {d->at + header, len};
	d->at += header + len;
	d->left -= header + len;
	return true;
}

static bool der_expect(struct der *d, uint8_t tag, struct der *ret)
{
	uint8_t found;

	return der_next(d, &found, ret) && found == tag;
}

static int two(const uint8_t *digits)
{
	return (digits[0] - '0') * 10 + digits[1] - '0';
}

/* "YYMMDDhhmmssZ", or with four digits of the year. */
static int read_time(uint8_t tag, const struct der *d, int64_t *ret)
{
	size_t year = tag == GENERALIZED_TIME ? 4 : 2;
	const uint8_t *at = d->at;
	struct tm tm = {0};

	if ((tag != UTC_TIME && tag != GENERALIZED_TIME) || d->left != year + 11)
		return -EBADMSG;
	for (size_t i = 0; i < year + 10; i++)
		if (at[i] < '0' || at[i] > '9')
			return -EBADMSG;
	tm.tm_year = year == 4 ? two(at) * 100 + two(at + 2) - 1900 : two(at);
	if (year == 2 && tm.tm_year < 50)
		tm.tm_year += 100;
	at += year;
	tm.tm_mon = two(at) - 1;
	tm.tm_mday = two(at + 2);
	tm.tm_hour = two(at + 4);
	tm.tm_min = two(at + 6);
	tm.tm_sec = two(at + 8);
	*ret = timegm(&tm);
	return 0;
}

/* Certificate { tbs { [version], serial, algorithm, issuer, validity { from, to }, … */
static int read_expiry(struct der d, int64_t *ret)
{
	struct der certificate, tbs, skipped, validity, time;
	uint8_t tag;

	if (!der_expect(&d, SEQUENCE, &certificate) || !der_expect(&certificate, SEQUENCE, &tbs) ||
	    !der_next(&tbs, &tag, &skipped))
		return -EBADMSG;
	if (tag == VERSION && !der_next(&tbs, &tag, &skipped))
		return -EBADMSG;
	if (tag != INTEGER || !der_expect(&tbs, SEQUENCE, &skipped) ||
	    !der_expect(&tbs, SEQUENCE, &skipped) || !der_expect(&tbs, SEQUENCE, &validity) ||
	    !der_next(&validity, &tag, &skipped) || !der_next(&validity, &tag, &time))
		return -EBADMSG;
	return read_time(tag, &time, ret);
}

int certificate_expiry(const char *text, size_t len, int64_t *ret)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const char *end = text + len, *at;
	int r = -EBADMSG;

	while ((at = memmem(text, (size_t)(end - text), begin, sizeof(begin) - 1))) {
		uint8_t der[DER_MAX];
		int64_t expiry;
		int n;

		text = at + sizeof(begin) - 1;
		n = decode(text, (size_t)(end - text), der);
		if (n < 0 || read_expiry((struct der) {der, (size_t)n}, &expiry) < 0)
			continue;
		if (r < 0 || expiry < *ret)
			*ret = expiry;
		r = 0;
	}
	return r;
}
