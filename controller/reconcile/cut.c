/*
 * cut: a changed policy applies to the flows that exist: those that it refuses are ended (rule 10
 * of the language), no other flow is. Every entry of conntrack is judged as what its packets are:
 * docker-proxy's two halves (container -> the host's published port, host -> container) are two
 * entries.
 */
#include "cut.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "quaywall/mem.h"

static bool is_refused(const struct compiled *c, const struct flow *f)
{
	struct verdict v;

	compile_verdict(c, f, &v);
	return v.verdict == FLOW_DENY;
}

static bool is_local_net(const struct model_interface *i, const struct addr *a)
{
	for (size_t n = 0; n < i->naddrs; n++) {
		struct prefix net = prefix_mask(&i->addrs[n]);

		if (prefix_contains(&net, a))
			return true;
	}
	return false;
}

static bool is_refused_everywhere(const struct cut_view *v, struct flow *f,
				  struct flow_end *outside)
{
	const struct model *m = compile_model(v->compiled);

	for (size_t i = 0; i < m->ninterfaces; i++) {
		outside->interface = m->interfaces[i].name;
		if (!is_refused(v->compiled, f))
			return false;
	}
	outside->interface = NULL;
	return is_refused(v->compiled, f);
}

/* The one in whose network the address is, else the one by which the host sends to it what the end INSIDE
 * answers. */
static const char *interface_of(const struct cut_view *v, const struct flow_end *inside,
				const struct addr *outside)
{
	const struct model *m = compile_model(v->compiled);
	const char *bridge = NULL;

	for (size_t i = 0; i < m->ninterfaces; i++)
		if (is_local_net(&m->interfaces[i], outside))
			return m->interfaces[i].name;
	if (!v->host)
		return NULL;
	if (inside->kind == END_ENDPOINT)
		bridge = m->networks[m->endpoints[inside->endpoint].network].bridge;
	return host_route(v->host, outside, bridge ? &inside->addr : NULL, bridge);
}

/* An entry does not tell by which interface its packets come, but a policy may ask. Where nothing else does,
 * whatever interface lets it pass gives it the benefit of the doubt. */
static bool is_refused_outside(const struct cut_view *v, struct flow *f, bool incoming)
{
	struct flow_end *outside = incoming ? &f->from : &f->to;

	if (!v->by_interface)
		return is_refused(v->compiled, f);
	outside->interface = interface_of(v, incoming ? &f->to : &f->from, &outside->addr);
	return outside->interface ? is_refused(v->compiled, f)
				  : is_refused_everywhere(v, f, outside);
}

/* Who asks a published port of the host asks the container behind it: docker-proxy carries it on, in a connection
 * of the host's that tells nothing of the client. */
static void look_through_host(const struct compiled *c, struct flow *f)
{
	struct flow_end behind;
	uint16_t port;

	if ((f->from.kind != END_ENDPOINT && f->from.kind != END_OUTSIDE) ||
	    f->to.kind != END_HOST ||
	    !compile_published_target(c, &f->to.addr, f->protocol, f->port, &behind, &port))
		return;
	if (f->from.kind == END_OUTSIDE) {
		f->published = true;
		f->published_port = f->port;
	}
	f->to = behind;
	f->port = port;
}

static bool is_stranger(const struct flow_end *end, const struct flow_end *other)
{
	return end->kind == END_OUTSIDE && other->kind == END_ENDPOINT &&
	       end->addr.family == AF_INET6 && addr_is_link_local(&end->addr);
}

/* A link-local address that is nobody's reaches a container only from its own bridge. */
static void note_strangers(struct flow *f)
{
	if (is_stranger(&f->from, &f->to))
		f->from.kind = END_UNKNOWN;
	else if (is_stranger(&f->to, &f->from))
		f->to.kind = END_UNKNOWN;
}

static bool touches_container(const struct flow *f)
{
	return f->from.kind == END_ENDPOINT || f->to.kind == END_ENDPOINT ||
	       f->from.kind == END_UNKNOWN || f->to.kind == END_UNKNOWN;
}

bool cut_flow_of(const struct compiled *c, const struct flow_entry *e, struct flow *ret)
{
	*ret = (struct flow) {
		.from = compile_end_of_addr(c, &e->orig_src),
		.to = compile_end_of_addr(c, &e->reply_src),
		.protocol = e->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : e->protocol,
		.port = e->reply_sport,
	};
	look_through_host(c, ret);
	note_strangers(ret);
	if (ret->protocol == IPPROTO_ICMP)
		ret->port = 0;
	if (e->dnat && ret->from.kind == END_OUTSIDE && touches_container(ret)) {
		ret->published = true;
		ret->published_port = e->orig_dport;
	}
	return touches_container(ret);
}

bool cut_judge(const struct cut_view *v, const struct flow_entry *e, struct flow *f)
{
	if (!cut_flow_of(v->compiled, e, f))
		return false;
	if (f->from.kind == END_OUTSIDE || f->to.kind == END_OUTSIDE)
		return is_refused_outside(v, f, f->from.kind == END_OUTSIDE);
	return is_refused(v->compiled, f);
}

bool cut_verdict(const struct cut_view *v, const struct flow_entry *e, struct flow *ret,
		 struct verdict *ret_verdict)
{
	if (!cut_flow_of(v->compiled, e, ret))
		return false;
	if (v->by_interface && ret->from.kind == END_OUTSIDE)
		ret->from.interface = interface_of(v, &ret->to, &ret->from.addr);
	else if (v->by_interface && ret->to.kind == END_OUTSIDE)
		ret->to.interface = interface_of(v, &ret->from, &ret->to.addr);
	compile_verdict(v->compiled, ret, ret_verdict);
	return true;
}

bool cut_is_refused(const struct cut_view *v, const struct flow_entry *e)
{
	struct flow f;

	return cut_judge(v, e, &f);
}

/* ---- answers ---- */

static bool names_port(const struct flow_consent *consent)
{
	return consent->reason == REASON_ALLOW_RULE && consent->rule->nports > 0;
}

/* Of the flow that an answer would begin. */
static struct verdict verdict_back(const struct compiled *c, const struct flow_entry *e)
{
	struct flow back = {
		.from = compile_end_of_addr(c, &e->reply_src),
		.to = compile_end_of_addr(c, &e->reply_dst),
		.protocol = e->protocol,
		.port = e->reply_dport,
	};
	struct verdict v;

	compile_verdict(c, &back, &v);
	return v;
}

bool cut_can_come_back(const struct compiled *c, const struct flow_entry *e)
{
	struct verdict v;
	bool named;

	/* GRE and the like: the flow the other way is one of its own as much as an answer. */
	if (!e->reply_sport && !e->reply_dport)
		return false;
	/* No answer begins a TCP flow, unless conntrack took an answer for the beginning. */
	if (e->protocol == IPPROTO_TCP && !e->midway)
		return true;
	v = verdict_back(c, e);
	named = names_port(&v.egress) || names_port(&v.ingress);
	if (e->protocol == IPPROTO_TCP)
		return v.verdict == FLOW_DENY || !named;
	return v.verdict != FLOW_DENY && !named;
}

/* As many as the kernel's set takes beside those of before. */
#define ANSWERS_MAX 60000

struct answer {
	uint8_t key[RULESET_KEY_MAX];
	struct ruleset_element element;
};

struct answers {
	struct answer *items;
	const struct ruleset_element **pointers;
	size_t len;
};

static void answers_done(struct answers *a)
{
	free(a->items);
	free(a->pointers);
}

/* Where there is room for it. */
static void add_answer(struct answers *a, const struct compile_answer *answer)
{
	struct answer *item = &a->items[a->len];

	compile_cut_key(answer, item->key);
	item->element = (struct ruleset_element) {.key = item->key, .key_end = item->key};
	a->pointers[a->len++] = &item->element;
}

static struct answers answers_of(const struct compiled *c, const struct flow_list *doomed,
				 uint8_t family)
{
	struct answers a = {
		.items = mem_new(doomed->len, sizeof(*a.items)),
		.pointers = mem_new(doomed->len, sizeof(*a.pointers)),
	};

	for (size_t i = 0; i < doomed->len && a.len < ANSWERS_MAX; i++) {
		const struct flow_entry *e = &doomed->items[i].entry;
		struct compile_answer answer = {e->reply_src, e->reply_dst, e->protocol,
						e->reply_sport, e->reply_dport};

		if (e->reply_src.family != family || !cut_can_come_back(c, e))
			continue;
		add_answer(&a, &answer);
	}
	return a;
}

/* Before the flows are gone: an answer may be on its way. */
static int drop_answers(struct kernel *k, const struct compiled *c, const struct flow_list *doomed,
			uint8_t family, struct error *err)
{
	CLEANUP_RULESET struct ruleset *table = compile_cut_table(c);
	const struct ruleset_set *set = ruleset_find_set(table, compile_cut_set(family));
	__attribute__((cleanup(answers_done))) struct answers a = answers_of(c, doomed, family);
	struct ruleset_change change = {
		.kind = CHANGE_ADD_ELEMENTS, .set = set, .elements = a.pointers, .len = a.len};
	struct ruleset_diff d = {.items = &change, .len = 1};
	int r;

	if (!set || !a.len)
		return 0;
	r = kernel_add_elements(k, table, &d, err);
	return r < 0 ? error_wrap(err, r, "answers of flows that are cut") : 0;
}

/* ---- all of them ---- */

static bool asks_interface(const struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->nfrom; i++)
		if (rule->from[i].kind == PEER_INTERFACE)
			return true;
	for (size_t i = 0; i < rule->nto; i++)
		if (rule->to[i].kind == PEER_INTERFACE)
			return true;
	return false;
}

struct cut_view cut_view_of(const struct compiled *c, struct host *h)
{
	struct cut_view v = {.compiled = c, .host = h};
	const struct policy_set *set = compile_policies(c);

	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t r = 0; r < set->documents[d].nrules; r++)
			v.by_interface |= asks_interface(&set->documents[d].rules[r]);
	return v;
}

static bool refused(const struct flow_entry *e, void *data)
{
	return cut_is_refused(data, e);
}

int cut_refused(struct flow_table *flows, struct kernel *k, struct host *h, const struct world *w,
		size_t *ret_cut, struct error *err)
{
	struct cut_view view = cut_view_of(w->compiled, h);
	CLEANUP_FLOW_LIST struct flow_list doomed = {0};
	int r, answers4, answers6;

	*ret_cut = 0;
	r = flow_find(flows, refused, &view, &doomed, err);
	if (r < 0)
		return r;
	answers4 = drop_answers(k, w->compiled, &doomed, AF_INET, err);
	answers6 = drop_answers(k, w->compiled, &doomed, AF_INET6, err);
	r = flow_delete(flows, &doomed, ret_cut, err);
	return r < 0 ? r : answers4 < 0 ? answers4 : answers6;
}
