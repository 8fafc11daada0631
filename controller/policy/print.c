#include "internal.h"

#include <string.h>

struct printer {
	const struct policy_document *doc;
	bool resolve; /* selectors with the project that the scope gives them, groups spelled out */
	struct buf *out;
};

static void print_prefix(const struct prefix *prefix, struct buf *out)
{
	char text[ADDR_TEXT_SIZE];

	if (prefix->len == 8 * addr_size(prefix->addr.family))
		quote_print(addr_format(&prefix->addr, text), out);
	else
		quote_print(prefix_format(prefix, text), out);
}

static void print_prefixes(const struct prefix *items, size_t len, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < len; i++) {
		if (i)
			buf_str(out, ", ");
		print_prefix(&items[i], out);
	}
	buf_char(out, ']');
}

static const char *word_of(enum policy_peer_kind kind)
{
	switch (kind) {
	case PEER_CONTAINERS:
		return "containers";
	case PEER_WORLD:
		return "world";
	case PEER_HOST:
		return "host";
	default:
		return "any";
	}
}

static void print_cidr(const struct policy_peer *peer, const char *interface, struct buf *out)
{
	if (!peer->nexcept && !interface) {
		print_prefix(&peer->cidr, out);
		return;
	}
	buf_str(out, "{cidr: ");
	print_prefix(&peer->cidr, out);
	if (peer->nexcept) {
		buf_str(out, ", except: ");
		print_prefixes(peer->except, peer->nexcept, out);
	}
	if (interface) {
		buf_str(out, ", interface: ");
		quote_print(interface, out);
	}
	buf_char(out, '}');
}

static void print_peer(const struct printer *p, const struct policy_peer *peer)
{
	if (peer->kind == PEER_SELECTOR) {
		selector_print(p->doc, peer->selector, p->resolve, p->out);
	} else if (peer->kind == PEER_CIDR) {
		print_cidr(peer, NULL, p->out);
	} else if (peer->kind == PEER_INTERFACE) {
		buf_str(p->out, "{interface: ");
		quote_print(peer->interface, p->out);
		buf_char(p->out, '}');
	} else {
		buf_str(p->out, word_of(peer->kind));
	}
}

void policy_peer_print(const struct policy_document *doc, const struct policy_peer *peer,
		       struct buf *out)
{
	char text[ADDR_TEXT_SIZE];

	if (peer->kind != PEER_CIDR) {
		print_peer(&(struct printer) {.doc = doc, .out = out}, peer);
		return;
	}
	bool single = peer->cidr.len == 8 * addr_size(peer->cidr.addr.family);
	buf_str(out,
		single ? addr_format(&peer->cidr.addr, text) : prefix_format(&peer->cidr, text));
	for (size_t i = 0; i < peer->nexcept; i++)
		buf_printf(out, "%s%s", i ? ", " : " except ",
			   prefix_format(&peer->except[i], text));
}

static void print_peers(const struct printer *p, const struct policy_peer *peers, size_t len)
{
	if (len != 1)
		buf_char(p->out, '[');
	for (size_t i = 0; i < len; i++) {
		if (i)
			buf_str(p->out, ", ");
		print_peer(p, &peers[i]);
	}
	if (len != 1)
		buf_char(p->out, ']');
}

static void print_ports(const struct policy_ports *ports, size_t len, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < len; i++) {
		if (i)
			buf_str(out, ", ");
		policy_ports_print(&ports[i], out);
	}
	buf_char(out, ']');
}

static void print_limit(const struct policy_limit *limit, struct buf *out)
{
	const char *comma = "";

	buf_str(out, ", limit: {");
	if (limit->new_rate) {
		buf_printf(out, "new: %u/%s, burst: %u", limit->new_rate,
			   unit_name(limit->new_unit), limit->burst);
		comma = ", ";
	}
	if (limit->per_source) {
		buf_printf(out, "%sper: source", comma);
		comma = ", ";
	}
	if (limit->connections)
		buf_printf(out, "%sconnections: %u", comma, limit->connections);
	buf_char(out, '}');
}

static void print_ends(const struct printer *p, const struct policy_rule *rule)
{
	struct buf *out = p->out;

	buf_str(out, "{from: ");
	print_peers(p, rule->from, rule->nfrom);
	buf_str(out, ", to: ");
	print_peers(p, rule->to, rule->nto);
	if (rule->nports) {
		buf_str(out, rule->action == POLICY_PUBLISH ? ", port: " : ", ports: ");
		print_ports(rule->ports, rule->nports, out);
	}
}

void policy_rule_print(const struct policy_document *doc, const struct policy_rule *rule,
		       struct buf *out)
{
	print_ends(&(struct printer) {.doc = doc, .out = out}, rule);
	buf_char(out, '}');
}

uint64_t policy_rule_key(const struct policy_document *doc, const struct policy_rule *rule)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	uint64_t key = 14695981039346656037u; /* FNV-1a */

	buf_str(&text, action_name(rule->action));
	policy_rule_print(doc, rule, &text);
	for (size_t i = 0; i < text.len; i++)
		key = (key ^ (unsigned char)text.data[i]) * 1099511628211u;
	return key;
}

static void print_rule(const struct printer *p, const struct policy_rule *rule)
{
	struct buf *out = p->out;

	buf_str(out, "  - ");
	print_ends(p, rule);
	if (rule->name) {
		buf_str(out, ", name: ");
		quote_print(rule->name, out);
	}
	if (rule->log)
		buf_str(out, ", log: true");
	if (rule->limit.set)
		print_limit(&rule->limit, out);
	buf_str(out, "}\n");
}

static void print_rules(const struct printer *p, enum policy_action action)
{
	bool any = false;

	for (size_t i = 0; i < p->doc->nrules; i++) {
		if (p->doc->rules[i].action != action)
			continue;
		if (!any)
			buf_printf(p->out, "%s:\n", action_name(action));
		any = true;
		print_rule(p, &p->doc->rules[i]);
	}
}

static void print_end(const struct printer *p, const char *key, const struct policy_end *end)
{
	buf_printf(p->out, "%s: ", key);
	if (end->peer.kind == PEER_CIDR)
		print_cidr(&end->peer, end->interface, p->out);
	else
		print_peer(p, &end->peer);
	buf_str(p->out, ", ");
}

static void print_expect(const struct printer *p, const struct policy_expect *e)
{
	buf_str(p->out, "  - {");
	print_end(p, "from", &e->from);
	if (e->to.set)
		print_end(p, "to", &e->to);
	if (e->nports) {
		buf_str(p->out, e->by_published_port ? "publish: " : "port: ");
		print_ports(e->ports, e->nports, p->out);
		buf_str(p->out, ", ");
	}
	buf_printf(p->out, "verdict: %s}\n", e->allow ? "allow" : "deny");
}

static void print_expects(const struct printer *p)
{
	if (p->doc->nexpects)
		buf_str(p->out, "expect:\n");
	for (size_t i = 0; i < p->doc->nexpects; i++)
		print_expect(p, &p->doc->expects[i]);
}

static void print_groups(const struct printer *p)
{
	if (p->resolve || !p->doc->ngroups)
		return;
	buf_str(p->out, "groups:\n");
	for (size_t i = 0; i < p->doc->ngroups; i++) {
		buf_str(p->out, "  ");
		quote_print(p->doc->groups[i].name, p->out);
		buf_str(p->out, ": ");
		selector_print(p->doc, p->doc->groups[i].selector, false, p->out);
		buf_char(p->out, '\n');
	}
}

static void print_head(const struct printer *p)
{
	static const char *const isolate[] = {"[]", "[ingress]", "[egress]", "[ingress, egress]"};
	const struct policy_document *doc = p->doc;
	struct buf *out = p->out;

	buf_str(out, "policy: ");
	quote_print(doc->name, out);
	buf_str(out, "\nfor: ");
	if (doc->governs)
		selector_print(doc, doc->governs, false, out);
	else
		buf_str(out, "all");
	if (doc->is_template)
		buf_str(out,
			" # a template: holds once for each such project, as the scope of what follows");
	buf_printf(out, "\nisolate: %s\n", isolate[doc->isolate]);
	if (doc->mode != POLICY_MODE_DEFAULT)
		buf_printf(out, "mode: %s\n", doc->mode == POLICY_AUDIT ? "audit" : "enforce");
	if (doc->naddresses) {
		buf_str(out, "addresses: ");
		print_prefixes(doc->addresses, doc->naddresses, out);
		buf_char(out, '\n');
	}
}

/* What stands around a selector, and a label's value inside it, are YAML levels too. */
#define RESOLVED_DEPTH_MAX (YAML_DEPTH_MAX - 6)

static bool may_resolve_peers(const struct policy_document *doc, const struct policy_peer *peers,
			      size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const struct selector *s = peers[i].selector;
		if (s && (selector_is_tangled(s) || selector_depth(doc, s) > RESOLVED_DEPTH_MAX))
			return false;
	}
	return true;
}

/* A template has no project to show before it meets a model. */
static bool may_resolve(const struct policy_document *doc)
{
	if (doc->is_template)
		return false;
	for (size_t i = 0; i < doc->ngroups; i++)
		if (selector_is_tangled(doc->groups[i].selector))
			return false;
	for (size_t i = 0; i < doc->nrules; i++)
		if (!may_resolve_peers(doc, doc->rules[i].from, doc->rules[i].nfrom) ||
		    !may_resolve_peers(doc, doc->rules[i].to, doc->rules[i].nto))
			return false;
	for (size_t i = 0; i < doc->nexpects; i++)
		if (!may_resolve_peers(doc, &doc->expects[i].from.peer, 1) ||
		    !may_resolve_peers(doc, &doc->expects[i].to.peer, 1))
			return false;
	return true;
}

static void print_document_as(const struct policy_document *doc, bool resolve, struct buf *out)
{
	struct printer p = {.doc = doc, .resolve = resolve, .out = out};

	print_head(&p);
	print_groups(&p);
	print_rules(&p, POLICY_ALLOW);
	print_rules(&p, POLICY_DENY);
	print_rules(&p, POLICY_PUBLISH);
	print_expects(&p);
}

/* Spelled out, groups can make a document larger than one may be; it is to be read back. */
static void print_document(const struct policy_document *doc, struct buf *out)
{
	size_t start = out->len;
	bool resolve = may_resolve(doc);

	print_document_as(doc, resolve, out);
	if (!resolve || out->len - start <= YAML_DOCUMENT_MAX)
		return;
	buf_truncate(out, start);
	print_document_as(doc, false, out);
}

void policy_set_print(const struct policy_set *set, struct buf *out)
{
	for (size_t i = 0; i < set->ndocuments; i++) {
		if (i)
			buf_str(out, "---\n");
		print_document(&set->documents[i], out);
	}
}
