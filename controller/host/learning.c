#include "learning.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "quaywall/netlink.h"

static bool is_managed(const struct model *m, const char *bridge)
{
	for (size_t i = 0; i < m->nnetworks; i++)
		if (model_network_is_managed(&m->networks[i]) &&
		    !strcmp(m->networks[i].bridge, bridge))
			return true;
	return false;
}

/* ip link set BRIDGE type bridge no_linklocal_learn 1 */
static int learn_less(struct mnl_socket *s, const struct link *link)
{
	static const struct br_boolopt_multi on = {1u << BR_BOOLOPT_NO_LL_LEARN,
						   1u << BR_BOOLOPT_NO_LL_LEARN};
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	struct nlattr *kind, *data;

	request->nlmsg_type = RTM_NEWLINK;
	info->ifi_index = (int)link->index;
	kind = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	mnl_attr_put(request, IFLA_BR_MULTI_BOOLOPT, sizeof(on), &on);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, kind);
	return netlink_request(s, request);
}

int learning_restrict(struct links *l, struct mnl_socket *requests, const struct model *m,
		      struct error *err)
{
	int first = 0;

	for (size_t i = 0; i < l->len; i++) {
		struct link *link = &l->items[i];
		int r;

		if (!link->bridge || link->learns_less || !is_managed(m, link->name))
			continue;
		r = learn_less(requests, link);
		if (r == 0)
			link->learns_less = true;
		else if (r != -ENODEV && first == 0)
			first = error_wrap(err, r, "setting no_linklocal_learn of %s", link->name);
	}
	return first;
}

/* bridge fdb replace MAC dev PORT master dynamic */
int learning_teach(struct mnl_socket *requests, unsigned port, const uint8_t mac[static 6])
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(request, sizeof(*neighbour));

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	neighbour->ndm_family = PF_BRIDGE;
	neighbour->ndm_ifindex = (int)port;
	neighbour->ndm_state = NUD_REACHABLE;
	neighbour->ndm_flags = NTF_MASTER;
	mnl_attr_put(request, NDA_LLADDR, 6, mac);
	return netlink_request(requests, request);
}
