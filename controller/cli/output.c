#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

static bool use_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return (!no || !*no) && isatty(STDOUT_FILENO);
}

void output_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int write_named(int fd, const char *name, const struct buf *text, struct error *err)
{
	int r = buf_write(text, fd);

	return r < 0 ? error_set(err, r, "%s: %s", name, strerror(-r)) : 0;
}

/* Names and labels are nobody else's business: the mode holds for a file that was there, too. */
static int write_file(const char *path, const struct buf *text, struct error *err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	return write_named(fd, path, text, err);
}

int output_write(const char *path, const struct buf *text, struct error *err)
{
	return path ? write_file(path, text, err)
		    : write_named(STDOUT_FILENO, "standard output", text, err);
}

void output_coloured(struct buf *out, const char *word, const char *text)
{
	const char *colour = !strcmp(word, "allow") ? GREEN : !strcmp(word, "deny") ? RED : YELLOW;

	if (*word && use_colour())
		buf_printf(out, "%s%s" PLAIN, colour, text);
	else
		buf_str(out, text);
}

void output_verdict(struct buf *out, const char *word)
{
	output_coloured(out, word, word);
}

void output_diff(const char *text)
{
	bool colour = use_colour();

	while (*text) {
		int len = (int)strcspn(text, "\n");
		size_t indent = strspn(text, " \t");
		const char *start = text[indent] == '+' ? GREEN : text[indent] == '-' ? RED : NULL;

		if (colour && start)
			printf("%s%.*s" PLAIN "\n", start, len, text);
		else
			printf("%.*s\n", len, text);
		text += len + (text[len] == '\n');
	}
}

void output_row(struct output_table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->columns; i++) {
		t->cells = mem_grow(t->cells, &t->cap, t->len + 1, sizeof(*t->cells));
		t->cells[t->len++] = mem_strdup(cells[i] ? cells[i] : "");
	}
}

static size_t width_of(const struct output_table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->len; i += t->columns)
		if (strlen(t->cells[i]) > width)
			width = strlen(t->cells[i]);
	return width;
}

void output_table_print(const struct output_table *t, struct buf *out)
{
	for (size_t i = 0; i < t->len; i++) {
		size_t column = i % t->columns;

		buf_str(out, column ? "  " : "  ");
		if (column + 1 < t->columns) {
			buf_printf(out, "%-*s", (int)width_of(t, column), t->cells[i]);
			continue;
		}
		buf_printf(out, "%s", t->cells[i]);
		/* The last cells may be empty: no blanks at the end of a line. */
		while (out->len && out->data[out->len - 1] == ' ')
			buf_truncate(out, out->len - 1);
		buf_char(out, '\n');
	}
}

void output_table_done(struct output_table *t)
{
	for (size_t i = 0; i < t->len; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->len = t->cap = 0;
}

const char *output_text(const json_t *object, const char *key)
{
	static char numbers[4][32];
	static unsigned next;
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return json_string_value(value);
	if (!json_is_integer(value))
		return "";
	next = (next + 1) % 4;
	snprintf(numbers[next], sizeof(numbers[next]), "%lld",
		 (long long)json_integer_value(value));
	return numbers[next];
}
