#include "record.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/reconcile.h"
#include "cut.h"
#include "describe.h"

#define OURS "quaywall "

/* ---- what the rule said ---- */

/* The words behind "quaywall " in a rule's `log prefix`. Where a rule of a policy logs by itself, its place follows. */
static const struct word {
	const char *text;
	const char *verdict;
	bool passed;
} words[] = {
	{"audit unknown", "unknown", true}, {"audit spoofed", "spoofed", true},
	{"unknown", "unknown", false},	    {"spoofed", "spoofed", false},
	{"refused", "refused", false},	    {"audit", "audit", true},
	{"accepted", "accepted", true},	    {"cleartext", "refused", false},
	{"stranger", "refused", false},
};

/* *RET_RULE is what follows the word: "shop.yaml:12 scrape", or "". */
static const struct word *read_prefix(const char *prefix, const char **ret_rule)
{
	if (strncmp(prefix, OURS, strlen(OURS)))
		return NULL;
	prefix += strlen(OURS);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i].text);

		if (strncmp(prefix, words[i].text, len) || (prefix[len] && prefix[len] != ' '))
			continue;
		*ret_rule = prefix + len + (prefix[len] == ' ');
		return &words[i];
	}
	return NULL;
}

/* ---- the flow ---- */

static bool same_way(const struct flow_packet *p)
{
	return addr_equal(&p->tuple.src, &p->entry.orig_src) &&
	       addr_equal(&p->tuple.dst, &p->entry.reply_src);
}

/* Conntrack knows what the destination was before its translation. Where a packet goes the other way, or has no
 * entry, it stands for itself. */
static struct flow_entry entry_of(const struct flow_packet *p)
{
	const struct flow_tuple *t = &p->tuple;

	if (p->has_entry && same_way(p))
		return p->entry;
	return (struct flow_entry) {
		.orig_src = t->src,
		.orig_dst = t->dst,
		.reply_src = t->dst,
		.reply_dst = t->src,
		.protocol = t->protocol,
		.orig_sport = t->sport,
		.orig_dport = t->dport,
		.reply_sport = t->dport,
		.reply_dport = t->sport,
	};
}

/*
 * Not every kernel sends conntrack's entry along (NETFILTER_NETLINK_GLUE_CT). Without it, what comes from outside to a
 * container's port that is published is taken for having come by that: the other road, straight to the container's
 * address, takes a neighbour with a route, and engines from 28 on close it.
 */
static void guess_published(const struct model *m, struct flow *f)
{
	size_t container;

	if (f->published || f->from.kind != END_OUTSIDE || f->to.kind != END_ENDPOINT)
		return;
	container = m->endpoints[f->to.endpoint].container;
	for (size_t i = 0; container != MODEL_NONE && i < m->containers[container].nports; i++) {
		const struct model_port *port = &m->containers[container].ports[i];

		if (port->protocol != f->protocol || port->container_port != f->port)
			continue;
		f->published = true;
		f->published_port = port->host_port;
		return;
	}
}

/* A policy may ask by which interface the outside comes, or is gone to. */
static void note_interface(struct flow *f, const struct record_interfaces *names)
{
	if (f->from.kind == END_OUTSIDE)
		f->from.interface = names->in;
	else if (f->to.kind == END_OUTSIDE)
		f->to.interface = names->out;
}

static json_t *port_json(const struct flow_entry *e, uint16_t port)
{
	return e->orig_sport || e->reply_sport ? json_integer(port) : json_null();
}

#define JUDGED_OTHERWISE \
	"not by the rules of now: no beginning of a flow, or judged by those before"
#define JUDGED_BEFORE "refused by the rules of now: judged by those before"

/* Where the rules of now refuse it no more, or never did by themselves. */
static const char *why_not(const struct verdict *v)
{
	if (v->egress.limited || v->ingress.limited)
		return "more than a rule's limit lets pass";
	return JUDGED_OTHERWISE;
}

static json_t *why_json(const char *verdict, const struct verdict *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (!strcmp(verdict, "accepted"))
		return json_null();
	if (v->verdict == FLOW_ALLOW)
		return json_string(why_not(v));
	compile_consent_print(v->decided_by, v->decided_by == &v->egress, &text);
	return reconcile_json_text(buf_text(&text));
}

/* What the rule said counts, and not what those of now say. */
static json_t *describe_judged(const struct compiled *c, const struct flow_entry *e,
			       const struct flow *f, const struct verdict *v)
{
	json_t *flow = describe_flow(c, compile_model(c), f, 0, v);

	json_object_set_new(json_object_get(flow, "from"), "port", port_json(e, e->orig_sport));
	json_object_set_new(json_object_get(flow, "to"), "port", port_json(e, f->port));
	json_object_del(flow, "verdict");
	json_object_del(flow, "note");
	json_object_del(flow, "path");
	return flow;
}

static bool flow_of(const struct compiled *c, const struct flow_packet *p,
		    const struct record_interfaces *names, const struct flow_entry *e,
		    struct flow *ret)
{
	bool touches = cut_flow_of(c, e, ret);

	if (!p->has_entry)
		guess_published(compile_model(c), ret);
	note_interface(ret, names);
	return touches;
}

static json_t *judged(const struct compiled *c, const struct flow_packet *p,
		      const struct record_interfaces *names, const struct word *word)
{
	struct flow_entry e = entry_of(p);
	struct flow f;
	struct verdict v;
	json_t *flow;

	flow_of(c, p, names, &e, &f);
	compile_verdict(c, &f, &v);
	flow = describe_judged(c, &e, &f, &v);
	json_object_set_new(flow, "why", why_json(word->verdict, &v));
	return flow;
}

/* ---- frames that claim to be another's ---- */

static size_t endpoint_of_port(const struct model *m, const char *port)
{
	for (size_t i = 0; port && i < m->nendpoints; i++)
		if (!strcmp(m->endpoints[i].port, port))
			return i;
	return MODEL_NONE;
}

static json_t *mac_json(const struct flow_packet *p)
{
	char text[ADDR_TEXT_SIZE];

	return p->has_mac ? json_string(mac_format(p->mac, text)) : json_null();
}

static json_t *frame_json(const struct flow_packet *p, const struct flow *f)
{
	CLEANUP_FREE char *type = mem_printf("ethertype 0x%04x", p->ethertype);

	if (p->ethertype == ETH_P_ARP)
		return json_string("arp");
	return addr_is_set(&p->tuple.src) ? describe_ports(f, 0) : json_string(type);
}

/* Who sent it is told by the port of the bridge; the addresses are what the frame claims. */
static json_t *spoofed(const struct compiled *c, const struct flow_packet *p,
		       const struct record_interfaces *names)
{
	const struct model *m = compile_model(c);
	size_t endpoint = endpoint_of_port(m, names->port);
	bool known = endpoint != MODEL_NONE;
	struct flow f = {
		.from = {.kind = known ? END_ENDPOINT : END_UNKNOWN,
			 .endpoint = endpoint,
			 .addr = p->tuple.src},
		.to = compile_end_of_addr(c, &p->tuple.dst),
		.protocol = p->tuple.protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP : p->tuple.protocol,
		.port = p->tuple.dport,
	};

	return json_pack("{s:o, s:o, s:o, s:n, s:s, s:n, s:n, s:s}", "from",
			 describe_end(c, m, &f.from), "to", describe_end(c, m, &f.to), "ports",
			 frame_json(p, &f), "published", "decided_by", "antispoof", "egress",
			 "ingress", "why",
			 known ? "not an address of this container, or no frame that it may send"
			       : "no container is known at that port of the bridge");
}

/* ---- VXLAN of overlay networks ---- */

static bool is_overlay(const struct word *word)
{
	return !strcmp(word->text, "cleartext") || !strcmp(word->text, "stranger");
}

/* Which network it claims to be of, the log's copy of the datagram does not tell. */
static json_t *overlay(const struct compiled *c, const struct flow_packet *p,
		       const struct word *word)
{
	bool clear = !strcmp(word->text, "cleartext");
	struct flow_entry e = entry_of(p);
	struct flow f;
	struct verdict v;
	json_t *flow;

	cut_flow_of(c, &e, &f);
	compile_verdict(c, &f, &v);
	flow = describe_judged(c, &e, &f, &v);
	json_object_set_new(flow, "decided_by",
			    json_string(clear ? "overlay.plaintext" : "overlay.strangers"));
	json_object_set_new(flow, "egress", json_null());
	json_object_set_new(flow, "ingress", json_null());
	json_object_set_new(
		flow, "why",
		json_string(clear ? "clear text of an overlay network"
				  : "VXLAN from or to a host that is no peer of the network"));
	return flow;
}

/* ---- the record ---- */

static json_t *time_json(const struct timespec *at)
{
	char date[32], text[48];
	struct tm tm;

	gmtime_r(&at->tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", date, at->tv_nsec / 1000000);
	return json_string(text);
}

static json_t *icmp_json(const struct flow_tuple *t)
{
	if (!t->has_icmp)
		return json_null();
	return json_pack("{s:i, s:i}", "type", t->icmp_type, "code", t->icmp_code);
}

/* Of an ICMP error: the packet that it is about, which it may have made up. */
static json_t *quoted_json(const struct flow_packet *p)
{
	const struct flow_tuple *t = &p->inner;

	if (!p->has_inner)
		return json_null();
	return json_pack("{s:o, s:o, s:i, s:o, s:o}", "from", describe_addr(&t->src), "to",
			 describe_addr(&t->dst), "protocol", t->protocol, "from_port",
			 t->has_ports ? json_integer(t->sport) : json_null(), "to_port",
			 t->has_ports ? json_integer(t->dport) : json_null());
}

static json_t *record_new(const struct timespec *at, const char *verdict, bool passed,
			  const char *state)
{
	return json_pack("{s:o, s:s, s:b, s:s}", "time", time_json(at), "verdict", verdict,
			 "passed", passed, "state", state);
}

json_t *record_of_packet(const struct compiled *c, const struct flow_packet *p,
			 const struct record_interfaces *names, const struct timespec *at)
{
	const char *rule;
	const struct word *word = read_prefix(p->prefix, &rule);
	CLEANUP_JSON json_t *flow = NULL;
	json_t *record;

	if (!word)
		return NULL;
	record = record_new(at, word->verdict, word->passed, "packet");
	if (is_overlay(word))
		flow = overlay(c, p, word);
	else
		flow = strcmp(word->verdict, "spoofed") ? judged(c, p, names, word)
							: spoofed(c, p, names);
	json_object_update(record, flow);
	json_object_set_new(record, "logged_by", *rule ? reconcile_json_text(rule) : json_null());
	json_object_set_new(record, "in", reconcile_json_text(names->in));
	json_object_set_new(record, "out", reconcile_json_text(names->out));
	json_object_set_new(record, "port", reconcile_json_text(names->port));
	json_object_set_new(record, "mac", mac_json(p));
	json_object_set_new(record, "fragment", json_boolean(p->fragment));
	json_object_set_new(record, "icmp", icmp_json(&p->tuple));
	json_object_set_new(record, "quoted", quoted_json(p));
	json_object_set_new(record, "length", json_integer(p->length));
	return record;
}

static bool has_port(const struct flow_tuple *t)
{
	return t->has_ports || (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP &&
				t->protocol != IPPROTO_SCTP);
}

bool record_flow(const struct compiled *c, const struct flow_packet *p,
		 const struct record_interfaces *names, struct flow *ret,
		 enum flow_verdict *ret_verdict)
{
	static const struct {
		const char *word;
		enum flow_verdict verdict;
	} begins[] = {{"accepted", FLOW_ALLOW}, {"audit", FLOW_AUDIT}, {"refused", FLOW_DENY}};
	const char *rule;
	const struct word *word = read_prefix(p->prefix, &rule);
	struct flow_entry e = entry_of(p);

	if (!word || is_overlay(word) || !has_port(&p->tuple) || (p->has_entry && !same_way(p)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
		if (strcmp(word->verdict, begins[i].word) != 0)
			continue;
		*ret_verdict = begins[i].verdict;
		return flow_of(c, p, names, &e, ret);
	}
	return false;
}

bool record_was_counted(const struct flow_packet *p)
{
	const char *rule;

	return read_prefix(p->prefix, &rule) && !*rule;
}

bool record_is_stranger(const struct flow_packet *p)
{
	const char *rule;
	const struct word *word = read_prefix(p->prefix, &rule);

	return word && !strcmp(word->text, "stranger");
}

/* ---- flows that passed ---- */

static json_t *counted_json(const struct flow_event *e, size_t direction)
{
	if (!e->counted)
		return json_null();
	return json_pack("{s:I, s:I}", "packets", (json_int_t)e->packets[direction], "bytes",
			 (json_int_t)e->bytes[direction]);
}

/* Conntrack tells of flows whose first packet passed. What audit mode let pass is told as that; where the rules of now
 * refuse it, those before, or a limit, let it. */
json_t *record_of_event(const struct compiled *c, const struct flow *f, const struct verdict *v,
			const struct flow_event *event, enum record_state state,
			const struct timespec *at)
{
	static const char *const states[] = {
		[RECORD_BEGINS] = "begins",
		[RECORD_FOUND] = "found",
		[RECORD_ENDS] = "ends",
	};
	const char *verdict = v->verdict == FLOW_AUDIT ? "audit" : "accepted";
	CLEANUP_JSON json_t *flow = describe_judged(c, &event->entry, f, v);
	json_t *record = record_new(at, verdict, true, states[state]);

	json_object_update(record, flow);
	json_object_set_new(record, "why",
			    v->verdict == FLOW_DENY ? json_string(JUDGED_BEFORE)
						    : why_json(verdict, v));
	json_object_set_new(record, "id", json_integer(event->entry.id));
	json_object_set_new(record, "sent", counted_json(event, 0));
	json_object_set_new(record, "answered", counted_json(event, 1));
	return record;
}
