#include "ruleset-internal.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>

#include "quaywall/mem.h"

/* Just before the bridge's own filter (-200): a frame that is dropped here is not learned from either. */
#define PRIORITY (-210)

/* The engine names the host's ends of its containers so, each one, in every version. The name of the
 * bridge behind a port (meta ibrname) is not to be had of every kernel. */
#define CONTAINER_PORTS "veth*"

/*
 * br_netfilter shows the other table IP and IPv6 alone. A VLAN tag hides a packet from it, while the
 * receiver takes a tag with VID 0 off again and sees an ordinary packet; its switch
 * bridge-nf-filter-vlan-tagged looks behind a single tag of 802.1Q, not behind 802.1ad or two.
 */
static void write_not_ip(const struct compiled *c, struct ruleset_chain *chain)
{
	static const uint16_t seen[] = {ETH_P_IP, ETH_P_ARP, ETH_P_IPV6};
	struct ruleset_rule *rule = ruleset_add_rule(chain, "neither IP nor ARP");

	rule_named(rule, EXPR_IIFNAME, CONTAINER_PORTS);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		ruleset_add_expr(rule, &(struct ruleset_expr) {.kind = EXPR_ETHER_TYPE,
							       .negate = true,
							       .number = seen[i]});
	if (c->settings->counters)
		rule_expr(rule, EXPR_COUNTER);
	rule_verdict(rule, VERDICT_DROP, NULL);
}

struct ruleset *compile_bridge_ruleset(const struct compiled *c)
{
	struct ruleset *r;

	if (!c->settings->antispoof || !c->enforcing)
		return NULL;
	r = ruleset_new(QUAYWALL_TABLE, NFPROTO_BRIDGE);
	write_not_ip(c, ruleset_add_chain(r, "prerouting", HOOK_PREROUTING, PRIORITY));
	ruleset_sort(r);
	return r;
}
