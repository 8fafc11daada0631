#include "quaywall/compile.h"

#include <netinet/in.h>
#include <string.h>

#include "compile-internal.h"
#include "edges.h"
#include "host-ends.h"
#include "quaywall/mem.h"

/* Stands for every protocol that no rule can name. */
#define OTHER_PROTOCOL IPPROTO_GRE

static const uint8_t named_protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP};

/* One expectation while it is held against the model. */
struct run {
	const struct compiled *c;
	const struct model *model;
	const struct compile_instance *in;
	const struct policy_expect *expect;
	struct edges edges[ARRAY_SIZE(named_protocols)]; /* of each of named_protocols */
	struct edges published; /* of the published ports of all containers */
	size_t pairs;		/* that were judged */
	size_t failed;		/* that have the other verdict */
	bool no_from, no_to;	/* in no instance an end of that side was found */
	struct buf first;	/* about the first pair that failed */
};

/* ---- the ends ---- */

/* The container of an end; MODEL_NONE where it is none. */
static size_t container_of(const struct run *r, const struct flow_end *end)
{
	if (end->kind != END_ENDPOINT)
		return MODEL_NONE;
	return r->model->endpoints[end->endpoint].container;
}

/* Endpoints in the order of containers, so that one container's stand side by side. One without an
 * address stands for each of its addresses. */
static void add_endpoints(const struct run *r, const struct selector *s, struct flow_ends *ret)
{
	CLEANUP_FREE size_t *next = mem_new(r->model->nendpoints + 1, sizeof(*next));
	CLEANUP_FREE size_t *first = mem_new(r->model->ncontainers + 1, sizeof(*first));

	/* Lists of endpoints by container; an index is kept plus one, so that 0 is the end. */
	for (size_t i = r->model->nendpoints; i-- > 0;) {
		size_t container = r->model->endpoints[i].container;

		if (container == MODEL_NONE)
			continue;
		next[i] = first[container];
		first[container] = i + 1;
	}
	for (size_t k = 0; k < r->model->ncontainers; k++)
		for (size_t i = first[k]; i; i = next[i - 1]) {
			bool member = s ? compile_selects(r->c, r->in, s, i - 1)
					: compile_governs(r->c, r->in, i - 1);
			struct flow_end end = {.kind = END_ENDPOINT, .endpoint = i - 1};

			if (member && compile_identity_of(r->c, i - 1) != MODEL_NONE)
				MEM_PUSH(ret, end);
		}
}

static void find_ends(const struct run *r, const struct policy_end *end, struct flow_ends *ret)
{
	struct flow_end found;

	switch (end->set ? end->peer.kind : PEER_SELECTOR) {
	case PEER_HOST:
		host_ends(r->c, ret);
		break;
	case PEER_CIDR:
		found = compile_end_of_addr(r->c, &end->peer.cidr.addr);
		found.addr = end->peer.cidr.addr;
		if (found.kind == END_OUTSIDE)
			found.interface = end->interface;
		MEM_PUSH(ret, found);
		break;
	default:
		add_endpoints(r, end->set ? end->peer.selector : NULL, ret);
	}
}

/* The end with its address of FAMILY; false where it has none. */
static bool end_of_family(const struct run *r, const struct flow_end *end, uint8_t family,
			  struct flow_end *ret)
{
	const struct model_endpoint *e;

	*ret = *end;
	if (end->kind == END_ENDPOINT && !end->addr.family) {
		e = &r->model->endpoints[end->endpoint];
		ret->addr = family == AF_INET ? e->addr4 : e->addr6;
		return ret->addr.family == family;
	}
	/* The host is no one address. */
	return end->kind == END_HOST ? !end->addr.family || end->addr.family == family
				     : end->addr.family == family;
}

/* ---- what is said ---- */

static void print_end(const struct run *r, const struct flow_end *end, struct buf *out)
{
	char addr[ADDR_TEXT_SIZE];

	if (end->kind == END_HOST)
		buf_str(out, "the host");
	else if (end->kind == END_UNKNOWN)
		buf_str(out, "unknown");
	else if (end->kind == END_ENDPOINT)
		model_container_title(&r->model->containers[container_of(r, end)], out);
	if (end->addr.family)
		buf_printf(out, "%s%s", end->kind == END_OUTSIDE ? "" : " ",
			   addr_format(&end->addr, addr));
	if (end->interface)
		buf_printf(out, " by %s", end->interface);
}

static void print_ports(const struct policy_ports *ports, struct buf *out)
{
	if (ports->protocol == OTHER_PROTOCOL)
		buf_str(out, "other protocols");
	else
		policy_ports_print(ports, out);
}

static void print_flow(const struct run *r, const struct flow *f, const struct policy_ports *ports,
		       struct buf *out)
{
	buf_printf(out, "expected %s, but ", r->expect->allow ? "allow" : "deny");
	print_end(r, &f->from, out);
	buf_str(out, " -> ");
	print_end(r, &f->to, out);
	buf_str(out, r->expect->by_published_port ? " published " : " ");
	print_ports(ports, out);
}

/* A flow passes because both ends consent. */
static void say_consents(const struct verdict *v, struct buf *out)
{
	bool egress = v->egress.reason != REASON_NOT_JUDGED;
	bool ingress = v->ingress.reason != REASON_NOT_JUDGED;

	if (egress || !ingress)
		compile_consent_print(&v->egress, true, out);
	if (egress && ingress)
		buf_str(out, "; ");
	if (ingress)
		compile_consent_print(&v->ingress, false, out);
}

/* "expected allow, but A -> B 5432/tcp is refused: shop isolates …" */
static void say_verdict(struct run *r, const struct flow *f, const struct policy_ports *ports,
			const struct verdict *v)
{
	static const char *const words[] = {
		[FLOW_ALLOW] = "is allowed",
		[FLOW_AUDIT] = "passes only because of audit mode",
		[FLOW_DENY] = "is refused",
	};

	if (r->first.len)
		return;
	print_flow(r, f, ports, &r->first);
	buf_printf(&r->first, " %s: ", words[v->verdict]);
	if (v->verdict == FLOW_ALLOW)
		say_consents(v, &r->first);
	else
		compile_consent_print(v->decided_by, v->decided_by == &v->egress, &r->first);
}

static void say_unpublished(struct run *r, const struct flow *f, const struct policy_ports *ports)
{
	if (r->first.len)
		return;
	print_flow(r, f, ports, &r->first);
	buf_str(&r->first, " does not exist: nothing is published there");
}

/* ---- one pair ---- */

/* Judges F, which stands for all of PORTS. Returns whether the verdict is the expected one. */
static bool judge(struct run *r, const struct flow *f, const struct policy_ports *ports)
{
	struct verdict v;

	compile_verdict(r->c, f, &v);
	if ((v.verdict == FLOW_ALLOW) == r->expect->allow)
		return true;
	say_verdict(r, f, ports, &v);
	return false;
}

/* The protocol number that a packet of FAMILY carries. */
static uint8_t wire_protocol(uint8_t family, uint8_t protocol)
{
	return protocol == IPPROTO_ICMP && family == AF_INET6 ? IPPROTO_ICMPV6 : protocol;
}

static const struct edges *edges_for(const struct run *r, uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(named_protocols); i++)
		if (named_protocols[i] == protocol)
			return &r->edges[i];
	return NULL;
}

static bool judge_range(struct run *r, struct flow *f, uint8_t family,
			const struct policy_ports *ports)
{
	const struct edges *edges = edges_for(r, ports->protocol);
	struct policy_ports part = *ports;

	f->protocol = wire_protocol(family, ports->protocol);
	for (uint32_t first = ports->first; first <= ports->last; first = part.last + 1u) {
		part.first = (uint16_t)first;
		part.last = edges ? edges_segment_end(edges, part.first, ports->last) : ports->last;
		f->port = part.first;
		if (!judge(r, f, &part))
			return false;
	}
	return true;
}

static bool judge_ports(struct run *r, struct flow *f, uint8_t family)
{
	struct policy_ports all = {.protocol = OTHER_PROTOCOL, .last = UINT16_MAX};

	for (size_t i = 0; i < r->expect->nports; i++)
		if (!judge_range(r, f, family, &r->expect->ports[i]))
			return false;
	if (r->expect->nports)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(named_protocols); i++) {
		all.protocol = named_protocols[i];
		if (!judge_range(r, f, family, &all))
			return false;
	}
	all.protocol = OTHER_PROTOCOL;
	return judge_range(r, f, family, &all);
}

/* ---- published ports ---- */

static bool is_loopback(const struct addr *a)
{
	struct prefix v4 = {.addr = {.family = AF_INET, .bytes = {127}}, .len = 8};
	struct prefix v6 = {.addr = {.family = AF_INET6, .bytes = {[15] = 1}}, .len = 128};

	return prefix_contains(&v4, a) || prefix_contains(&v6, a);
}

/* Whether a packet from END can come by PORT's address: of its family, and not 127.0.0.1 for one from
 * outside, which no engine lets in. */
static bool port_is_reachable(const struct model_port *port, const struct flow_end *end)
{
	if (end->addr.family && port->host_addr.family &&
	    port->host_addr.family != end->addr.family)
		return false;
	return end->kind == END_HOST || !is_loopback(&port->host_addr);
}

/* Judges one published port by all ways that lead to it. A port that is not published is refused, as
 * no rule can open it. */
static bool judge_published_port(struct run *r, struct flow *f, const struct policy_ports *port)
{
	bool found = false;

	f->protocol = port->protocol;
	f->published = f->from.kind == END_OUTSIDE;
	f->published_port = port->first;
	for (size_t i = 0; i < r->c->published.len; i++) {
		const struct published *way = &r->c->published.items[i];

		if (way->endpoint != f->to.endpoint || way->port->protocol != port->protocol ||
		    way->port->host_port != port->first || !port_is_reachable(way->port, &f->from))
			continue;
		found = true;
		f->port = way->port->container_port;
		if (!judge(r, f, port))
			return false;
	}
	if (!found && r->expect->allow)
		say_unpublished(r, f, port);
	return found || !r->expect->allow;
}

/* Ports of a range that are not published are refused alike: one speaks for those up to the next that
 * is. */
static bool judge_published(struct run *r, struct flow *f)
{
	for (size_t i = 0; i < r->expect->nports; i++) {
		const struct policy_ports *ports = &r->expect->ports[i];
		struct policy_ports part = *ports;

		for (uint32_t at = ports->first; at <= ports->last; at = part.last + 1u) {
			part.first = (uint16_t)at;
			part.last = edges_segment_end(&r->published, part.first, ports->last);
			if (!judge_published_port(r, f, &part))
				return false;
		}
	}
	return true;
}

/* The endpoint of the container that its published ports lead to; MODEL_NONE where it has none. */
static size_t gateway_of(const struct run *r, size_t container, bool of_expectation)
{
	for (size_t i = 0; i < r->c->published.len; i++) {
		const struct published *p = &r->c->published.items[i];

		if (p->container != container)
			continue;
		for (size_t j = 0; j < r->expect->nports; j++) {
			const struct policy_ports *ports = &r->expect->ports[j];

			if (!of_expectation || (p->port->protocol == ports->protocol &&
						p->port->host_port >= ports->first &&
						p->port->host_port <= ports->last))
				return p->endpoint;
		}
	}
	return MODEL_NONE;
}

/* A published port leads to one endpoint of a container, whichever of them was selected. Without `to`,
 * only the containers that publish the port are meant. */
static void keep_gateways(const struct run *r, struct flow_ends *ends)
{
	size_t kept = 0, last = MODEL_NONE;

	for (size_t i = 0; i < ends->len; i++) {
		struct flow_end end = ends->items[i];
		size_t container = container_of(r, &end);
		size_t gateway;

		if (container == MODEL_NONE || container == last)
			continue;
		last = container;
		gateway = gateway_of(r, container, !r->expect->to.set);
		if (gateway == MODEL_NONE && !r->expect->to.set)
			continue;
		if (gateway != MODEL_NONE)
			end = (struct flow_end) {.kind = END_ENDPOINT, .endpoint = gateway};
		ends->items[kept++] = end;
	}
	ends->len = kept;
}

/* ---- pairs ---- */

static void count_pair(struct run *r, bool held)
{
	r->pairs++;
	if (!held)
		r->failed++;
}

static void judge_pair(struct run *r, const struct flow_end *from, const struct flow_end *to)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct flow f = {0};
		bool same;

		if (!end_of_family(r, from, families[i], &f.from))
			continue;
		same = end_of_family(r, to, families[i], &f.to);
		/* docker-proxy takes a client of the other family to the container, too. */
		if (!same && r->expect->by_published_port)
			same = end_of_family(r, to, families[!i], &f.to);
		if (!same)
			continue;
		if (r->expect->by_published_port)
			count_pair(r, judge_published(r, &f));
		else
			count_pair(r, judge_ports(r, &f, families[i]));
	}
}

static bool on_common_network(const struct run *r, const struct flow_end *a,
			      const struct flow_end *b)
{
	return a->kind == END_ENDPOINT && b->kind == END_ENDPOINT &&
	       r->model->endpoints[a->endpoint].network == r->model->endpoints[b->endpoint].network;
}

/* How many ends, from the first on, are of one container. */
static size_t group_len(const struct run *r, const struct flow_end *ends, size_t len)
{
	size_t container = container_of(r, ends), n = 1;

	while (container != MODEL_NONE && n < len && container_of(r, &ends[n]) == container)
		n++;
	return n;
}

/* Two containers: their pairs on a common network, or all if they have none. To a published port of the
 * host every network of the source may be the way. */
static void judge_containers(struct run *r, const struct flow_end *from, size_t nfrom,
			     const struct flow_end *to, size_t nto)
{
	bool common = false;

	if (container_of(r, from) != MODEL_NONE && container_of(r, from) == container_of(r, to))
		return;
	for (size_t i = 0; i < nfrom; i++)
		for (size_t j = 0; j < nto; j++)
			common = common || (!r->expect->by_published_port &&
					    on_common_network(r, &from[i], &to[j]));
	for (size_t i = 0; i < nfrom; i++)
		for (size_t j = 0; j < nto; j++)
			if (!common || on_common_network(r, &from[i], &to[j]))
				judge_pair(r, &from[i], &to[j]);
}

static void judge_ends(struct run *r, const struct flow_ends *from, const struct flow_ends *to)
{
	size_t nfrom, nto;

	for (size_t i = 0; i < from->len; i += nfrom) {
		nfrom = group_len(r, &from->items[i], from->len - i);
		for (size_t j = 0; j < to->len; j += nto) {
			nto = group_len(r, &to->items[j], to->len - j);
			judge_containers(r, &from->items[i], nfrom, &to->items[j], nto);
		}
	}
}

/* ---- one expectation ---- */

static void run_instance(struct run *r)
{
	CLEANUP_FLOW_ENDS struct flow_ends from = {0}, to = {0};

	find_ends(r, &r->expect->from, &from);
	find_ends(r, &r->expect->to, &to);
	if (r->expect->by_published_port)
		keep_gateways(r, &to);
	r->no_from = r->no_from && !from.len;
	r->no_to = r->no_to && !to.len;
	judge_ends(r, &from, &to);
}

static void report_no_pair(const struct run *r, const struct policy_document *doc,
			   struct policy_problems *p)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct policy_expect *e = r->expect;

	if (!r->in) {
		buf_printf(&text, "no project matches '%s'", doc->scope);
	} else if (r->no_from) {
		policy_peer_print(doc, &e->from.peer, &text);
		buf_str(&text, " selects no container");
	} else if (r->no_to && e->to.set) {
		policy_peer_print(doc, &e->to.peer, &text);
		buf_str(&text, " selects no container");
	} else if (r->no_to) {
		buf_printf(&text, "no container that %s governs publishes ", doc->name);
		policy_ports_print(&e->ports[0], &text);
	} else {
		buf_str(&text, "its ends are one container, or have no address of one family");
	}
	policy_problem_add(p, POLICY_ERROR, &e->where, "the expectation has no pair to judge: %s",
			   buf_text(&text));
}

static void report_failure(const struct run *r, struct policy_problems *p)
{
	if (r->failed > 1)
		policy_problem_add(p, POLICY_ERROR, &r->expect->where,
				   "%s (and %zu of %zu other pairs)", buf_text(&r->first),
				   r->failed - 1, r->pairs - 1);
	else
		policy_problem_add(p, POLICY_ERROR, &r->expect->where, "%s", buf_text(&r->first));
}

/* Returns whether the expectation held. */
static bool run_expect(struct run *r, const struct policy_document *doc,
		       const struct policy_expect *expect, struct policy_problems *p)
{
	size_t n = compile_instances(r->c);

	r->expect = expect;
	r->in = NULL;
	r->pairs = r->failed = 0;
	r->no_from = r->no_to = true;
	buf_truncate(&r->first, 0);
	for (size_t i = 0; i < n; i++) {
		if (compile_instance(r->c, i)->document != doc)
			continue;
		r->in = compile_instance(r->c, i);
		run_instance(r);
	}
	if (!r->pairs)
		report_no_pair(r, doc, p);
	else if (r->failed)
		report_failure(r, p);
	return r->pairs && !r->failed;
}

static struct edges published_edges(const struct compiled *c)
{
	struct edges e = {0};

	for (size_t i = 0; i < c->published.len; i++) {
		edges_add(&e, c->published.items[i].port->host_port);
		edges_add(&e, c->published.items[i].port->host_port + 1u);
	}
	edges_sort(&e);
	return e;
}

size_t compile_run_expects(const struct compiled *c, struct policy_problems *p)
{
	const struct policy_set *set = compile_policies(c);
	struct run r = {.c = c, .model = compile_model(c)};
	size_t held = 0;

	for (size_t i = 0; i < ARRAY_SIZE(named_protocols); i++)
		r.edges[i] = edges_of(set, named_protocols[i]);
	r.published = published_edges(c);
	for (size_t d = 0; d < set->ndocuments; d++)
		for (size_t e = 0; e < set->documents[d].nexpects; e++)
			held += run_expect(&r, &set->documents[d], &set->documents[d].expects[e],
					   p);
	for (size_t i = 0; i < ARRAY_SIZE(named_protocols); i++)
		edges_done(&r.edges[i]);
	edges_done(&r.published);
	buf_done(&r.first);
	return held;
}
