/*
 * networks: those whose containers a neighbour with a route reaches at every port, as the engine refuses nothing there: by the
 * network's own gateway mode, or, before 28, where iptables' chain FORWARD accepts what no rule names.
 */
#include "exposure.h"

#include <string.h>
#include <sys/socket.h>

#include "quaywall/mem.h"

static bool is_unprotected(const char *mode)
{
	return mode && !strcmp(mode, "nat-unprotected");
}

/* How many containers on it nothing isolates for ingress; *RET_ONE is one of them. */
static size_t count_open(const struct check_input *in, size_t network, size_t *ret_one)
{
	const struct model *m = compile_model(in->compiled);
	size_t n = 0;

	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];
		size_t identity = compile_identity_of(in->compiled, i);

		if (e->network != network || e->container == MODEL_NONE || identity == MODEL_NONE ||
		    (compile_identity(in->compiled, identity)->isolated & POLICY_INGRESS))
			continue;
		*ret_one = e->container;
		n++;
	}
	return n;
}

/* ---- the chain FORWARD ---- */

enum forward { REFUSES, ACCEPTS, UNSEEN };

static const json_t *named(const json_t *list, const char *family, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		if (!strcmp(posture_text(one, "name"), name) &&
		    (!family || !strcmp(posture_text(one, "family"), family)))
			return one;
	}
	return NULL;
}

/* Of iptables over nf_tables the policy is known, of the older kind not. Where there is no such chain the engine has no
 * rules at all, which is another check's. */
static enum forward forward_of(const struct check_input *in)
{
	const json_t *tables = posture_get(in->posture, "host", "nftables", NULL);
	const json_t *table = named(tables, "ip", "filter");
	const json_t *chain = named(json_object_get(table, "chains"), NULL, "FORWARD");

	if (!json_is_array(tables))
		return UNSEEN;
	if (!chain)
		return posture_lists(posture_get(in->posture, "host", "iptables_legacy", NULL),
				     "filter")
			       ? UNSEEN
			       : REFUSES;
	return strcmp(posture_text(chain, "policy"), "accept") ? REFUSES : ACCEPTS;
}

/* ---- both ---- */

static void tell(const struct check_input *in, size_t network, char *why, const char *remedy,
		 struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	CLEANUP_BUF struct buf title = BUF_INIT;
	size_t one = 0, open = count_open(in, network, &one);

	if (open) {
		model_container_title(&m->containers[one], &title);
		report_take(ret, "network-unprotected",
			    mem_printf("network %s", m->networks[network].name),
			    mem_printf("%s; %zu of its containers are not isolated for ingress, %s "
				       "among them",
				       why, open, buf_text(&title)),
			    mem_printf("isolate them for ingress by a policy, or %s", remedy));
	}
	free(why);
}

static bool has_ipv4(const struct model_network *n)
{
	for (size_t i = 0; i < n->nsubnets; i++)
		if (n->subnets[i].addr.family == AF_INET)
			return true;
	return false;
}

static void look_at(const struct check_input *in, size_t network, bool forwards,
		    struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	const struct model_network *n = &m->networks[network];

	if (is_unprotected(n->gateway_mode4) || is_unprotected(n->gateway_mode6))
		tell(in, network,
		     mem_printf("gateway mode %s over IPv4, %s over IPv6",
				n->gateway_mode4 ? n->gateway_mode4 : "nat",
				n->gateway_mode6 ? n->gateway_mode6 : "nat"),
		     "make the network anew without the option "
		     "com.docker.network.bridge.gateway_mode_ipv4 or _ipv6",
		     ret);
	else if (forwards && model_network_is_managed(n) && !n->internal && has_ipv4(n))
		tell(in, network,
		     mem_printf(
			     "the engine is %s, and the chain FORWARD of the table ip filter has "
			     "the policy accept",
			     m->engine_version),
		     "iptables -P FORWARD DROP, as engines before 28 do themselves where they were "
		     "the first to switch forwarding on; or upgrade the engine to 28 or newer",
		     ret);
}

void networks_run(const struct check_input *in, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	const char *forwarding = posture_text(posture_get(in->posture, "host", "sysctl", NULL),
					      "net/ipv4/ip_forward");
	bool may = engine_is_before(m, 28) && strcmp(forwarding, "0") != 0;
	enum forward forward = may ? forward_of(in) : REFUSES;

	for (size_t i = 0; i < m->nnetworks; i++)
		look_at(in, i, forward == ACCEPTS, ret);
	if (forward == UNSEEN)
		check_report_gap_of(ret, "exposure", "network-unprotected",
				    "whether iptables' chain FORWARD accepts what no rule names: "
				    "its policy was not read");
}
