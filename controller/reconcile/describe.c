#include "describe.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/protocol.h"
#include "quaywall/reconcile.h"

const char *describe_verdict(enum flow_verdict v)
{
	static const char *const names[] = {
		[FLOW_ALLOW] = "allow",
		[FLOW_AUDIT] = "audit",
		[FLOW_DENY] = "deny",
	};

	return names[v];
}

static const char *reason_name(enum flow_reason r)
{
	static const char *const names[] = {
		[REASON_NOT_JUDGED] = "not-judged",
		[REASON_NOT_ISOLATED] = "not-isolated",
		[REASON_ALLOW_RULE] = "allow-rule",
		[REASON_PUBLISH_RULE] = "publish-rule",
		[REASON_DENY_RULE] = "deny-rule",
		[REASON_ISOLATED] = "isolated",
		[REASON_DEFAULT] = "default",
		[REASON_UNKNOWN] = "unknown-address",
		[REASON_NOT_PUBLISHED] = "not-published",
		[REASON_HOST] = "host",
	};

	return r < ARRAY_SIZE(names) && names[r] ? names[r] : "other";
}

/* Takes the content of B as a JSON string, and empties it. */
static json_t *take_text(struct buf *b)
{
	CLEANUP_FREE char *text = buf_steal(b);

	return reconcile_json_text(text);
}

json_t *describe_addr(const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_set(a) ? json_string(addr_format(a, text)) : json_null();
}

json_t *describe_time(time_t t)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (t)
		buf_time(&text, t);
	return text.len ? json_string(buf_text(&text)) : json_null();
}

json_t *describe_directions(unsigned bits)
{
	json_t *list = json_array();

	if (bits & POLICY_INGRESS)
		json_array_append_new(list, json_string("ingress"));
	if (bits & POLICY_EGRESS)
		json_array_append_new(list, json_string("egress"));
	return list;
}

/* ---- ends ---- */

static json_t *endpoint_json(const struct compiled *c, const struct model *m,
			     const struct flow_end *end)
{
	const struct model_endpoint *e = &m->endpoints[end->endpoint];
	const struct model_container *container =
		e->container == MODEL_NONE ? NULL : &m->containers[e->container];
	size_t identity = compile_identity_of(c, end->endpoint);
	CLEANUP_BUF struct buf title = BUF_INIT;

	if (container)
		model_container_title(container, &title);
	else
		buf_str(&title, e->name);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", "endpoint", "title", take_text(&title),
		"container", reconcile_json_text(container ? container->name : NULL), "identity",
		reconcile_json_text(identity == MODEL_NONE ? NULL
							   : compile_identity(c, identity)->name),
		"network", reconcile_json_text(m->networks[e->network].name), "address",
		describe_addr(&end->addr));
}

json_t *describe_end(const struct compiled *c, const struct model *m, const struct flow_end *end)
{
	static const char *const kinds[] = {
		[END_HOST] = "host",
		[END_OUTSIDE] = "outside",
		[END_UNKNOWN] = "unknown",
	};

	if (end->kind == END_ENDPOINT)
		return endpoint_json(c, m, end);
	return json_pack("{s:s, s:s, s:o}", "kind", kinds[end->kind], "title", kinds[end->kind],
			 "address", describe_addr(&end->addr));
}

/* ---- consents ---- */

static void add_peers(struct buf *out, const struct policy_document *doc,
		      const struct policy_peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_str(out, ", ");
		policy_peer_print(doc, &peers[i], out);
	}
}

/* "shop.yaml:12 allow: web -> db" */
static void add_rule(struct buf *out, const struct flow_consent *consent)
{
	static const char *const actions[] = {
		[POLICY_ALLOW] = "allow",
		[POLICY_DENY] = "deny",
		[POLICY_PUBLISH] = "publish",
	};
	const struct policy_rule *rule = consent->rule;

	compile_consent_where(consent, out);
	buf_printf(out, " %s: ", actions[rule->action]);
	add_peers(out, consent->document, rule->from, rule->nfrom);
	buf_str(out, " -> ");
	add_peers(out, consent->document, rule->to, rule->nto);
	if (consent->limited)
		buf_str(out, " (within its limit)");
}

void describe_consent(const struct flow_consent *consent, bool egress, struct buf *out)
{
	if (consent->rule && consent->document)
		add_rule(out, consent);
	else
		compile_consent_print(consent, egress, out);
}

static json_t *consent_json(const struct flow_consent *consent, bool egress)
{
	CLEANUP_BUF struct buf where = BUF_INIT, text = BUF_INIT;
	const struct policy_where *place = consent->rule       ? &consent->rule->where
					   : consent->document ? &consent->document->where
							       : NULL;

	compile_consent_where(consent, &where);
	describe_consent(consent, egress, &text);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "verdict",
			 describe_verdict(consent->verdict), "reason", reason_name(consent->reason),
			 "text", take_text(&text), "where", take_text(&where), "policy",
			 reconcile_json_text(consent->document ? consent->document->name : NULL),
			 "file", reconcile_json_text(place ? place->file : NULL), "line",
			 place && place->line ? json_integer(place->line) : json_null(), "rule",
			 reconcile_json_text(consent->rule ? consent->rule->name : NULL), "limited",
			 consent->limited);
}

/* ---- the path ---- */

static const struct model_network *network_of(const struct model *m, const struct flow_end *end)
{
	return end->kind == END_ENDPOINT ? &m->networks[m->endpoints[end->endpoint].network] : NULL;
}

static const char *bridge_name(const struct model_network *n)
{
	return n && n->bridge ? n->bridge : "?";
}

static json_t *path_json(const char *kind, const char *hook, struct buf *text)
{
	buf_printf(text, ", hook %s", hook);
	return json_pack("{s:s, s:s, s:o}", "kind", kind, "hook", hook, "text", take_text(text));
}

static json_t *path_between(const struct model_network *from, const struct model_network *to)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (from == to) {
		buf_printf(&text, "same bridge %s", bridge_name(from));
		return path_json("same-bridge", "forward", &text);
	}
	/* The engine's own rules refuse most of these: ours only ever refuse more. */
	buf_printf(&text, "bridge %s to bridge %s", bridge_name(from), bridge_name(to));
	return path_json("bridge-to-bridge", "forward", &text);
}

static json_t *path_published(const struct flow *f, const struct model_network *to)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	bool proxied = addr_is_set(&f->from.addr) && addr_is_set(&f->to.addr) &&
		       f->from.addr.family != f->to.addr.family;

	buf_printf(&text, "published port %u to bridge %s", f->published_port, bridge_name(to));
	if (proxied) {
		buf_str(&text, " by docker-proxy");
		return path_json("published", "input", &text);
	}
	return path_json("published", "forward", &text);
}

static json_t *flow_path(const struct model *m, const struct flow *f)
{
	const struct model_network *from = network_of(m, &f->from);
	const struct model_network *to = network_of(m, &f->to);
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (f->published)
		return path_published(f, to);
	if (from && to)
		return path_between(from, to);
	if (f->to.kind == END_HOST) {
		buf_printf(&text, "bridge %s to the host itself", bridge_name(from));
		return path_json("to-host", "input", &text);
	}
	if (f->from.kind == END_HOST) {
		buf_printf(&text, "the host itself to bridge %s", bridge_name(to));
		return path_json("from-host", "output", &text);
	}
	if (from) {
		buf_printf(&text, "bridge %s to %s", bridge_name(from),
			   f->to.kind == END_UNKNOWN ? "an unknown address" : "outside");
		return path_json("to-outside", "forward", &text);
	}
	buf_printf(&text, "%s straight to the container's address on bridge %s",
		   f->from.kind == END_UNKNOWN ? "an unknown address" : "outside", bridge_name(to));
	return path_json("direct", "forward", &text);
}

/* ---- the flow ---- */

/* "5432/tcp", "8000-8100/tcp", "tcp", "every protocol and port" */
json_t *describe_ports(const struct flow *f, uint16_t last)
{
	const char *protocol = protocol_name(f->protocol);
	CLEANUP_BUF struct buf out = BUF_INIT;

	if (!f->protocol)
		buf_str(&out, "every protocol and port");
	else if (!protocol)
		buf_printf(&out, "protocol %u", f->protocol);
	else if (f->every_port || f->protocol == IPPROTO_ICMP)
		buf_str(&out, protocol);
	else if (last > f->port)
		buf_printf(&out, "%u-%u/%s", f->port, last, protocol);
	else
		buf_printf(&out, "%u/%s", f->port, protocol);
	return take_text(&out);
}

/* We only ever refuse: what the engine refuses besides stays refused. */
static void add_engines_say(json_t *flow, const struct model *m, const struct flow *f,
			    const struct verdict *v)
{
	bool direct = f->from.kind == END_OUTSIDE && f->to.kind == END_ENDPOINT && !f->published;
	const char *text = direct ? "the engine itself may refuse this: from 28 on it drops what "
				    "comes straight to a container's address"
				  : "the engine itself keeps its networks apart, whatever the "
				    "policies allow";

	if (v->verdict == FLOW_DENY)
		return;
	if (direct || (f->from.kind == END_ENDPOINT && f->to.kind == END_ENDPOINT &&
		       network_of(m, &f->from) != network_of(m, &f->to)))
		json_object_set_new(flow, "note", json_string(text));
}

json_t *describe_flow(const struct compiled *c, const struct model *m, const struct flow *f,
		      uint16_t last, const struct verdict *v)
{
	json_t *flow;

	flow = json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "from",
			 describe_end(c, m, &f->from), "to", describe_end(c, m, &f->to), "ports",
			 describe_ports(f, last), "published",
			 f->published ? json_integer(f->published_port) : json_null(), "verdict",
			 describe_verdict(v->verdict), "decided_by",
			 v->decided_by == &v->egress ? "egress" : "ingress", "egress",
			 consent_json(&v->egress, true), "ingress",
			 consent_json(&v->ingress, false), "path", flow_path(m, f));
	add_engines_say(flow, m, f, v);
	return flow;
}

void describe_through_port(json_t *flow, const struct flow *f, const struct published *p)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_object_del(flow, "note");
	if (f->published) {
		if (p->loopback_only)
			json_object_set_new(flow, "note",
					    json_string("published on a loopback address: nobody "
							"outside gets there"));
		return;
	}
	/* Which of the two depends on the engine: both are judged alike. */
	buf_printf(&text, "the host's port %u, by docker-proxy or DNAT", p->host_port);
	json_object_set_new(flow, "path",
			    f->from.kind == END_HOST
				    ? path_json("host-port", "output", &text)
				    : path_json("host-port", "input or forward", &text));
}

bool describe_is_alike(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"ports", "verdict", "decided_by", "egress", "ingress"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
			return false;
	return true;
}

bool describe_is_refused(const json_t *flow)
{
	return !strcmp(json_string_value(json_object_get(flow, "verdict")), "deny");
}
