#include "quaywall/reconcile.h"

#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/utf8.h"

/* Differences and problems are lines, so these two stay. */
static bool is_control(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
}

json_t *reconcile_json_text(const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT;
	size_t left = text ? strlen(text) : 0;

	if (!text)
		return json_null();
	while (left) {
		uint32_t c = 0;
		size_t len = utf8_decode(text, left, &c);

		if (len && !is_control(c))
			buf_add(&clean, text, len);
		else
			buf_char(&clean, '?');
		text += len ? len : 1;
		left -= len ? len : 1;
	}
	return json_string(buf_text(&clean));
}
