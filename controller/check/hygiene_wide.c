/*
 * Rules for `any` that only few were seen to use.
 *
 * Nothing is made of little: flows must have been followed for as long as the setting `unused` says (a month unless set, so
 * that what is done monthly was there), and the rule must have been used that long and at least ENOUGH times: who makes
 * 3 % of its flows was then missed once in twenty. What the table of flows does not tell apart, or had no place for,
 * ends the judgement: a peer must not be left out of what is proposed.
 */
#include "hygiene.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/learn.h"
#include "quaywall/mem.h"

#define DAY    86400
#define ENOUGH 100 /* flows */
#define FEW    3
#define PAIRS  8192 /* as many as a daemon keeps */

/* One rule with its `any`. */
struct wide {
	const struct check_input *in;
	const struct policy_document *doc;
	const struct policy_rule *rule;
	bool from;	 /* that is the `any`; else `to` */
	json_t *members; /* names of containers at the other end */
};

struct peers {
	char *items[FEW]; /* as YAML */
	size_t len;
	uint64_t flows;
	time_t first, last;
	bool many; /* or not told apart */
};

/* ---- names ---- */

static char *name_of(const struct learn_end *end)
{
	return mem_printf("%s\n%s\n%s", end->project ? end->project : "",
			  end->service ? end->service : "", end->name ? end->name : "");
}

static void add_name(json_t *names, const struct model_container *c)
{
	struct learn_end end;

	if (learn_end_of(c, &end)) {
		CLEANUP_FREE char *name = name_of(&end);

		json_object_set_new(names, name, json_true());
	}
}

static bool has_name(const json_t *names, const struct learn_end *end)
{
	CLEANUP_FREE char *name = name_of(end);

	return json_object_get(names, name) != NULL;
}

/* Every container that there is now. */
static json_t *all_names(const struct model *m)
{
	json_t *names = json_object();

	for (size_t i = 0; i < m->ncontainers; i++)
		add_name(names, &m->containers[i]);
	return names;
}

/* ---- who is at the end that is not `any` ---- */

static bool is_member(const struct wide *w, const struct compile_instance *instance,
		      size_t endpoint)
{
	const struct policy_peer *peers = w->from ? w->rule->to : w->rule->from;
	size_t n = w->from ? w->rule->nto : w->rule->nfrom;

	if (!compile_governs(w->in->compiled, instance, endpoint))
		return false;
	for (size_t i = 0; i < n; i++)
		if (peers[i].kind != PEER_SELECTOR ||
		    compile_selects(w->in->compiled, instance, peers[i].selector, endpoint))
			return true;
	return false;
}

static json_t *find_members(const struct wide *w)
{
	const struct model *m = compile_model(w->in->compiled);
	json_t *names = json_object();

	for (size_t i = 0; i < compile_instances(w->in->compiled); i++) {
		const struct compile_instance *instance = compile_instance(w->in->compiled, i);

		for (size_t e = 0; instance->document == w->doc && e < m->nendpoints; e++)
			if (m->endpoints[e].container != MODEL_NONE && is_member(w, instance, e))
				add_name(names, &m->containers[m->endpoints[e].container]);
	}
	return names;
}

/* ---- what was seen ---- */

static bool has_ports(const struct policy_rule *rule, const struct learn_pair *p)
{
	uint16_t first = p->published_port ? p->published_port : p->port;
	uint16_t last = p->published_port ? p->published_port : p->port_last;

	for (size_t i = 0; i < rule->nports; i++)
		if (rule->ports[i].protocol == p->protocol && first <= rule->ports[i].last &&
		    last >= rule->ports[i].first)
			return true;
	return !rule->nports;
}

/* Of somebody who is gone nobody knows whether the rule was his. */
static bool may_be_gone(const struct wide *w, const struct learn_end *end)
{
	return w->doc->is_template || !w->doc->scope ||
	       (end->project && !strcmp(end->project, w->doc->scope));
}

static void print_key(const char *key, const char *name, struct buf *out)
{
	buf_printf(out, "%s: ", key);
	policy_name_print(name, out);
}

/* A selector without a project gets that of its document. */
static void print_container(const struct wide *w, const struct learn_end *end, struct buf *out)
{
	buf_char(out, '{');
	if (end->project)
		print_key("project", end->project, out);
	else if (w->doc->scope)
		buf_str(out, "project: \"*\"");
	if (end->project || w->doc->scope)
		buf_str(out, ", ");
	if (end->service)
		print_key("service", end->service, out);
	else
		print_key("name", end->name, out);
	buf_char(out, '}');
}

/* NULL: it stands for several. */
static char *peer_text(const struct wide *w, const struct learn_end *end)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char text[ADDR_TEXT_SIZE];

	if (end->kind == LEARN_HOST)
		buf_str(&out, "host");
	else if (end->kind == LEARN_CONTAINER)
		print_container(w, end, &out);
	else if (end->block || !addr_is_set(&end->addr))
		return NULL;
	else
		buf_printf(&out, end->addr.family == AF_INET6 ? "\"%s\"" : "%s",
			   addr_format(&end->addr, text));
	return buf_steal(&out);
}

static void add_peer(const struct wide *w, const struct learn_end *end, struct peers *ret)
{
	char *text = peer_text(w, end);

	for (size_t i = 0; text && i < ret->len; i++) {
		if (!strcmp(ret->items[i], text)) {
			free(text);
			return;
		}
	}
	if (text && ret->len < FEW) {
		ret->items[ret->len++] = text;
		return;
	}
	free(text);
	ret->many = true;
}

static void count(struct peers *ret, const struct learn_pair *p)
{
	ret->flows += p->allowed + p->audited - p->unanswered;
	if (!ret->first || p->first < ret->first)
		ret->first = p->first;
	if (p->last > ret->last)
		ret->last = p->last;
}

/* The host reaches its containers without a rule. */
static void look_at(const struct wide *w, const json_t *all, const struct learn_pair *p,
		    struct peers *ret)
{
	const struct learn_end *peer = w->from ? &p->from : &p->to;
	const struct learn_end *member = w->from ? &p->to : &p->from;
	bool publish = w->rule->action == POLICY_PUBLISH;

	if (!learn_pair_passed(p) || !has_ports(w->rule, p) || member->kind != LEARN_CONTAINER ||
	    publish != (p->published_port > 0) || (w->from && peer->kind == LEARN_HOST))
		return;
	if (has_name(w->members, member)) {
		count(ret, p);
		add_peer(w, peer, ret);
	} else if (!has_name(all, member) && may_be_gone(w, member)) {
		ret->many = true;
	}
}

/* ---- telling ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *peers_text(struct peers *p)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	/* The table's order is none that stays. */
	qsort(p->items, p->len, sizeof(*p->items), compare_texts);
	for (size_t i = 0; i < p->len; i++)
		buf_printf(&out, "%s%s", i ? ", " : p->len > 1 ? "[" : "", p->items[i]);
	if (p->len > 1)
		buf_char(&out, ']');
	return buf_steal(&out);
}

/* The rule with PEERS for its `any`. */
static char *narrowed(const struct wide *w, const char *peers)
{
	static const char from[] = "{from: any", to[] = ", to: any";
	CLEANUP_BUF struct buf rule = BUF_INIT;
	const char *text, *rest;

	policy_rule_print(w->doc, w->rule, &rule);
	text = buf_text(&rule);
	if (w->from)
		return mem_printf("{from: %s%s", peers, text + strlen(from));
	rest = strstr(text, to);
	return mem_printf("%.*s, to: %s%s", (int)(rest - text), text, peers, rest + strlen(to));
}

static void tell(const struct wide *w, struct peers *p, json_int_t days, struct check_report *ret)
{
	bool publish = w->rule->action == POLICY_PUBLISH;
	const struct policy_where *where = &w->rule->where;
	CLEANUP_FREE char *subject = hygiene_rule_name(w->doc, w->rule);
	CLEANUP_FREE char *peers = peers_text(p);
	CLEANUP_FREE char *rule = narrowed(w, peers);
	CLEANUP_FREE char *evidence = mem_printf(
		"%s:%u: in %lld days in which flows were followed all its %llu flows were %s %s",
		where->file, where->line, (long long)days, (unsigned long long)p->flows,
		w->from ? "from" : "to", peers);
	CLEANUP_FREE char *remedy = mem_printf("in %s: %s", where->file, rule);

	check_report_add(ret, "any-wider-than-seen", publish ? CHECK_INFO : CHECK_LOW, subject,
			 evidence, remedy);
}

static bool is_any(const struct policy_peer *peers, size_t n)
{
	return n == 1 && peers->kind == PEER_ANY;
}

/* One `any`, and containers of this host at the other end. */
static bool is_wide(struct wide *w)
{
	const struct policy_rule *r = w->rule;
	const struct policy_peer *others;
	size_t n;

	w->from = is_any(r->from, r->nfrom);
	if (r->action == POLICY_DENY || w->from == is_any(r->to, r->nto))
		return false;
	others = w->from ? r->to : r->from;
	n = w->from ? r->nto : r->nfrom;
	for (size_t i = 0; i < n; i++)
		if (others[i].kind != PEER_SELECTOR && others[i].kind != PEER_CONTAINERS)
			return false;
	return true;
}

static void check_rule(struct wide *w, const struct learn_table *t, const json_t *all,
		       json_int_t days, struct check_report *ret)
{
	json_int_t period = compile_settings(w->in->compiled)->unused_days * (json_int_t)DAY;
	struct peers p = {.len = 0};

	w->members = find_members(w);
	for (size_t i = 0; !p.many && i < learn_table_len(t); i++)
		look_at(w, all, learn_table_pair(t, i), &p);
	if (!p.many && p.flows >= ENOUGH && p.first + period <= w->in->now &&
	    p.last + period >= w->in->now)
		tell(w, &p, days, ret);
	for (size_t i = 0; i < p.len; i++)
		free(p.items[i]);
	json_decref(w->members);
}

static void check_rules(const struct check_input *in, const struct learn_table *t, json_int_t days,
			struct check_report *ret)
{
	const struct policy_set *set = compile_policies(in->compiled);
	json_t *all = all_names(compile_model(in->compiled));

	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t i = 0; i < set->documents[d].nrules; i++) {
			struct wide w = {.in = in,
					 .doc = &set->documents[d],
					 .rule = &set->documents[d].rules[i]};

			if (is_wide(&w))
				check_rule(&w, t, all, days, ret);
		}
	json_decref(all);
}

static bool has_wide(const struct check_input *in)
{
	const struct policy_set *set = compile_policies(in->compiled);

	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t i = 0; i < set->documents[d].nrules; i++)
			if (is_wide(&(struct wide) {.rule = &set->documents[d].rules[i]}))
				return true;
	return false;
}

static void tell_gap(struct check_report *ret, const char *why)
{
	CLEANUP_FREE char *text = mem_printf("rules for any that few use: %s", why);

	check_report_gap(ret, "hygiene", text);
}

void hygiene_wide(const struct check_input *in, struct check_report *ret)
{
	const json_t *flows = posture_get(in->posture, "flows", NULL);
	json_int_t days = json_integer_value(json_object_get(flows, "followed")) / DAY;
	json_int_t wanted = compile_settings(in->compiled)->unused_days;
	CLEANUP_LEARN_TABLE struct learn_table *t = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;

	if (!wanted || !has_wide(in))
		return;
	if (!flows || *posture_text(flows, "why")) {
		tell_gap(ret, flows ? posture_text(flows, "why") : "no flows were recorded");
		return;
	}
	if (days < wanted)
		return;
	if (learn_table_read(flows, PAIRS, &t, &err) < 0)
		tell_gap(ret, error_text(&err));
	else if (learn_table_left_out(t))
		tell_gap(ret, "some flows found no place in what was learned");
	else
		check_rules(in, t, days, ret);
}
