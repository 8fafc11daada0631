/*
 * error: why something failed, in words for a person.
 *
 * A function that can fail returns 0 or a negative errno value. Where a human must read why, it takes
 * a `struct error *` as its last argument and fills it where the fact is known; callers going up
 * wrap it with what they were doing, and only the outermost prints it. NULL is allowed everywhere:
 * then the text is dropped and only the number travels.
 */
#pragma once

struct error {
	char *text; /* owned; NULL while nothing was set */
};

#define ERROR_INIT   \
	{            \
		NULL \
	}

/* Sets the text, replacing an older one. Returns CODE (a negative errno), to be returned at once. */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "FMT: " before the text that is there; with none there, strerror(-CODE) stands in for it.
 * Returns CODE. */
int error_wrap(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The text, never NULL: "unknown error" where none was set. Valid until the next set, wrap or done. */
const char *error_text(const struct error *err);

/* Frees the text. NULL and an untouched ERROR_INIT are fine; the object may be used again. */
void error_done(struct error *err);

#define CLEANUP_ERROR __attribute__((cleanup(error_done)))
