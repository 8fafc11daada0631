/*
 * log: lines of key=value on standard error, for the journal and for people.
 *
 * Only reconcile, cli and main log, once for each fact, with subject and cause. Where standard error is
 * the journal (JOURNAL_STREAM is set) a line begins with the priority that sd-daemon(3) defines. Values
 * are quoted where they hold a space, a quote or a control byte.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above LEVEL are dropped. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* One line: `level=info event="EVENT" KEY="value" …`. After EVENT come pairs of strings, key and
 * value, ended by NULL; a pair whose value is NULL is left out. */
void log_line(enum log_level level, const char *event, ...) __attribute__((sentinel));
