#include "quaywall/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "rule.h"
#include "text.h"
#include "quaywall/mem.h"

/* One line is one item; the items of one object stand together, what goes before what comes. */
enum section { SECTION_TABLE, SECTION_LIMIT, SECTION_SET, SECTION_CHAIN };

static enum section section_of(const struct ruleset_change *c)
{
	return c->limit	  ? SECTION_LIMIT
	       : c->set	  ? SECTION_SET
	       : c->chain ? SECTION_CHAIN
			  : SECTION_TABLE;
}

static const char *name_of(const struct ruleset_change *c)
{
	return c->limit ? c->limit->name : c->set ? c->set->name : c->chain ? c->chain->name : "";
}

static int same_object(const struct ruleset_change *a, const struct ruleset_change *b)
{
	return section_of(a) != section_of(b) ? (int)section_of(a) - (int)section_of(b)
					      : strcmp(name_of(a), name_of(b));
}

static int compare_changes(const void *a, const void *b)
{
	const struct ruleset_change *x = *(const struct ruleset_change *const *)a;
	const struct ruleset_change *y = *(const struct ruleset_change *const *)b;
	int order = same_object(x, y);

	return order != 0 ? order : (x > y) - (x < y);
}

static void add_header(const struct ruleset_change *c, struct buf *out)
{
	switch (section_of(c)) {
	case SECTION_TABLE:
		return;
	case SECTION_LIMIT:
		buf_printf(out, "limit %s\n", c->limit->name);
		return;
	case SECTION_SET:
		buf_printf(out, "%s %s\n", c->set->flags & SET_VERDICTS ? "map" : "set",
			   c->set->name);
		return;
	case SECTION_CHAIN:
		buf_printf(out, "chain %s\n", c->chain->name);
	}
}

static void add_limit(char sign, const struct ruleset_limit *limit, struct buf *out)
{
	buf_printf(out, "%c\t", sign);
	text_rate(limit->rate, limit->unit, limit->burst, out);
	buf_char(out, '\n');
}

static void add_chain(char sign, uint8_t family, const struct ruleset_chain *c, struct buf *out)
{
	if (c->hook == HOOK_NONE) {
		buf_printf(out, "%c\tchain\n", sign);
		return;
	}
	buf_printf(out, "%c\t", sign);
	text_hook(family, c, out);
	buf_char(out, '\n');
}

static void add_elements(char sign, const struct ruleset_change *c, struct buf *out)
{
	for (size_t i = 0; i < c->len; i++) {
		buf_printf(out, "%c\t", sign);
		text_element(c->set, c->elements[i], out);
		buf_char(out, '\n');
	}
}

static void add_rules(char sign, const struct ruleset_chain *c, size_t first, size_t end,
		      struct buf *out)
{
	for (size_t i = first; i < end; i++) {
		buf_printf(out, "%c\t", sign);
		text_rule(&c->rules[i], out);
		buf_char(out, '\n');
	}
}

/* The rules of a chain as it was (A) and as it will be (B), either of which may be NULL: what they have
 * in common at the beginning and at the end is left out. */
static void add_rule_changes(const struct ruleset_chain *a, const struct ruleset_chain *b,
			     struct buf *out)
{
	size_t first = 0, end_a = a ? a->len : 0, end_b = b ? b->len : 0;

	while (first < end_a && first < end_b && rule_equal(&a->rules[first], &b->rules[first]))
		first++;
	while (end_a > first && end_b > first &&
	       rule_equal(&a->rules[end_a - 1], &b->rules[end_b - 1])) {
		end_a--;
		end_b--;
	}
	if (a)
		add_rules('-', a, first, end_a, out);
	if (b)
		add_rules('+', b, first, end_b, out);
}

static void add_change(const struct ruleset *old, const struct ruleset *wanted,
		       const struct ruleset_change *c, struct buf *out)
{
	switch (c->kind) {
	case CHANGE_DELETE_TABLE:
		buf_printf(out, "-table %s\n", wanted->table);
		return;
	case CHANGE_ADD_TABLE:
		buf_printf(out, "+table %s\n", wanted->table);
		return;
	case CHANGE_DELETE_LIMIT:
	case CHANGE_ADD_LIMIT:
		add_limit(c->kind == CHANGE_ADD_LIMIT ? '+' : '-', c->limit, out);
		return;
	case CHANGE_DELETE_SET:
	case CHANGE_ADD_SET:
		text_set_lines(c->set, c->kind == CHANGE_ADD_SET ? "+\t" : "-\t", out);
		return;
	case CHANGE_DELETE_CHAIN:
	case CHANGE_ADD_CHAIN:
		add_chain(c->kind == CHANGE_ADD_CHAIN ? '+' : '-', wanted->family, c->chain, out);
		return;
	case CHANGE_DELETE_ELEMENTS:
	case CHANGE_ADD_ELEMENTS:
		add_elements(c->kind == CHANGE_ADD_ELEMENTS ? '+' : '-', c, out);
		return;
	case CHANGE_FLUSH_RULES:
		/* Where rules come in the same place, they are told together with those. */
		if (!ruleset_find_chain(wanted, c->chain->name) ||
		    ruleset_find_chain(wanted, c->chain->name)->len == 0)
			add_rule_changes(c->chain, NULL, out);
		return;
	case CHANGE_SET_RULES:
		add_rule_changes(old ? ruleset_find_chain(old, c->chain->name) : NULL, c->chain,
				 out);
	}
}

void ruleset_diff_print(const struct ruleset *old, const struct ruleset *wanted,
			const struct ruleset_diff *d, struct buf *out)
{
	const struct ruleset_change **order CLEANUP_FREE = NULL;

	order = mem_new(d->len, sizeof(struct ruleset_change *));
	for (size_t i = 0; i < d->len; i++)
		order[i] = &d->items[i];
	qsort(order, d->len, sizeof(struct ruleset_change *), compare_changes);
	if (d->len > 0 && d->items[0].kind == CHANGE_DELETE_TABLE)
		old = NULL;
	for (size_t i = 0; i < d->len; i++) {
		if (i == 0 || same_object(order[i - 1], order[i]) != 0)
			add_header(order[i], out);
		add_change(old, wanted, order[i], out);
	}
}
