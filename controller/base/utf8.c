#include "quaywall/utf8.h"

#include <stdbool.h>
#include <string.h>

/* Bytes of the character that BYTE begins; 0 for one that begins none. */
static size_t sequence_len(uint8_t byte)
{
	if (byte < 0x80)
		return 1;
	if (byte >= 0xc2 && byte <= 0xdf)
		return 2;
	if (byte >= 0xe0 && byte <= 0xef)
		return 3;
	return byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
}

static bool is_surrogate_or_overlong(uint32_t c, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	return c < least[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff;
}

size_t utf8_decode(const char *text, size_t left, uint32_t *ret)
{
	size_t len = sequence_len((uint8_t)text[0]);
	uint32_t c;

	if (!len || len > left)
		return 0;
	c = (uint8_t)text[0] & (len == 1 ? 0x7f : 0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((uint8_t)text[i] & 0x3f);
	}
	if (is_surrogate_or_overlong(c, len))
		return 0;
	*ret = c;
	return len;
}

/* Those that turn the direction make a name look like another one; those that end lines begin some in a log. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* How many of the characters at TEXT are none to be replaced: as bytes. */
static size_t clean_len(const char *text, size_t left)
{
	size_t n = 0, len;
	uint32_t c;

	while (n < left && (len = utf8_decode(text + n, left - n, &c)) && !is_control(c))
		n += len;
	return n;
}

void utf8_clean(const char *text, struct buf *out)
{
	size_t left = strlen(text);

	while (left) {
		size_t clean = clean_len(text, left), bad = clean < left;
		uint32_t c;

		buf_add(out, text, clean);
		if (bad) {
			size_t len = utf8_decode(text + clean, left - clean, &c);

			buf_char(out, '?');
			bad = len ? len : 1;
		}
		text += clean + bad;
		left -= clean + bad;
	}
}
