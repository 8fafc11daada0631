#include "internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* What a suppression says of itself is not to be kept quiet by another. */
static bool is_about_suppression(const struct check_finding *f)
{
	return !strncmp(f->check->id, "suppression-", strlen("suppression-"));
}

static bool holds(const struct settings_suppression *s, const struct check_finding *f)
{
	return !strcmp(s->id, f->check->id) && !is_about_suppression(f) &&
	       (!s->subject || fnmatch(s->subject, f->subject, 0) == 0);
}

static void mark(struct check_report *r, const struct settings_suppression *s)
{
	for (size_t i = 0; i < r->findings.len; i++) {
		struct check_finding *f = &r->findings.items[i];

		if (!f->suppressed && holds(s, f))
			f->suppressed = texts_keep(&r->texts, s->reason);
	}
}

static char *place_of(const struct settings_suppression *s)
{
	return mem_printf("%s%s%s", s->id, s->subject ? " of " : "", s->subject ? s->subject : "");
}

static void tell_expired(struct check_report *r, const struct settings_suppression *s)
{
	time_t last = s->until - 1;
	struct tm tm;
	char day[16];

	gmtime_r(&last, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	report_take(r, "suppression-expired", place_of(s),
		    mem_printf("%s:%u: until: %s, reason: %s", s->where.file, s->where.line, day,
			       s->reason),
		    mem_printf("remove it from %s, or set a later day", s->where.file));
}

static void tell_unknown(struct check_report *r, const struct settings_suppression *s)
{
	report_take(r, "suppression-unknown", place_of(s),
		    mem_printf("%s:%u: id: %s", s->where.file, s->where.line, s->id),
		    mem_strdup("take the id from 'quaywall check --list'"));
}

void report_suppress(struct check_report *r, const struct settings *s, time_t now)
{
	for (size_t i = 0; i < s->nsuppressions; i++) {
		const struct settings_suppression *one = &s->suppressions[i];

		if (now >= one->until)
			tell_expired(r, one);
		else if (check_find(one->id))
			mark(r, one);
		else
			tell_unknown(r, one);
	}
}
