#include "quaywall/reconcile.h"

#include <string.h>

#include "quaywall/mem.h"

/* How many bytes of S one UTF-8 character takes; 0: it is none. jansson itself rejects overlong
 * forms and surrogates, one character at a time. */
static size_t utf8_length(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
	if (len < 3)
		return len;
	json_t *character = json_stringn(s, len);

	json_decref(character);
	return character ? len : 0;
}

json_t *reconcile_json_text(const char *text)
{
	json_t *whole = text ? json_string(text) : json_null();

	if (whole)
		return whole;
	CLEANUP_FREE char *clean = mem_strdup(text);

	for (char *at = clean; *at;) {
		size_t len = utf8_length(at);

		if (!len)
			*at = '?';
		at += len ? len : 1;
	}
	return json_string(clean);
}
