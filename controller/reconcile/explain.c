/*
 * explain: every flow that a question stands for, judged, as JSON.
 */
#include "quaywall/reconcile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "describe.h"
#include "ends.h"
#include "published.h"

#define PUBLISH	  "publish:"
#define FLOWS_MAX 100000

struct explain {
	const struct compiled *c;
	const struct model *m;
	struct policy_ports *ports; /* none: every protocol and port */
	size_t nports;
	bool publish; /* TO is publish:PORT, which PORTS then holds */
	json_t *flows;
	size_t refused;
	size_t self; /* pairs that were left out: a container with itself */
};

static void explain_done(struct explain *x)
{
	free(x->ports);
	json_decref(x->flows);
}

#define CLEANUP_EXPLAIN __attribute__((cleanup(explain_done)))

/* Adds what was found, but for the second family of a pair that is judged as the first was. */
static void add_flow(struct explain *x, const struct flow *f, uint16_t last,
		     const struct verdict *v)
{
	json_t *flow = describe_flow(x->c, x->m, f, last, v);

	json_array_append_new(x->flows, flow);
	if (v->verdict == FLOW_DENY)
		x->refused++;
}

static bool same_consent(const struct flow_consent *a, const struct flow_consent *b)
{
	return a->reason == b->reason && a->verdict == b->verdict && a->rule == b->rule &&
	       a->document == b->document && a->setting == b->setting;
}

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	return a->verdict == b->verdict && same_consent(&a->egress, &b->egress) &&
	       same_consent(&a->ingress, &b->ingress);
}

/* ---- published ports ---- */

static void judge_publisher(struct explain *x, const struct flow_end *from,
			    const struct published *p)
{
	struct flow f;
	struct verdict v;

	if (!published_flow(x->m, from, p, &f)) {
		x->self++;
		return;
	}
	compile_verdict(x->c, &f, &v);
	add_flow(x, &f, f.port, &v);
	describe_through_port(json_array_get(x->flows, json_array_size(x->flows) - 1), &f, p);
}

/* Who publishes one of the ports that P names. How many there are. */
static size_t judge_publishers(struct explain *x, const struct flow_end *from,
			       const struct policy_ports *p)
{
	size_t n = 0;

	for (size_t c = 0; c < x->m->ncontainers; c++) {
		const struct model_container *container = &x->m->containers[c];
		unsigned last = 0; /* a port stands there once for each address: they are sorted */

		for (size_t i = 0; i < container->nports; i++) {
			const struct model_port *port = &container->ports[i];
			struct published found;

			if (port->protocol != p->protocol || port->host_port == last ||
			    port->host_port < p->first || port->host_port > p->last)
				continue;
			last = port->host_port;
			published_find(x->m, c, p->protocol, port->host_port, &found);
			judge_publisher(x, from, &found);
			n++;
		}
	}
	return n;
}

/* ---- one pair ---- */

/* A range is judged port by port; neighbours that are judged alike become one flow. */
static void judge_range(struct explain *x, struct flow *f, const struct policy_ports *p)
{
	struct verdict before, v;
	unsigned first = p->first;

	for (unsigned port = p->first; port <= p->last; port++) {
		f->port = (uint16_t)port;
		compile_verdict(x->c, f, &v);
		if (port > p->first && !same_verdict(&before, &v)) {
			f->port = (uint16_t)first;
			add_flow(x, f, (uint16_t)(port - 1), &before);
			first = port;
		}
		before = v;
		before.decided_by = v.decided_by == &v.egress ? &before.egress : &before.ingress;
	}
	f->port = (uint16_t)first;
	add_flow(x, f, p->last, &before);
}

static void judge(struct explain *x, struct flow *f)
{
	struct verdict v;

	if (!x->nports) {
		f->every_port = true;
		compile_verdict(x->c, f, &v);
		add_flow(x, f, 0, &v);
	}
	for (size_t i = 0; i < x->nports; i++) {
		const struct policy_ports *p = &x->ports[i];

		/* What the host publishes is a container's, whoever asks for it. */
		if (f->from.kind == END_ENDPOINT && f->to.kind == END_HOST && p->first == p->last &&
		    judge_publishers(x, &f->from, p))
			continue;
		f->protocol = p->protocol;
		f->every_port = p->first == 0 && p->last == UINT16_MAX;
		if (!f->every_port) {
			judge_range(x, f, p);
			continue;
		}
		compile_verdict(x->c, f, &v);
		add_flow(x, f, 0, &v);
	}
}

/* ---- pairs ---- */

static size_t network_of(const struct model *m, const struct flow_end *end)
{
	return end->kind == END_ENDPOINT ? m->endpoints[end->endpoint].network : MODEL_NONE;
}

static bool is_itself(const struct model *m, const struct flow_end *a, const struct flow_end *b)
{
	return a->kind == END_ENDPOINT && b->kind == END_ENDPOINT &&
	       m->endpoints[a->endpoint].container == m->endpoints[b->endpoint].container;
}

static bool have_common_network(const struct model *m, const struct ends *from,
				const struct ends *to)
{
	for (size_t i = 0; i < from->len; i++)
		for (size_t j = 0; j < to->len; j++)
			if (!is_itself(m, &from->items[i], &to->items[j]) &&
			    network_of(m, &from->items[i]) != MODEL_NONE &&
			    network_of(m, &from->items[i]) == network_of(m, &to->items[j]))
				return true;
	return false;
}

static bool is_judged_alike(const struct explain *x, size_t first)
{
	size_t n = json_array_size(x->flows);

	if (n % 2 != first % 2)
		return false;
	for (size_t i = first, half = (n - first) / 2; i < first + half; i++)
		if (!describe_is_alike(json_array_get(x->flows, i),
				       json_array_get(x->flows, i + half)))
			return false;
	return true;
}

static void forget_flows(struct explain *x, size_t first)
{
	while (json_array_size(x->flows) > first) {
		size_t last = json_array_size(x->flows) - 1;

		if (describe_is_refused(json_array_get(x->flows, last)))
			x->refused--;
		json_array_remove(x->flows, last);
	}
}

/* One pair, in each family that both have; the second only where it is judged otherwise. */
static void judge_pair(struct explain *x, const struct flow_end *from, const struct flow_end *to)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	size_t first = json_array_size(x->flows);
	size_t second = first;

	if (is_itself(x->m, from, to)) {
		x->self++;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct flow f = {.from = *from, .to = *to};
		bool has_from, has_to;

		f.from.addr = ends_in_family(x->m, from, families[i], &has_from);
		f.to.addr = ends_in_family(x->m, to, families[i], &has_to);
		if (!has_from || !has_to)
			continue;
		second = json_array_size(x->flows);
		judge(x, &f);
	}
	if (second > first && is_judged_alike(x, first))
		forget_flows(x, second);
}

static void judge_pairs(struct explain *x, const struct ends *from, const struct ends *to)
{
	bool common = have_common_network(x->m, from, to);

	for (size_t i = 0; i < from->len; i++)
		for (size_t j = 0; j < to->len; j++)
			if (!common ||
			    network_of(x->m, &from->items[i]) == network_of(x->m, &to->items[j]))
				judge_pair(x, &from->items[i], &to->items[j]);
}

static int judge_published(struct explain *x, const struct ends *from, const char *text,
			   struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < from->len; i++)
		for (size_t p = 0; p < x->nports; p++)
			n += judge_publishers(x, &from->items[i], &x->ports[p]);
	if (!n)
		return error_set(err, -EINVAL, "no container publishes %s", text + strlen(PUBLISH));
	return 0;
}

/* ---- the question ---- */

static int parse_ports(struct explain *x, const struct explain_query *q, struct error *err)
{
	x->publish = !strncmp(q->to, PUBLISH, strlen(PUBLISH));
	if (x->publish && q->port)
		return error_set(err, -EINVAL, "%s names the port already, '%s' is one too many",
				 q->to, q->port);
	if (!x->publish && !q->port)
		return 0;
	return policy_ports_parse(x->publish ? q->to + strlen(PUBLISH) : q->port, &x->ports,
				  &x->nports, err);
}

/* The daemon answers whoever may ask, and enforces with the same thread. */
static int check_size(const struct explain *x, const struct ends *from, const struct ends *to,
		      struct error *err)
{
	size_t flows = x->nports ? 0 : 1;

	for (size_t i = 0; i < x->nports; i++)
		flows += (size_t)(x->ports[i].last - x->ports[i].first) + 1;
	flows *= from->len * to->len;
	if (flows <= FLOWS_MAX)
		return 0;
	return error_set(err, -EINVAL,
			 "that would be %zu flows (at most %d: name fewer containers or ports)",
			 flows, FLOWS_MAX);
}

static const char *summary(const struct explain *x)
{
	if (!x->refused)
		return "allow";
	return x->refused == json_array_size(x->flows) ? "deny" : "mixed";
}

static int no_flow(const struct explain *x, const struct explain_query *q, struct error *err)
{
	if (x->self)
		return error_set(err, -EINVAL,
				 "'%s' and '%s' are one container: what it sends to itself is "
				 "never judged",
				 q->from, q->to);
	return error_set(err, -EINVAL, "'%s' and '%s' have no address family in common", q->from,
			 q->to);
}

int reconcile_explain(const struct compiled *c, const struct model *m,
		      const struct explain_query *q, json_t **ret, struct error *err)
{
	CLEANUP_EXPLAIN struct explain x = {.c = c, .m = m, .flows = json_array()};
	CLEANUP_ENDS struct ends from = {NULL, 0, 0};
	CLEANUP_ENDS struct ends to = {NULL, 0, 0};
	int r = parse_ports(&x, q, err);

	if (r < 0)
		return r;
	r = ends_resolve(c, m, q->from, &from, err);
	if (r < 0)
		return r;
	if (x.publish) {
		r = judge_published(&x, &from, q->to, err);
	} else {
		r = ends_resolve(c, m, q->to, &to, err);
		if (r == 0)
			r = check_size(&x, &from, &to, err);
		if (r == 0)
			judge_pairs(&x, &from, &to);
	}
	if (r < 0)
		return r;
	if (!json_array_size(x.flows))
		return no_flow(&x, q, err);
	*ret = json_pack("{s:s, s:O}", "verdict", summary(&x), "flows", x.flows);
	return 0;
}
