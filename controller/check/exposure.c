/*
 * exposure: which ports of containers are reached from outside, and by whom.
 *
 * Asked of the evaluator, for one source of each kind that the rules tell apart. What the engine's own rules refuse
 * besides is not known here: a port that no rule of quaywall's refuses counts as reached. What listens on the host's own
 * addresses is looked at in listening.c.
 */
#include "exposure.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

static const struct check checks[] = {
	{"host-network-listens", "exposure", CHECK_MEDIUM,
	 "a container of the host's network listens to more than the host itself",
	 "No policy governs who comes to the host's own ports from outside: whoever reaches the host reaches it.",
	 "Docker: Host network driver"},
	{"network-unprotected", "exposure", CHECK_MEDIUM,
	 "a neighbour with a route reaches every port of a network's containers",
	 "The engine refuses nothing there that is not published either.",
	 "Docker: Bridge network driver, gateway modes; Packet filtering and firewalls, Direct routing"},
	{"published-direct", "exposure", CHECK_MEDIUM,
	 "a neighbour with a route reaches the port past what restricts its publishing",
	 "Engines before 28 pass on what comes straight to a container's address, and `publish` rules and 127.0.0.1 are about the host's port.",
	 "Docker: Packet filtering and firewalls, Direct routing"},
	{"published-ipv6-wider", "exposure", CHECK_MEDIUM,
	 "over IPv6 everybody reaches a port that is restricted over IPv4",
	 "Who is kept out comes by the other family.", NULL},
	{"published-loopback", "exposure", CHECK_MEDIUM,
	 "a neighbour reaches a port that is published on 127.0.0.1",
	 "Engines before 28 translate what a neighbour on the same link sends to 127.0.0.1, and nothing that enforces drops it first.",
	 "Docker: Port publishing and mapping, 127.0.0.1 before 28.0.0"},
	{"published-sensitive", "exposure", CHECK_HIGH,
	 "a service that is not for strangers is reached from outside",
	 "Databases, brokers and consoles are searched for all over the internet, and one without a password is found within hours.",
	 "the port's own, as the evidence has it"},
	{"published-unnamed", "exposure", CHECK_MEDIUM,
	 "everybody outside reaches a published port that no policy names",
	 "What the engine publishes passes the host's own firewall: nobody has said that it is meant for everybody.",
	 "Docker: Packet filtering and firewalls, Docker and ufw"},
	{"published-world", "exposure", CHECK_INFO,
	 "everybody outside reaches a published port, as a policy says",
	 "That is meant; it is what an attacker sees of this host.", NULL},
};

struct exposure {
	const struct check_input *in;
	const struct model *m;
	struct asker *asker;
	struct check_report *report;
	bool is_old; /* an engine before 28 */
};

/* ---- words ---- */

/* "shop/web (shop-web-1) 8080/tcp" */
static char *subject_of(const struct exposure *x, const struct exposed *e)
{
	struct buf text = BUF_INIT;

	model_container_title(&x->m->containers[e->container], &text);
	buf_printf(&text, " %u/%s", e->ports->host_port, protocol_name(e->ports->protocol));
	return buf_steal(&text);
}

void exposure_add_public_addrs(const struct model *m, uint8_t family, struct buf *out)
{
	for (size_t i = 0; i < m->ninterfaces; i++) {
		const struct model_interface *own = &m->interfaces[i];

		for (size_t n = 0; n < own->naddrs; n++) {
			const struct addr *a = &own->addrs[n].addr;
			char text[ADDR_TEXT_SIZE];

			if (a->family == family && !addr_is_private(a) && !addr_is_loopback(a))
				buf_printf(out, ", with the public address %s of %s",
					   addr_format(a, text), own->name);
		}
	}
}

/* "published on 0.0.0.0, with the public address 203.0.113.9 of eth0, and ::, to the container's port 80" */
static void add_where(const struct exposure *x, const struct exposed *e, struct buf *out)
{
	buf_str(out, "published on ");
	for (size_t i = 0; i < e->nports; i++) {
		const struct addr *a = &e->ports[i].host_addr;
		char text[ADDR_TEXT_SIZE];

		buf_printf(out, "%s%s", i ? " and " : "", addr_format(a, text));
		if (addr_is_unspecified(a))
			exposure_add_public_addrs(x->m, a->family, out);
	}
	buf_printf(out, ", to the container's port %u", e->ports->container_port);
}

static void add_who(const struct reach *r, struct buf *out)
{
	char text[ADDR_TEXT_SIZE];

	buf_str(out, "; reached ");
	if (r->everyone[0] || r->everyone[1])
		buf_printf(out, "by everybody%s",
			   !r->everyone[1]   ? " over IPv4"
			   : !r->everyone[0] ? " over IPv6"
					     : "");
	else
		buf_printf(out, "from %s%s%s and its like", addr_format(&r->example.addr, text),
			   r->example.interface ? " by " : "",
			   r->example.interface ? r->example.interface : "");
	buf_str(out, ": ");
	compile_consent_print(&r->consent, false, out);
	if (r->audited)
		buf_str(out, ", and audit mode lets it pass");
}

static char *evidence_of(const struct exposure *x, const struct exposed *e, const struct reach *r)
{
	struct buf out = BUF_INIT;

	add_where(x, e, &out);
	add_who(r, &out);
	return buf_steal(&out);
}

/* ---- what is wrong with one ---- */

/* On none of the host's addresses that somebody on the internet could send to by himself. */
static bool is_on_private(const struct exposed *e)
{
	for (size_t i = 0; i < e->nports; i++)
		if (!addr_is_private(&e->ports[i].host_addr) &&
		    !addr_is_loopback(&e->ports[i].host_addr))
			return false;
	return true;
}

/* Takes over the texts. */
static void tell(struct exposure *x, const char *id, enum check_severity severity, char *subject,
		 char *evidence, char *remedy)
{
	check_report_add(x->report, id, severity, subject, evidence, remedy);
	free(subject);
	free(evidence);
	free(remedy);
}

static char *publish_remedy(const struct exposed *e)
{
	return mem_printf(
		"say who may by a rule of its policy: publish: [{to: SELECTOR, port: %u/%s, "
		"from: [CIDR, …]}], or do not publish it: containers of one network need no "
		"published port",
		e->ports->host_port, protocol_name(e->ports->protocol));
}

static void tell_sensitive(struct exposure *x, const struct exposed *e, const struct reach *r,
			   const struct service *s)
{
	/* Else somebody was named, though not somebody near, or it is for who is near. */
	bool everyone = (r->everyone[0] || r->everyone[1]) && !is_on_private(e);
	CLEANUP_FREE char *where = evidence_of(x, e, r);

	tell(x, "published-sensitive", everyone ? s->severity : CHECK_MEDIUM, subject_of(x, e),
	     mem_printf("%u/%s is %s's: %s (%s); %s", s->port, protocol_name(s->protocol), s->name,
			s->what, s->source, where),
	     publish_remedy(e));
}

static void tell_port(struct exposure *x, const struct exposed *e, const struct reach *r)
{
	const struct service *s = service_find(e->ports->protocol, e->ports->container_port);
	bool everyone = r->everyone[0] || r->everyone[1];

	if (s && r->some_public)
		tell_sensitive(x, e, r, s);
	else if (everyone && !r->named)
		tell(x, "published-unnamed", is_on_private(e) ? CHECK_LOW : CHECK_MEDIUM,
		     subject_of(x, e), evidence_of(x, e, r), publish_remedy(e));
	else if (everyone)
		report_take(x->report, "published-world", subject_of(x, e), evidence_of(x, e, r),
			    mem_strdup("none, if that is meant; else name in `from` who may"));
	if (r->everyone[1] && exposed_in(e, AF_INET) && !r->everyone[0])
		report_take(x->report, "published-ipv6-wider", subject_of(x, e),
			    evidence_of(x, e, r),
			    mem_strdup("name the same sources for both families in `from`, or "
				       "publish on 0.0.0.0 alone"));
}

/* ---- engines before 28 ---- */

static bool is_on_loopback(const struct exposed *e)
{
	for (size_t i = 0; i < e->nports; i++)
		if (e->ports[i].host_addr.family == AF_INET &&
		    addr_is_loopback(&e->ports[i].host_addr))
			return true;
	return false;
}

/* What restricts the host's port has to be worth going round. */
static void tell_direct(struct exposure *x, const struct exposed *e, const struct reach *published)
{
	struct reach r;

	if (published->everyone[0] || published->everyone[1] || !asker_ask(x->asker, e, true, &r) ||
	    (!r.everyone[0] && !r.everyone[1]))
		return;
	CLEANUP_BUF struct buf evidence = BUF_INIT;

	add_where(x, e, &evidence);
	buf_printf(&evidence, "; straight to the container's address: ");
	compile_consent_print(&r.consent, false, &evidence);
	buf_printf(&evidence, "; the engine is %s", x->m->engine_version);
	report_take(
		x->report, "published-direct", subject_of(x, e), buf_steal(&evidence),
		mem_strdup("isolate the container for ingress by a policy, or upgrade the engine "
			   "to 28 or newer"));
}

static void look_at_old(struct exposure *x, const struct exposed *e, const struct reach *r)
{
	tell_direct(x, e, r);
	if (!is_on_loopback(e) || compile_enforces(x->in->compiled))
		return;
	report_take(
		x->report, "published-loopback", subject_of(x, e),
		mem_printf("published on 127.0.0.1 by the engine %s; no policy or default "
			   "enforces, so quaywall's own rule for 127.0.0.0/8 is not there",
			   x->m->engine_version),
		mem_strdup("enforce a policy (any: the rule comes with it), or upgrade the engine "
			   "to 28 or newer"));
}

/* ---- all ---- */

static bool look_at_container(struct exposure *x, size_t c)
{
	struct exposed e;
	size_t next = 0;

	while (asker_next(x->asker, c, &next, &e)) {
		struct reach r;

		if (!asker_ask(x->asker, &e, false, &r))
			return false;
		tell_port(x, &e, &r);
		if (x->is_old)
			look_at_old(x, &e, &r);
	}
	return true;
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct exposure x = {
		.in = in,
		.m = compile_model(in->compiled),
		.asker = asker_new(in->compiled),
		.report = ret,
		.is_old = engine_is_before(compile_model(in->compiled), 28),
	};

	networks_run(in, ret);
	for (size_t c = 0; c < x.m->ncontainers; c++) {
		if (look_at_container(&x, c))
			continue;
		check_report_gap(ret, "exposure",
				 "too many ports and rules: not all were asked for");
		break;
	}
	listening_run(in, ret);
	asker_free(x.asker);
}

const struct check_group exposure_group = {"exposure", checks, ARRAY_SIZE(checks), run};
