#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

static const struct choice units[] = {{"second", POLICY_SECOND},
				      {"minute", POLICY_MINUTE},
				      {"hour", POLICY_HOUR},
				      {"day", POLICY_DAY},
				      {NULL, 0}};

static const struct choice *find_choice(const struct choice *choices, const char *word)
{
	for (; choices->word; choices++)
		if (strcmp(choices->word, word) == 0)
			return choices;
	return NULL;
}

static void list_choices(const struct choice *choices, struct buf *out)
{
	for (size_t i = 0; choices[i].word; i++) {
		if (i)
			buf_str(out, choices[i + 1].word ? ", " : " or ");
		buf_str(out, choices[i].word);
	}
}

bool scalar_choice(struct policy_problems *p, const struct node *n, const char *label,
		   const struct choice *choices, int *ret)
{
	struct buf expected CLEANUP_BUF = BUF_INIT;
	char word[CLIP_SIZE];

	list_choices(choices, &expected);
	if (!keys_is_text(p, n, label, buf_text(&expected)))
		return false;
	const struct choice *found = find_choice(choices, n->text);
	if (!found) {
		problem_error(p, &n->where, "\"%s\" is \"%s\" (expected %s)", label,
			      clip(n->text, word), buf_text(&expected));
		return false;
	}
	*ret = found->value;
	return true;
}

bool scalar_bool(struct policy_problems *p, const struct node *n, const char *label, bool *ret)
{
	static const struct choice choices[] = {{"true", 1}, {"false", 0}, {NULL, 0}};
	int value;

	if (!scalar_choice(p, n, label, choices, &value))
		return false;
	*ret = value;
	return true;
}

int number_parse(const char *text, size_t len, uint32_t max, uint32_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 10)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

bool scalar_number(struct policy_problems *p, const struct node *n, const char *label, uint32_t min,
		   uint32_t max, uint32_t *ret)
{
	uint32_t value = 0;
	char word[CLIP_SIZE];

	if (!keys_is_text(p, n, label, "a number"))
		return false;
	if (number_parse(n->text, strlen(n->text), max, &value) < 0 || value < min) {
		problem_error(p, &n->where, "\"%s\" is \"%s\" (expected a number from %u to %u)",
			      label, clip(n->text, word), min, max);
		return false;
	}
	*ret = value;
	return true;
}

bool scalar_rate(struct policy_problems *p, const struct node *n, const char *label, bool zero,
		 uint32_t *ret_rate, enum policy_unit *ret_unit)
{
	char word[CLIP_SIZE];
	uint32_t rate = 0;

	if (!keys_is_text(p, n, label, "NUMBER/UNIT, as in 50/second"))
		return false;
	if (zero && strcmp(n->text, "0") == 0) {
		*ret_rate = 0;
		return true;
	}
	const char *slash = strchr(n->text, '/');
	const struct choice *unit = slash ? find_choice(units, slash + 1) : NULL;
	size_t digits = slash ? (size_t)(slash - n->text) : 0;
	if (!unit || number_parse(n->text, digits, UINT32_MAX, &rate) < 0 || rate == 0) {
		problem_error(p, &n->where,
			      "\"%s\" is \"%s\" (expected NUMBER/second, /minute, /hour or /day)",
			      label, clip(n->text, word));
		return false;
	}
	*ret_rate = rate;
	*ret_unit = (enum policy_unit)unit->value;
	return true;
}

const char *unit_name(enum policy_unit unit)
{
	for (size_t i = 0; units[i].word; i++)
		if (units[i].value == (int)unit)
			return units[i].word;
	return "second";
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

char *scalar_words(struct policy_problems *p, const struct node *n, const char *label, size_t max)
{
	char word[CLIP_SIZE];

	if (!keys_is_text(p, n, label, "a text"))
		return NULL;
	if (has_control(n->text)) {
		problem_error(p, &n->where, "\"%s\" holds a control character (expected one line)",
			      label);
		return NULL;
	}
	if (strlen(n->text) > max) {
		problem_error(p, &n->where, "\"%s\" is \"%s\" (expected at most %zu bytes)", label,
			      clip(n->text, word), max);
		return NULL;
	}
	return mem_strdup(n->text);
}

/* The byte after the bracket expression that begins at C, or NULL where it is open. As fnmatch(3): a
 * `]` that comes first, perhaps after `!` or `^`, is an ordinary member; a backslash escapes. */
static const char *skip_bracket(const char *c)
{
	c++;
	if (*c == '!' || *c == '^')
		c++;
	if (*c == ']')
		c++;
	for (; *c && *c != ']'; c++) {
		if (c[0] == '[' && (c[1] == ':' || c[1] == '.' || c[1] == '=')) {
			char end[] = {c[1], ']', '\0'};
			const char *class = strstr(c + 2, end);
			if (class)
				c = class + 1;
		} else if (*c == '\\' && *++c == '\0') {
			return NULL;
		}
	}
	return *c ? c + 1 : NULL;
}

/* What is wrong with a glob, or NULL. */
static const char *pattern_mistake(const char *pattern)
{
	for (const char *c = pattern; *c;) {
		if (*c == '\\') {
			if (c[1] == '\0')
				return "ends with \"\\\" (expected \"\\\\\" for the character itself)";
			c += 2;
		} else if (*c == '[') {
			c = skip_bracket(c);
			if (!c)
				return "has an open \"[\" (expected \"]\", or \"\\[\" for the character itself)";
		} else {
			c++;
		}
	}
	return NULL;
}

char *scalar_pattern(struct policy_problems *p, const struct node *n, const char *label)
{
	char word[CLIP_SIZE];

	if (n->kind != NODE_SCALAR || node_is_empty(n)) {
		keys_is_text(p, n, label, "a text, perhaps with * and ?");
		return NULL;
	}
	const char *mistake = pattern_mistake(n->text);
	if (mistake) {
		problem_error(p, &n->where, "\"%s\" %s", clip(n->text, word), mistake);
		return NULL;
	}
	return mem_strdup(n->text);
}

bool pattern_has_wildcard(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*' || *pattern == '?' || *pattern == '[')
			return true;
		if (*pattern == '\\' && pattern[1])
			pattern++;
	}
	return false;
}

char *pattern_unescape(const char *pattern)
{
	struct buf text = BUF_INIT;

	for (; *pattern; pattern++) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		buf_char(&text, *pattern);
	}
	return buf_steal(&text);
}
