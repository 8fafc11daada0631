#include "parts.h"

#include <stdlib.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/protocol.h"
#include "quaywall/reconcile.h"
#include "describe.h"

#define REASONS_MAX 8 /* that are named of a part */

enum part_kind { PART_ALLOW, PART_MIXED, PART_AUDIT, PART_DENY, PART_KINDS };

struct reason {
	struct flow_consent consent;
	bool egress;
};

struct reasons {
	struct reason items[REASONS_MAX];
	size_t len;
	bool more;
};

struct part_ports {
	uint8_t protocol;
	uint16_t first, last; /* 0 and 0: all of it */
};

struct part {
	struct part_ports *ports;
	size_t len, cap;
	struct reasons reasons;
};

struct parts {
	struct part items[PART_KINDS][2]; /* the second: within a limit */
};

/* What was answered about one stretch of ports. */
struct answers {
	unsigned seen; /* 1 << enum flow_verdict */
	bool limited;
	struct reasons reasons;
};

struct parts *parts_new(void)
{
	return mem_new(1, sizeof(struct parts));
}

void parts_free(struct parts *p)
{
	for (size_t k = 0; p && k < PART_KINDS; k++) {
		free(p->items[k][0].ports);
		free(p->items[k][1].ports);
	}
	free(p);
}

/* ---- reasons ---- */

static bool is_same(const struct reason *r, const struct flow_consent *b, bool egress)
{
	const struct flow_consent *a = &r->consent;

	return a->reason == b->reason && a->rule == b->rule && a->document == b->document &&
	       a->setting == b->setting && (a->rule || r->egress == egress);
}

static void add_reason(struct reasons *reasons, const struct flow_consent *consent, bool egress)
{
	if (consent->reason == REASON_NOT_JUDGED)
		return;
	for (size_t i = 0; i < reasons->len; i++)
		if (is_same(&reasons->items[i], consent, egress))
			return;
	if (reasons->len == REASONS_MAX)
		reasons->more = true;
	else
		reasons->items[reasons->len++] = (struct reason) {*consent, egress};
}

static json_t *reasons_json(const struct reasons *reasons)
{
	json_t *by = json_array();

	for (size_t i = 0; i < reasons->len; i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		describe_consent(&reasons->items[i].consent, reasons->items[i].egress, &text);
		json_array_append_new(by, reconcile_json_text(buf_text(&text)));
	}
	if (reasons->more)
		json_array_append_new(by, json_string("and more"));
	return by;
}

/* ---- answers ---- */

static void ask(struct answers *a, const struct compiled *c, const struct flow *f)
{
	struct verdict v;

	compile_verdict(c, f, &v);
	a->seen |= 1u << v.verdict;
	if (v.verdict != FLOW_ALLOW) {
		add_reason(&a->reasons, v.decided_by, v.decided_by == &v.egress);
		return;
	}
	a->limited |= v.egress.limited || v.ingress.limited;
	add_reason(&a->reasons, &v.egress, true);
	add_reason(&a->reasons, &v.ingress, false);
}

static enum part_kind kind_of(const struct answers *a)
{
	switch (a->seen) {
	case 1u << FLOW_ALLOW:
		return PART_ALLOW;
	case 1u << FLOW_AUDIT:
		return PART_AUDIT;
	case 1u << FLOW_DENY:
		return PART_DENY;
	default:
		return PART_MIXED;
	}
}

static void add_ports(struct part *part, struct part_ports ports)
{
	struct part_ports *before = part->len ? &part->ports[part->len - 1] : NULL;

	if (before && before->protocol == ports.protocol && before->last + 1 >= ports.first) {
		before->last = ports.last > before->last ? ports.last : before->last;
		return;
	}
	part->ports = mem_grow(part->ports, &part->cap, part->len + 1, sizeof(*part->ports));
	part->ports[part->len++] = ports;
}

static void file_answers(struct parts *p, const struct answers *a, struct part_ports ports)
{
	struct part *part = &p->items[kind_of(a)][a->limited];

	add_ports(part, ports);
	for (size_t i = 0; i < a->reasons.len; i++)
		add_reason(&part->reasons, &a->reasons.items[i].consent,
			   a->reasons.items[i].egress);
	part->reasons.more |= a->reasons.more;
}

size_t parts_ask(struct parts *p, const struct compiled *c, struct parts_flows *flows,
		 uint8_t protocol, uint16_t first, uint16_t last)
{
	struct answers a = {.seen = 0};

	for (size_t i = 0; i < flows->len; i++) {
		flows->items[i].protocol = protocol;
		flows->items[i].port = first;
		ask(&a, c, &flows->items[i]);
	}
	if (flows->len)
		file_answers(p, &a, (struct part_ports) {protocol, first, last});
	return flows->len;
}

size_t parts_ask_published(struct parts *p, const struct compiled *c,
			   const struct parts_flows *flows, uint8_t protocol, uint16_t port)
{
	struct answers a = {.seen = 0};

	for (size_t i = 0; i < flows->len; i++)
		ask(&a, c, &flows->items[i]);
	if (flows->len)
		file_answers(p, &a, (struct part_ports) {protocol, port, port});
	return flows->len;
}

/* ---- JSON ---- */

static json_t *ports_json(const struct part_ports *ports)
{
	const char *protocol = protocol_name(ports->protocol);

	if (!protocol)
		return json_string("other");
	if (ports->last == 0 || (ports->first == 1 && ports->last == UINT16_MAX))
		return json_string(protocol);
	if (ports->first == ports->last)
		return json_sprintf("%u/%s", ports->first, protocol);
	return json_sprintf("%u-%u/%s", ports->first, ports->last, protocol);
}

static json_t *part_json(const struct part *part, enum part_kind kind, bool limited, bool all)
{
	static const char *const verdicts[] = {
		[PART_ALLOW] = "allow",
		[PART_MIXED] = "mixed",
		[PART_AUDIT] = "audit",
		[PART_DENY] = "deny",
	};
	json_t *ports = json_array();

	for (size_t i = 0; i < part->len && !all; i++)
		json_array_append_new(ports, ports_json(&part->ports[i]));
	if (all)
		json_array_append_new(ports, json_string("all"));
	return json_pack("{s:s, s:o, s:b, s:o}", "verdict", verdicts[kind], "ports", ports,
			 "limited", limited, "by", reasons_json(&part->reasons));
}

static size_t count(const struct parts *p)
{
	size_t n = 0;

	for (size_t k = 0; k < PART_KINDS; k++)
		n += (p->items[k][0].len > 0) + (p->items[k][1].len > 0);
	return n;
}

json_t *parts_json(const struct parts *p, bool whole)
{
	json_t *parts = json_array();
	bool all = whole && count(p) == 1;

	for (size_t k = 0; k < PART_KINDS; k++)
		for (size_t limited = 0; limited < 2; limited++)
			if (p->items[k][limited].len)
				json_array_append_new(
					parts, part_json(&p->items[k][limited], k, limited, all));
	return parts;
}

const char *parts_verdict(const struct parts *p)
{
	static const char *const verdicts[] = {"allow", "mixed", "audit", "deny"};

	if (!count(p))
		return "none";
	for (size_t k = 0; k < PART_KINDS && count(p) == 1; k++)
		if (p->items[k][0].len || p->items[k][1].len)
			return verdicts[k];
	return "ports";
}
