#include "quaywall/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/buf.h"

static char *format(const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;

	buf_vprintf(&b, fmt, ap);
	return buf_steal(&b);
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (!err)
		return code;
	/* Formatted before the old text goes: it may be one of the arguments. */
	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	free(err->text);
	err->text = text;
	return code;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	buf_str(&b, ": ");
	/* strerrordesc_np() is NULL for numbers that are no errno; unlike strerror() it is
	 * thread-safe. */
	if (err->text)
		buf_str(&b, err->text);
	else if (strerrordesc_np(-code))
		buf_str(&b, strerrordesc_np(-code));
	else
		buf_printf(&b, "error %d", -code);
	free(err->text);
	err->text = buf_steal(&b);
	return code;
}

const char *error_text(const struct error *err)
{
	return err && err->text ? err->text : "unknown error";
}

void error_done(struct error *err)
{
	if (!err)
		return;
	free(err->text);
	err->text = NULL;
}
