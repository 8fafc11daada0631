#include "release.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define DIGITS_MAX 6
#define RELEASED   3

static const struct {
	const char *word;
	int stage;
} stages[] = {{"alpha", 0}, {"tp", 0}, {"beta", 1}, {"rc", 2}};

/* At *AT, which moves on. */
static bool read_number(const char **at, unsigned long *ret)
{
	size_t len = strspn(*at, "0123456789");

	if (!len || len > DIGITS_MAX)
		return false;
	*ret = strtoul(*at, NULL, 10);
	*at += len;
	return true;
}

static bool read_numbers(const char **at, unsigned long ret[3])
{
	for (size_t i = 0; i < 3; i++) {
		if (i > 0 && *(*at)++ != '.')
			return false;
		if (!read_number(at, &ret[i]))
			return false;
	}
	return true;
}

/* "-rc.1", "-beta2", "~rc1" at *AT, which moves on; everything else stays. */
static void read_stage(const char **at, struct release *r)
{
	const char *word = *at + 1;

	if (**at != '-' && **at != '~')
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		size_t len = strlen(stages[i].word);
		const char *step = word + len;

		if (strncmp(word, stages[i].word, len) != 0)
			continue;
		step += *step == '.';
		if (!read_number(&step, &r->step))
			continue;
		r->stage = stages[i].stage;
		*at = step;
		return;
	}
}

/* "+dfsg1", "-0ubuntu1~22.04.1", "-ce" */
static bool is_suffix(const char *text)
{
	if (!strchr("-+~", *text) || !text[1])
		return false;
	for (const char *at = text + 1; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-+~.:_", *at))
			return false;
	return strncmp(text + 1, "dev", 3) != 0;
}

int release_parse(const char *text, struct release *ret)
{
	struct release r = {.stage = RELEASED};
	const char *at = text;

	if (!read_numbers(&at, r.numbers) || !r.numbers[0])
		return -EINVAL;
	read_stage(&at, &r);
	r.vendor = *at != '\0';
	if (r.vendor && !is_suffix(at))
		return -EINVAL;
	*ret = r;
	return 0;
}

static int compare(unsigned long a, unsigned long b)
{
	return (a > b) - (a < b);
}

int release_compare_numbers(const struct release *a, const struct release *b)
{
	for (size_t i = 0; i < 3; i++)
		if (a->numbers[i] != b->numbers[i])
			return compare(a->numbers[i], b->numbers[i]);
	return 0;
}

int release_compare(const struct release *a, const struct release *b)
{
	int diff = release_compare_numbers(a, b);

	if (!diff)
		diff = a->stage - b->stage;
	return diff ? diff : compare(a->step, b->step);
}
