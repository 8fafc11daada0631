#include "internal.h"

#include <string.h>

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

void quote_print(const char *text, struct buf *out)
{
	if (is_plain(text)) {
		buf_str(out, text);
		return;
	}
	buf_char(out, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_printf(out, "\\%c", *c);
		else if ((unsigned char)*c < 0x20 || *c == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
		else
			buf_char(out, *c);
	}
	buf_char(out, '"');
}
