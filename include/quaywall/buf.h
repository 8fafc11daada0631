/*
 * buf: a string that grows. Always terminated once something was added; may hold NUL bytes.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <time.h>

struct buf {
	char *data; /* NULL while empty */
	size_t len; /* without the terminator */
	size_t cap;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* AT as RFC 3339 in UTC: "2026-11-30T09:12:08Z". Nothing where it is no date. */
void buf_time(struct buf *b, time_t at);

/* Cuts the content to LEN bytes (LEN is at most b->len). */
void buf_truncate(struct buf *b, size_t len);

/* The content as a string that the caller frees ("" when nothing was added); the buffer is empty
 * afterwards. */
char *buf_steal(struct buf *b) __attribute__((returns_nonnull));

/* The content as a string that stays the buffer's: "" when nothing was added. */
const char *buf_text(const struct buf *b) __attribute__((returns_nonnull));

/* Writes the whole content to FD. Returns 0 or -errno. */
int buf_write(const struct buf *b, int fd);

void buf_done(struct buf *b);

#define CLEANUP_BUF __attribute__((cleanup(buf_done)))
