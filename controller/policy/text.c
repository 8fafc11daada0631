#include "yaml.h"

#include <stdint.h>

#include "internal.h"
#include "quaywall/utf8.h"

/* As YAML 1.1 has it, which is what libyaml would refuse, without a line. */
static bool is_control(uint32_t c)
{
	if (c == '\t' || c == '\n' || c == '\r' || c == 0x85)
		return false;
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff;
}

/* Where a walk over the text is. */
struct position {
	struct policy_where where;
	bool indentation; /* nothing but spaces in this line so far */
};

/* False where the text cannot be read any further. */
static bool check_char(uint32_t c, const struct position *pos, struct policy_problems *p)
{
	if (c == 0)
		problem_error(p, &pos->where, "a NUL byte (expected text)");
	else if (is_control(c))
		problem_error(p, &pos->where, "the control character U+%04X (expected text)", c);
	else
		return true;
	return false;
}

/* Each line's first tab before its text; libyaml refuses even one before a comment, in other words. */
static void advance(struct position *pos, uint32_t c, struct policy_problems *p)
{
	if (c == '\n') {
		pos->where.line++;
		pos->where.column = 1;
		pos->indentation = true;
		return;
	}
	if (pos->indentation && c == '\t')
		problem_error(p, &pos->where, "a tab in the indentation (expected spaces)");
	if (c != ' ')
		pos->indentation = false;
	pos->where.column++;
}

bool text_check(const char *file, const char *text, size_t len, struct policy_problems *p)
{
	size_t before = p->len;
	struct position pos = {.where = {file, 1, 1}, .indentation = true};

	for (size_t i = 0, n; i < len; i += n) {
		uint32_t c;
		n = utf8_decode(text + i, len - i, &c);
		if (!n) {
			problem_error(p, &pos.where, "not UTF-8 (expected text in UTF-8)");
			return false;
		}
		if (!check_char(c, &pos, p))
			return false;
		advance(&pos, c, p);
	}
	return p->len == before;
}
