#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define FORM	   "{id: CHECK, subject: GLOB, reason: TEXT, until: YYYY-MM-DD}"
#define REASON_MAX 400

/* "2027-01-31": -1 where it is no day. */
static time_t end_of_day(const char *text)
{
	static const char form[] = "dddd-dd-dd";
	struct tm tm = {0}, back;
	time_t t;

	if (strlen(text) != strlen(form))
		return -1;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != '-')
			return -1;
	tm.tm_year = (int)strtoul(text, NULL, 10) - 1900;
	tm.tm_mon = (int)strtoul(text + 5, NULL, 10) - 1;
	tm.tm_mday = (int)strtoul(text + 8, NULL, 10);
	back = tm;
	t = timegm(&back);
	/* The 30th of February is the 2nd of March. */
	if (t < 0 || back.tm_mon != tm.tm_mon || back.tm_mday != tm.tm_mday)
		return -1;
	return t + 86400;
}

static void read_until(struct policy_problems *p, const struct node *n,
		       struct settings_suppression *ret)
{
	char word[CLIP_SIZE];
	time_t end;

	if (!keys_is_text(p, n, "until", "a day, YYYY-MM-DD"))
		return;
	end = end_of_day(n->text);
	if (end < 0)
		problem_error(p, &n->where, "\"until\" is \"%s\" (expected a day, YYYY-MM-DD)",
			      clip(n->text, word));
	else
		ret->until = end;
}

static void read_one(struct policy_problems *p, const struct node *n, struct settings *s)
{
	static const char *const known[] = {"id", "subject", "reason", "until", NULL};
	struct settings_suppression one = {.where = n->where};
	const struct node *id, *reason, *until;

	if (!keys_is_mapping(p, n, "suppress", FORM))
		return;
	keys_check(p, n, known);
	id = keys_require(p, n, "id", "a check, as 'quaywall check --list' has it");
	reason = keys_require(p, n, "reason", "why it is no finding");
	until = keys_require(p, n, "until", "the last day on which that holds, YYYY-MM-DD");
	if (id)
		one.id = scalar_words(p, id, "id", 64);
	if (keys_get(n, "subject"))
		one.subject = scalar_pattern(p, keys_get(n, "subject"), "subject");
	if (reason)
		one.reason = scalar_words(p, reason, "reason", REASON_MAX);
	if (until)
		read_until(p, until, &one);
	s->suppressions = array_grow(s->suppressions, s->nsuppressions, sizeof(one));
	s->suppressions[s->nsuppressions++] = one;
}

void check_read(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"suppress", "unused", "registries", "image_age", NULL};
	const struct node *n = keys_get(root, "check"), *list;

	if (!n || !keys_is_mapping(p, n, "check", "{suppress: [" FORM "], unused: 30d}"))
		return;
	keys_check(p, n, known);
	if (keys_get(n, "unused"))
		days_read(p, keys_get(n, "unused"), "unused", &s->unused_days);
	check_images_read(p, n, s);
	list = keys_get(n, "suppress");
	if (!list || !keys_is_list(p, list, "suppress", FORM))
		return;
	for (size_t i = 0; i < list->nitems; i++)
		read_one(p, list->items[i], s);
}

void suppressions_free(struct settings *s)
{
	for (size_t i = 0; i < s->nsuppressions; i++) {
		free(s->suppressions[i].id);
		free(s->suppressions[i].subject);
		free(s->suppressions[i].reason);
	}
	free(s->suppressions);
}
