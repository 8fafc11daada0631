#include "quaywall/reconcile.h"

#include "quaywall/utf8.h"

json_t *reconcile_json_text(const char *text)
{
	CLEANUP_BUF struct buf clean = BUF_INIT;
	json_t *whole = text ? json_string(text) : json_null();

	if (whole)
		return whole;
	utf8_clean(text, &clean);
	return json_string(buf_text(&clean));
}
