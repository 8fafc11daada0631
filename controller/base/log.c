#include "quaywall/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

static const struct {
	const char *name;
	int priority; /* of syslog(3), which sd-daemon(3) takes between < and > */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* JOURNAL_STREAM is inherited, also by a process whose standard error went elsewhere:
 * systemd.exec(5) has it name the device and the inode, to be compared. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static bool needs_quotes(const char *value)
{
	if (*value == '\0')
		return true;
	for (; *value; value++)
		if ((unsigned char)*value <= ' ' || *value == '"' || *value == '\\' ||
		    *value == '=' || *value == 0x7f)
			return true;
	return false;
}

static void add_quoted(struct buf *line, const char *value)
{
	buf_char(line, '"');
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_printf(line, "\\%c", *value);
		else if (*value == '\n')
			buf_str(line, "\\n");
		else if ((unsigned char)*value < ' ' || *value == 0x7f)
			buf_printf(line, "\\x%02x", (unsigned char)*value);
		else
			buf_char(line, *value);
	}
	buf_char(line, '"');
}

static void add_pair(struct buf *line, const char *key, const char *value)
{
	buf_printf(line, " %s=", key);
	if (needs_quotes(value))
		add_quoted(line, value);
	else
		buf_str(line, value);
}

void log_line(enum log_level level, const char *event, ...)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	const char *key, *value;
	va_list ap;

	if (level > max_level)
		return;
	if (stderr_is_journal())
		buf_printf(&line, "<%d>", levels[level].priority);
	buf_printf(&line, "level=%s", levels[level].name);
	add_pair(&line, "event", event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (value)
			add_pair(&line, key, value);
	}
	va_end(ap);
	buf_char(&line, '\n');
	/* In one piece, so that lines of several threads never mix. */
	fwrite(line.data, 1, line.len, stderr);
}
