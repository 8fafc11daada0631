#include "internal.h"

#include <string.h>

#include "quaywall/utf8.h"

/* `true` is the one word that means something else unquoted, and `<<` is no letter. */
static bool is_plain(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(text);

	if (!len || !strchr(letters, text[0]) || !strchr(letters, text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(letters, text[i]) && !strchr("._/-", text[i]))
			return false;
	return strcmp(text, "true") != 0;
}

/* What YAML takes for the end of a line, or for none of its characters. */
static bool must_escape(uint32_t c)
{
	return (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       c == 0xfffe || c == 0xffff;
}

static void print_char(uint32_t c, struct buf *out)
{
	if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", (char)c);
	else if (c < 0x20 || c == 0x7f)
		buf_printf(out, "\\x%02x", c);
	else if (c >= 0x80)
		buf_printf(out, "\\u%04x", c);
	else
		buf_char(out, (char)c);
}

void quote_print(const char *text, struct buf *out)
{
	if (is_plain(text)) {
		buf_str(out, text);
		return;
	}
	buf_char(out, '"');
	for (size_t left = strlen(text), len; left; text += len, left -= len) {
		uint32_t c = '?';

		len = utf8_decode(text, left, &c);
		if (len > 1 && !must_escape(c))
			buf_add(out, text, len);
		else
			print_char(c, out);
		len = len ? len : 1;
	}
	buf_char(out, '"');
}

void policy_name_print(const char *name, struct buf *out)
{
	CLEANUP_BUF struct buf pattern = BUF_INIT;

	for (; *name; name++) {
		if (strchr("*?[\\", *name))
			buf_char(&pattern, '\\');
		buf_char(&pattern, *name);
	}
	quote_print(buf_text(&pattern), out);
}
