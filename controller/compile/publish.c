#include "ruleset-internal.h"

#include "quaywall/mem.h"

/*
 * What comes from outside to a published port: by DNAT in the forward hook, where conntrack still knows the
 * published port, or by docker-proxy in the input hook, where it is the destination's. The same rules
 * stand in both chains, over the same sets.
 */

/* Which rules of a container deny are for the container's port, and a packet to docker-proxy does not show
 * it: so a set of the host's ports that lead to such a port stands for them. */
static char *denied_ports(const struct writer *w, const struct identity *id,
			  const struct held *held, const char *sets, size_t index)
{
	CLEANUP_RANGES struct ranges own = own_ranges(held, SIDE_OUTSIDE);
	char *name = mem_printf("%s%zu_ports", sets, index);
	struct ruleset_set *set = set_get(w, name, 0, FIELDS(FIELD_PROTOCOL, FIELD_PORT), NULL);

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct published *p = written_port(w, i);
		struct flow_end end = published_end(w->c, p);
		struct key k = {.len = 0};

		if (&w->c->identities.items[w->c->identity_of[p->endpoint]] != id ||
		    !rule_has_port(held->rule, p->port->protocol, p->port->container_port) ||
		    (held->own == OWN_CIDRS && !ranges_contain(&own, &end.addr)))
			continue;
		key_protocol(&k, p->port->protocol);
		key_port(&k, p->port->host_port);
		set_add(set, &k, NULL, NULL);
	}
	return name;
}

static bool is_of_earlier_port(const struct writer *w, size_t nth, const struct identity *id)
{
	for (size_t i = 0; i < nth; i++) {
		if (&w->c->identities.items[w->c->identity_of[written_port(w, i)->endpoint]] == id)
			return true;
	}
	return false;
}

void write_denied_ports(const struct writer *w)
{
	const struct compiled *c = w->c;

	for (size_t i = 0; i < written_ports(w); i++) {
		const struct identity *id =
			&c->identities.items[c->identity_of[written_port(w, i)->endpoint]];
		const struct held_list *deny = &id->deny[DIR_INGRESS];
		CLEANUP_FREE char *chain = chain_name(id, side_prefix(SIDE_OUTSIDE));
		CLEANUP_FREE char *sets = mem_printf("%s.deny", chain);

		if (is_written_whole(w, id) || is_of_earlier_port(w, i, id))
			continue;
		for (size_t n = 0; n < deny->len; n++)
			free(denied_ports(w, id, &deny->items[n], sets, n));
	}
}

static void write_proxy_denies(const struct writer *w, struct ruleset_chain *chain,
			       const struct identity *id)
{
	CLEANUP_FREE char *sets = mem_printf("%s.deny", chain->name);
	struct clause clause = {.w = w, .chain = chain, .side = SIDE_OUTSIDE, .sets = sets};
	const struct held_list *list = &id->deny[DIR_INGRESS];

	for (size_t i = 0; i < list->len; i++) {
		const struct held *held = &list->items[i];
		CLEANUP_PEERS struct peers peers = {0};
		CLEANUP_FREE char *ports = NULL;

		peers_of(w, held, SIDE_OUTSIDE, &peers);
		ports = denied_ports(w, id, held, sets, i);
		clause_refuses(&clause, SIDE_OUTSIDE, held->enforce);
		form_write_ports(&clause, held, i, &peers, ports);
	}
}

/* [ip saddr @local_sources4] VERDICT, for both families */
static void match_local(const struct writer *w, struct ruleset_chain *chain,
			enum ruleset_verdict verdict, const char *target)
{
	for (int f = 0; f < 2; f++) {
		CLEANUP_FREE char *name = mem_printf("local_sources%s", family_digit[f]);
		struct ruleset_rule *rule = ruleset_add_rule(chain, DEFAULT_PUBLISH);
		bool fresh;
		struct ruleset_set *set =
			set_get(w, name, SET_INTERVAL, FIELDS(family_field(f)), &fresh);

		for (size_t i = 0; fresh && local_source_prefixes[i]; i++) {
			struct addr_range range;
			struct prefix p;

			if (prefix_parse(local_source_prefixes[i], &p) ||
			    p.addr.family != families[f])
				continue;
			range = prefix_range(&p);
			set_add_range(set, &range, NULL);
		}
		rule_lookup(rule, name, false, LOADS(family_saddr(f)));
		rule_verdict(rule, verdict, target);
	}
}

/* Under `defaults.publish: local` a container that nothing else restricts takes private sources. */
static void write_local(const struct writer *w, struct ruleset_chain *chain,
			const struct identity *id, struct causes *causes)
{
	if (!id->is_container || w->c->settings->publish != DEFAULT_LOCAL)
		return;
	if (!cause_is_set(&causes->enforce)) {
		if (cause_is_set(&causes->audit))
			match_local(w, chain, VERDICT_JUMP, CHAIN_AUDIT);
		match_local(w, chain, VERDICT_RETURN, NULL);
	}
	causes_add(causes, w->c->settings->mode == POLICY_ENFORCE, NULL, DEFAULT_PUBLISH);
}

static void write_rules(const struct writer *w, struct ruleset_chain *chain,
			const struct identity *id, enum ruleset_expr_kind port_kind)
{
	CLEANUP_FREE char *sets = mem_printf("publish_%s.rule", id->name);
	struct causes causes = id->restricted;
	struct clause clause = {
		.w = w,
		.chain = chain,
		.side = SIDE_OUTSIDE,
		.sets = sets,
		.port_kind = port_kind,
		.word = "accepted",
		.verdict = VERDICT_RETURN,
	};

	for (int limited = 0; limited < 2; limited++) {
		for (size_t i = 0; i < id->publish.len; i++) {
			const struct held *held = &id->publish.items[i];
			CLEANUP_PEERS struct peers peers = {0};

			if (held->rule->limit.set != limited)
				continue;
			peers_of(w, held, SIDE_OUTSIDE, &peers);
			form_write(&clause, held, i, &peers, FORM_ALL);
		}
	}
	write_local(w, chain, id, &causes);
	write_end(w, chain, &causes, "restricts published ports", CHAIN_REFUSE);
}

void write_publish(const struct writer *w, const struct identity *id)
{
	CLEANUP_FREE char *publish = chain_name(id, "publish_");
	CLEANUP_FREE char *proxy = chain_name(id, side_prefix(SIDE_OUTSIDE));
	struct ruleset_chain *chain;

	if (has_publish_chain(w->c, id)) {
		chain = ruleset_add_chain(w->r, publish, HOOK_NONE, 0);
		write_rules(w, chain, id, EXPR_CT_ORIG_PORT);
	}
	if (has_chain(w->c, id, SIDE_OUTSIDE)) {
		chain = ruleset_add_chain(w->r, proxy, HOOK_NONE, 0);
		write_proxy_denies(w, chain, id);
		write_rules(w, chain, id, EXPR_TH_DPORT);
	}
}
