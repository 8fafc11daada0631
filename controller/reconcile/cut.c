/*
 * cut: a changed policy applies to the flows that exist: those that it refuses are ended (rule 10
 * of the language), no other flow is. Every entry of conntrack is judged as what its packets are:
 * docker-proxy's two halves (container -> the host's published port, host -> container) are two
 * entries.
 */
#include "cut.h"

#include <netinet/in.h>

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

/* An entry does not tell by which interface its packets come, but a policy may ask. Where the
 * address is in the network of one, it is that; else whatever interface lets it pass gives it the
 * benefit of the doubt. */
static bool is_refused_by_all(const struct compiled *c, const struct model *m, struct flow *f,
			      struct flow_end *outside)
{
	if (!is_refused(c, f))
		return false;
	for (size_t i = 0; i < m->ninterfaces; i++) {
		outside->interface = m->interfaces[i].name;
		if (is_local_net(&m->interfaces[i], &outside->addr))
			return is_refused(c, f);
	}
	for (size_t i = 0; i < m->ninterfaces; i++) {
		outside->interface = m->interfaces[i].name;
		if (!is_refused(c, f))
			return false;
	}
	return true;
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

static bool touches_container(const struct flow *f)
{
	return f->from.kind == END_ENDPOINT || f->to.kind == END_ENDPOINT ||
	       f->from.kind == END_UNKNOWN || f->to.kind == END_UNKNOWN;
}

bool cut_is_refused(const struct compiled *c, const struct model *m, const struct flow_entry *e)
{
	struct flow f = {
		.from = compile_end_of_addr(c, &e->orig_src),
		.to = compile_end_of_addr(c, &e->reply_src),
		.protocol = e->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : e->protocol,
		.port = e->reply_sport,
	};

	look_through_host(c, &f);
	if (!touches_container(&f))
		return false;
	if (f.protocol == IPPROTO_ICMP)
		f.port = 0;
	if (e->dnat && f.from.kind == END_OUTSIDE) {
		f.published = true;
		f.published_port = e->orig_dport;
	}
	if (f.from.kind == END_OUTSIDE)
		return is_refused_by_all(c, m, &f, &f.from);
	if (f.to.kind == END_OUTSIDE)
		return is_refused_by_all(c, m, &f, &f.to);
	return is_refused(c, &f);
}

static bool refused(const struct flow_entry *e, void *data)
{
	const struct world *w = data;

	return cut_is_refused(w->compiled, w->model, e);
}

int cut_refused(struct flow_table *flows, const struct world *w, size_t *ret_cut, struct error *err)
{
	return flow_cut(flows, refused, (void *)w, ret_cut, err);
}
