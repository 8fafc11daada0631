/*
 * output: how results look: JSON, columns, and colours where a person reads on a terminal.
 */
#pragma once

#include <stddef.h>
#include <jansson.h>

#include "quaywall/buf.h"
#include "quaywall/error.h"

/* One JSON document and a newline on standard output. */
void output_json(const json_t *value);

/* TEXT into the file PATH, which others cannot read then, or on standard output where that is NULL. 0 or a negative
 * errno. */
int output_write(const char *path, const struct buf *text, struct error *err);

/* TEXT with the colour that fits the verdict WORD ("allow", "audit", "deny", "mixed"); plain where
 * standard output is no terminal or NO_COLOR is set. */
void output_verdict(struct buf *out, const char *word);

/* TEXT in the colour of the verdict WORD; "" is no colour. */
void output_coloured(struct buf *out, const char *word, const char *text);

/* A difference's text on standard output, its '+' and '-' lines in colours. */
void output_diff(const char *text);

/* Lines of columns, each as wide as its widest cell. */
struct output_table {
	char **cells; /* owned */
	size_t len, cap;
	size_t columns;
};

/* As many strings as columns; NULL is an empty cell. */
void output_row(struct output_table *t, const char *const *cells);
void output_table_print(const struct output_table *t, struct buf *out);
void output_table_done(struct output_table *t);

/* What a JSON object holds under KEY: "" where it is null or absent, a number as text. Valid until
 * the next call but three. */
const char *output_text(const json_t *object, const char *key);

#define CLEANUP_TABLE __attribute__((cleanup(output_table_done)))
