#include "ruleset-internal.h"

#include <arpa/inet.h>
#include <string.h>

size_t written_ports(const struct writer *w)
{
	return w->extent ? w->extent->ports->len : w->c->published.len;
}

const struct published *written_port(const struct writer *w, size_t i)
{
	return &w->c->published.items[w->extent ? w->extent->ports->items[i] : i];
}

bool is_written_whole(const struct writer *w, const struct identity *id)
{
	return w->extent && index_list_has(w->extent->whole, (size_t)(id - w->c->identities.items));
}

static void key_field(struct key *k, const void *data, size_t len, size_t field)
{
	memcpy(k->bytes + k->len, data, len);
	k->len += (field + 3) / 4 * 4;
}

void key_ifname(struct key *k, const char *name)
{
	size_t size = ruleset_field_size(FIELD_IFNAME);

	key_field(k, name, strnlen(name, size - 1), size);
}

void key_addr(struct key *k, const struct addr *a)
{
	key_field(k, a->bytes, addr_size(a->family), addr_size(a->family));
}

void key_protocol(struct key *k, uint8_t protocol)
{
	key_field(k, &protocol, sizeof(protocol), sizeof(protocol));
}

void key_port(struct key *k, uint16_t port)
{
	uint16_t wire = htons(port);

	key_field(k, &wire, sizeof(wire), sizeof(wire));
}

void map_add(struct ruleset_set *s, const struct key *first, const struct key *last,
	     enum ruleset_verdict verdict, const char *chain, const char *comment)
{
	struct ruleset_element e = {
		.key = first->bytes,
		.key_end = (last ? last : first)->bytes,
		.verdict = verdict,
		.chain = chain,
		.comment = comment,
	};

	ruleset_add_element(s, &e);
}

void set_add(struct ruleset_set *s, const struct key *first, const struct key *last,
	     const char *comment)
{
	map_add(s, first, last, VERDICT_NONE, NULL, comment);
}

void set_add_range(struct ruleset_set *s, const struct addr_range *range, const char *comment)
{
	struct key first = {.len = 0}, last = {.len = 0};

	key_addr(&first, &range->first);
	key_addr(&last, &range->last);
	set_add(s, &first, &last, comment);
}

void rule_expr(struct ruleset_rule *rule, enum ruleset_expr_kind kind)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = kind});
}

void rule_not(struct ruleset_rule *rule, enum ruleset_expr_kind kind, const char *name)
{
	ruleset_add_expr(
		rule, &(struct ruleset_expr) {.kind = kind, .negate = true, .name = (char *)name});
}

void rule_named(struct ruleset_rule *rule, enum ruleset_expr_kind kind, const char *name)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = kind, .name = (char *)name});
}

void rule_ct_state(struct ruleset_rule *rule, uint32_t bits)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_CT_STATE, .number = bits});
}

void rule_l4proto(struct ruleset_rule *rule, uint8_t protocol)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_L4PROTO, .number = protocol});
}

void rule_ports(struct ruleset_rule *rule, enum ruleset_expr_kind kind, uint16_t first,
		uint16_t last)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = kind, .first = first, .last = last});
}

static void rule_set_expr(struct ruleset_rule *rule, enum ruleset_expr_kind kind, const char *set,
			  bool negate, const enum ruleset_load *loads, size_t nloads)
{
	struct ruleset_expr expr = {.kind = kind, .negate = negate, .name = (char *)set};

	memcpy(expr.loads, loads, nloads * sizeof(*loads));
	expr.nloads = nloads;
	ruleset_add_expr(rule, &expr);
}

void rule_lookup(struct ruleset_rule *rule, const char *set, bool negate,
		 const enum ruleset_load *loads, size_t nloads)
{
	rule_set_expr(rule, EXPR_LOOKUP, set, negate, loads, nloads);
}

void rule_vmap(struct ruleset_rule *rule, const char *map, const enum ruleset_load *loads,
	       size_t nloads)
{
	rule_set_expr(rule, EXPR_VMAP, map, false, loads, nloads);
}

void rule_verdict(struct ruleset_rule *rule, enum ruleset_verdict verdict, const char *chain)
{
	ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_VERDICT,
						       .verdict = verdict,
						       .name = (char *)chain});
}
