#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"
#include "quaywall/utf8.h"

#define LISTED_MAX 100 /* pairs in a comment */

/* The text, and which line of it comes next. */
struct writer {
	struct buf *out;
	size_t counted; /* bytes of it */
	unsigned line;
};

static unsigned line_of(struct writer *w)
{
	for (; w->counted < w->out->len; w->counted++)
		w->line += w->out->data[w->counted] == '\n';
	return w->line;
}

/* ---- comments ---- */

/* In a comment nothing may end the line: YAML knows more ends than one. */
static void print_words(const char *text, struct buf *out)
{
	size_t left = strlen(text);

	while (left) {
		uint32_t c = 0;
		size_t len = utf8_decode(text, left, &c);
		bool odd = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
			   c == 0xfeff || c == 0xfffe || c == 0xffff;

		if (len && !odd)
			buf_add(out, text, len);
		else
			buf_char(out, '?');
		text += len ? len : 1;
		left -= len ? len : 1;
	}
}

static void print_end(const struct learn_end *e, struct buf *out)
{
	struct prefix block;
	char text[ADDR_TEXT_SIZE];

	if (e->kind == LEARN_HOST) {
		buf_str(out, "host");
	} else if (e->kind == LEARN_OUTSIDE && e->block && pair_block_of(&e->addr, &block)) {
		buf_str(out, prefix_format(&block, text));
	} else if (e->kind == LEARN_OUTSIDE) {
		buf_str(out, addr_is_set(&e->addr) ? addr_format(&e->addr, text) : "outside");
	} else {
		if (e->project) {
			print_words(e->project, out);
			buf_char(out, '/');
		}
		print_words(e->service ? e->service : e->name, out);
	}
}

static void print_what(const struct learn_pair *p, struct buf *out)
{
	struct plan_ports ports = {.items = NULL};

	if (p->published_port)
		buf_str(out, "published ");
	if (protocol_has_ports(p->protocol) && !p->port_last) {
		buf_printf(out, "port 0 of protocol %u", p->protocol);
	} else if (protocol_has_ports(p->protocol) || p->protocol == IPPROTO_ICMP) {
		plan_ports_add(&ports, p);
		plan_ports_print(&ports, out);
		free(ports.items);
	} else {
		buf_printf(out, "protocol %u", p->protocol);
	}
}

static void print_counts(uint64_t flows, uint64_t refused, time_t last, struct buf *out)
{
	if (flows)
		buf_printf(out, "%" PRIu64 " flow%s", flows, flows == 1 ? "" : "s");
	if (refused)
		buf_printf(out, "%srefused %" PRIu64 " time%s", flows ? ", " : "", refused,
			   refused == 1 ? "" : "s");
	buf_str(out, ", last ");
	buf_time(out, last);
}

static void print_list(const struct plan_pairs *pairs, const char *title, struct buf *out)
{
	if (!pairs->len)
		return;
	buf_printf(out, "\n# %s:\n", title);
	for (size_t i = 0; i < pairs->len && i < LISTED_MAX; i++) {
		const struct learn_pair *p = pairs->items[i];

		buf_str(out, "#   ");
		print_end(&p->from, out);
		buf_str(out, " -> ");
		print_end(&p->to, out);
		buf_char(out, ' ');
		print_what(p, out);
		buf_str(out, ": ");
		print_counts(p->allowed + p->audited, p->refused, p->last, out);
		buf_char(out, '\n');
	}
	if (pairs->len > LISTED_MAX)
		buf_printf(out, "#   and %zu more\n", pairs->len - LISTED_MAX);
}

static void print_head(const struct plan *p, uint64_t left_out, struct buf *out)
{
	time_t first = 0, last = 0;

	if (!p->pairs.len) {
		buf_str(out, "# Nothing was seen that would need a rule.\n");
		return;
	}
	for (size_t i = 0; i < p->pairs.len; i++) {
		const struct learn_pair *pair = p->pairs.items[i];

		first = !i || pair->first < first ? pair->first : first;
		last = pair->last > last ? pair->last : last;
	}
	buf_str(out, "# What was seen to pass, from ");
	buf_time(out, first);
	buf_str(out, " to ");
	buf_time(out, last);
	buf_str(out, ", as policies.\n# Read them before you enforce them: what was seen is not "
		     "always what is meant, and what has not\n# happened yet is not in it.\n");
	if (left_out)
		buf_printf(out,
			   "# %" PRIu64
			   " flows more found no place in what is kept, and are not in it.\n",
			   left_out);
	buf_char(out, '\n');
}

/* ---- documents ---- */

static void print_for(const struct plan_document *d, struct buf *out)
{
	buf_str(out, "for:");
	if (d->project) {
		buf_str(out, " {project: ");
		policy_name_print(d->project, out);
		buf_str(out, "}\n");
		return;
	}
	for (size_t i = 0; i < d->groups.len; i++) {
		buf_str(out, "\n  - ");
		plan_print_selector(d->groups.items[i].end, out);
	}
	buf_char(out, '\n');
}

static void print_groups(const struct plan_document *d, struct buf *out)
{
	buf_str(out, "groups:\n");
	for (size_t i = 0; i < d->groups.len; i++) {
		buf_str(out, "  ");
		policy_name_print(d->groups.items[i].name, out);
		buf_str(out, ": ");
		plan_print_selector(d->groups.items[i].end, out);
		buf_char(out, '\n');
	}
}

static void print_rule(const struct plan_rule *r, struct buf *out)
{
	bool published = r->action == POLICY_PUBLISH;

	buf_printf(out, "  - {from: %s, to: %s, %s: ", r->from, r->to,
		   published ? "port" : "ports");
	plan_ports_print(&r->ports, out);
	buf_str(out, "} # ");
	print_counts(r->flows, r->refused, r->last, out);
	if (r->note)
		buf_printf(out, "; %s", r->note);
	if (r->range)
		buf_str(out, "; more ports than are kept apart, so a range");
	buf_char(out, '\n');
}

static void print_rules(const struct plan_document *d, enum policy_action action, const char *title,
			struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < d->rules.len; i++) {
		if (d->rules.items[i].action != action)
			continue;
		if (!any)
			buf_printf(out, "%s:\n", title);
		any = true;
		print_rule(&d->rules.items[i], out);
	}
}

static void print_expect(struct writer *w, struct plan_expect *e)
{
	struct buf *out = w->out;

	e->line = e->fails ? 0 : line_of(w);
	if (e->fails && !e->allow)
		return;
	buf_printf(out, "  %s- {from: %s", e->fails ? "# " : "", e->from);
	if (e->to)
		buf_printf(out, ", to: %s", e->to);
	if (e->ports.len) {
		buf_str(out, e->published ? ", publish: " : ", port: ");
		plan_ports_print(&e->ports, out);
	}
	buf_printf(out, ", verdict: %s}%s\n", e->allow ? "allow" : "deny",
		   e->fails ? " # not all that it speaks of is there now" : "");
}

static bool has_expects(const struct plan_document *d)
{
	for (size_t i = 0; i < d->expects.len; i++)
		if (!d->expects.items[i].fails)
			return true;
	return false;
}

static void print_expects(struct writer *w, struct plan_document *d)
{
	if (!d->expects.len)
		return;
	buf_str(w->out, has_expects(d) ? "expect:\n" : "# expect:\n");
	for (size_t i = 0; i < d->expects.len; i++)
		print_expect(w, &d->expects.items[i]);
}

static void print_document(struct writer *w, struct plan_document *d)
{
	buf_str(w->out, "policy: ");
	policy_name_print(d->name, w->out);
	buf_char(w->out, '\n');
	print_for(d, w->out);
	print_groups(d, w->out);
	print_rules(d, POLICY_ALLOW, "allow", w->out);
	print_rules(d, POLICY_PUBLISH, "publish", w->out);
	print_expects(w, d);
}

static void print_all(struct plan *p, uint64_t left_out, struct buf *out)
{
	struct writer w = {.out = out, .counted = out->len, .line = 1};

	print_head(p, left_out, out);
	for (size_t i = 0; i < p->documents.len; i++) {
		if (i)
			buf_str(out, "---\n");
		print_document(&w, &p->documents.items[i]);
	}
	print_list(&p->unwritable, "Passed, but the language has no word for it", out);
	print_list(&p->refused,
		   "Was only ever refused, so it is not allowed above (--refused does that)", out);
	print_list(&p->unanswered,
		   "Nobody answered, so it is not allowed above (--refused does that)", out);
	print_list(&p->from_host,
		   "Needs no rule, as the host reaches its containers "
		   "(defaults.host_to_containers)",
		   out);
}

int learn_policy_write(const struct learn_table *t, const struct settings *settings,
		       const struct model *m, const struct learn_wish *wish, struct buf *out,
		       struct error *err)
{
	CLEANUP_PLAN struct plan p;
	bool changed = true;

	plan_init(&p, t, settings, m, wish);
	while (changed) {
		CLEANUP_BUF struct buf text = BUF_INIT;
		int r;

		print_all(&p, learn_table_left_out(t), &text);
		r = plan_check(&p, &text, &changed, err);
		if (r < 0)
			return error_wrap(err, r, "the policy that was written does not hold");
		if (!changed)
			buf_add(out, text.data, text.len);
	}
	return 0;
}
