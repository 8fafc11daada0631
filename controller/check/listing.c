#include "internal.h"

#include <stdarg.h>

#include "quaywall/mem.h"

#define LISTED_MAX 10

void listing_add(struct listing *l, const char *fmt, ...)
{
	va_list args;

	if (l->n++ >= LISTED_MAX)
		return;
	if (l->n > 1)
		buf_str(&l->text, ", ");
	va_start(args, fmt);
	buf_vprintf(&l->text, fmt, args);
	va_end(args);
}

char *listing_steal(struct listing *l)
{
	if (l->n > LISTED_MAX)
		buf_printf(&l->text, " and %zu more", l->n - LISTED_MAX);
	l->n = 0;
	return buf_steal(&l->text);
}
