#include "quaywall/ruleset.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "quaywall/mem.h"

#define IDENTIFIER_TEXT_MAX 80 /* leaves room for a prefix, the hash, and a suffix of a set */
#define HASH_DIGITS	    16
#define COMMENT_MAX	    120 /* nft takes 128 with the terminator */

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* SipHash-2-4 with a key of zeros: names must be the same on each run and each host. */
static uint64_t hash(const char *text)
{
	uint64_t v[4] = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261,
			 0x7465646279746573};
	size_t len = strlen(text), i;
	uint64_t word = 0;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, text + i, 8);
		sip_word(v, le64toh(word));
	}
	word = 0;
	memcpy(&word, text + i, len - i);
	sip_word(v, le64toh(word) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	for (int n = 0; n < 4; n++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool is_identifier_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_./-", c));
}

static bool ends_like_a_hash(const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	return len > HASH_DIGITS && text[len - HASH_DIGITS - 1] == '.' &&
	       strspn(text + len - HASH_DIGITS, digits) == HASH_DIGITS;
}

char *ruleset_identifier(const char *prefix, const char *text)
{
	size_t len = strlen(text), kept = len < IDENTIFIER_TEXT_MAX ? len : IDENTIFIER_TEXT_MAX;
	bool changed = len == 0 || kept < len || ends_like_a_hash(text, len);
	struct buf out = BUF_INIT;

	buf_str(&out, prefix);
	for (size_t i = 0; i < kept; i++) {
		changed |= !is_identifier_char(text[i]);
		buf_char(&out, is_identifier_char(text[i]) ? text[i] : '_');
	}
	if (changed)
		buf_printf(&out, ".%016" PRIx64, hash(text));
	return buf_steal(&out);
}

char *ruleset_comment(const char *text)
{
	char *comment = mem_strndup(text, COMMENT_MAX);

	for (char *c = comment; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"')
			*c = '?';
	return comment;
}
