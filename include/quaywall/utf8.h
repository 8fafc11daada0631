/*
 * utf8: text of any bytes, read one character at a time.
 *
 * Names come from labels and interfaces, which may hold anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "quaywall/buf.h"

/* Decodes the character that TEXT, of LEFT bytes (at least 1), begins with. Returns its bytes, or 0
 * where there is none: a broken sequence, an overlong form, a surrogate. */
size_t utf8_decode(const char *text, size_t left, uint32_t *ret);

/* Appends TEXT for a terminal, a log line or JSON: '?' in place of each control character and of each
 * byte that is no UTF-8. */
void utf8_clean(const char *text, struct buf *out);
