#include "quaywall/ruleset.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "text.h"
#include "quaywall/mem.h"

#define BRIDGE 7 /* NFPROTO_BRIDGE */

/* nft writes a priority by the name of a standard one that is at most this far away. */
#define NAME_REACH 10

struct priority {
	int32_t number;
	const char *name;
	enum ruleset_hook hook; /* HOOK_NONE: has the name in each hook */
};

static const struct priority inet_priorities[] = {
	{-300, "raw", HOOK_NONE}, {-150, "mangle", HOOK_NONE}, {-100, "dstnat", HOOK_PREROUTING},
	{0, "filter", HOOK_NONE}, {50, "security", HOOK_NONE}, {100, "srcnat", HOOK_POSTROUTING},
};

static const struct priority bridge_priorities[] = {
	{-300, "dstnat", HOOK_PREROUTING},
	{-200, "filter", HOOK_NONE},
	{100, "out", HOOK_OUTPUT},
	{300, "srcnat", HOOK_POSTROUTING},
};

static const char *const hook_names[] = {
	[HOOK_NONE] = "",	  [HOOK_PREROUTING] = "prerouting",
	[HOOK_INPUT] = "input",	  [HOOK_FORWARD] = "forward",
	[HOOK_OUTPUT] = "output", [HOOK_POSTROUTING] = "postrouting",
};

static const struct priority *near(uint8_t family, const struct ruleset_chain *c)
{
	const struct priority *p = inet_priorities;
	size_t n = ARRAY_SIZE(inet_priorities);

	if (family == BRIDGE) {
		p = bridge_priorities;
		n = ARRAY_SIZE(bridge_priorities);
	}
	for (size_t i = 0; i < n; i++)
		if (llabs((int64_t)c->priority - p[i].number) <= NAME_REACH &&
		    (p[i].hook == HOOK_NONE || p[i].hook == c->hook))
			return &p[i];
	return NULL;
}

void text_hook(uint8_t family, const struct ruleset_chain *c, struct buf *out)
{
	const struct priority *p = near(family, c);
	int32_t off = p ? c->priority - p->number : 0;

	buf_printf(out, "type filter hook %s priority ", hook_names[c->hook]);
	if (!p)
		buf_printf(out, "%d", c->priority);
	else if (off == 0)
		buf_str(out, p->name);
	else
		buf_printf(out, "%s %c %d", p->name, off < 0 ? '-' : '+', abs(off));
	buf_str(out, "; policy accept;");
}

static void print_limit(const struct ruleset_limit *limit, struct buf *out)
{
	buf_printf(out, "\tlimit %s {\n\t\t", limit->name);
	text_rate(limit->rate, limit->unit, limit->burst, out);
	buf_str(out, "\n\t}\n");
}

static void print_set(const struct ruleset_set *s, struct buf *out)
{
	buf_printf(out, "\t%s %s {\n", s->flags & SET_VERDICTS ? "map" : "set", s->name);
	text_set_lines(s, "\t\t", out);
	if (s->len > 0 && !(s->flags & SET_DYNAMIC)) {
		buf_str(out, "\t\telements = { ");
		for (size_t i = 0; i < s->len; i++) {
			buf_str(out, i > 0 ? ",\n\t\t\t     " : "");
			text_element(s, &s->elements[i], out);
		}
		buf_str(out, " }\n");
	}
	buf_str(out, "\t}\n");
}

static void print_chain(uint8_t family, const struct ruleset_chain *c, struct buf *out)
{
	buf_printf(out, "\tchain %s {\n", c->name);
	if (c->hook != HOOK_NONE) {
		buf_str(out, "\t\t");
		text_hook(family, c, out);
		buf_char(out, '\n');
	}
	for (size_t i = 0; i < c->len; i++) {
		buf_str(out, "\t\t");
		text_rule(&c->rules[i], out);
		buf_char(out, '\n');
	}
	buf_str(out, "\t}\n");
}

void ruleset_print(const struct ruleset *r, struct buf *out)
{
	const char *before = "";

	buf_printf(out, "table %s %s {\n", r->family == BRIDGE ? "bridge" : "inet", r->table);
	for (size_t i = 0; i < r->nlimits; i++, before = "\n") {
		buf_str(out, before);
		print_limit(&r->limits[i], out);
	}
	for (size_t i = 0; i < r->nsets; i++, before = "\n") {
		buf_str(out, before);
		print_set(r->sets[i], out);
	}
	for (size_t i = 0; i < r->nchains; i++, before = "\n") {
		buf_str(out, before);
		print_chain(r->family, r->chains[i], out);
	}
	buf_str(out, "}\n");
}
