#include "netns.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

#include "quaywall/addr.h"
#include "quaywall/netlink.h"

static struct mnl_socket *route;

/* ---- changing the namespace ---- */

struct change {
	_Alignas(struct nlmsghdr) char buf[1024];
	struct nlmsghdr *message;
};

static void change_begin(struct change *c, uint16_t type, uint16_t flags, size_t header)
{
	memset(c->buf, 0, sizeof(c->buf));
	c->message = mnl_nlmsg_put_header(c->buf);
	c->message->nlmsg_type = type;
	c->message->nlmsg_flags = flags;
	mnl_nlmsg_put_extra_header(c->message, header);
}

static void change_end(struct change *c)
{
	assert_int_equal(netlink_request(route, c->message), 0);
}

static struct ifinfomsg *link_begin(struct change *c, uint16_t type, uint16_t flags)
{
	change_begin(c, type, flags, sizeof(struct ifinfomsg));
	return mnl_nlmsg_get_payload(c->message);
}

void netns_add_bridge(const char *name)
{
	struct change c;
	struct nlattr *nest;

	link_begin(&c, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(c.message, IFLA_IFNAME, name);
	nest = mnl_attr_nest_start(c.message, IFLA_LINKINFO);
	mnl_attr_put_strz(c.message, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(c.message, nest);
	change_end(&c);
}

void netns_add_veth(const char *name, const char *peer)
{
	struct change c;
	struct nlattr *info, *data, *other;

	link_begin(&c, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(c.message, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(c.message, IFLA_LINKINFO);
	mnl_attr_put_strz(c.message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(c.message, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(c.message, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(c.message, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(c.message, IFLA_IFNAME, peer);
	mnl_attr_nest_end(c.message, other);
	mnl_attr_nest_end(c.message, data);
	mnl_attr_nest_end(c.message, info);
	change_end(&c);
}

/* ---- what bridges have learned ---- */

struct learned {
	const uint8_t *mac;
	int index; /* of the port; 0: none */
};

static int take_learned(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	struct learned *l = data;

	mnl_attr_for_each(attr, message, sizeof(*neighbour)) {
		if (mnl_attr_get_type(attr) == NDA_LLADDR &&
		    !memcmp(mnl_attr_get_payload(attr), l->mac, 6) &&
		    !(neighbour->ndm_flags & NTF_SELF))
			l->index = neighbour->ndm_ifindex;
	}
	return 0;
}

const char *netns_port_of(const uint8_t mac[static 6])
{
	static char name[IF_NAMESIZE];
	struct learned l = {.mac = mac};
	struct change c;

	change_begin(&c, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	((struct ndmsg *)mnl_nlmsg_get_payload(c.message))->ndm_family = PF_BRIDGE;
	assert_int_equal(netlink_dump(route, c.message, take_learned, &l), 0);
	name[0] = '\0';
	if (l.index)
		assert_non_null(if_indextoname((unsigned)l.index, name));
	return name;
}

/* ---- links ---- */

void netns_del_link(const char *name)
{
	struct change c;

	link_begin(&c, RTM_DELLINK, 0)->ifi_index = (int)if_nametoindex(name);
	change_end(&c);
}

void netns_set_master(const char *name, const char *master)
{
	struct change c;

	link_begin(&c, RTM_NEWLINK, 0)->ifi_index = (int)if_nametoindex(name);
	mnl_attr_put_u32(c.message, IFLA_MASTER, master ? if_nametoindex(master) : 0);
	change_end(&c);
}

void netns_rename_link(const char *name, const char *fresh)
{
	struct change c;

	link_begin(&c, RTM_NEWLINK, 0)->ifi_index = (int)if_nametoindex(name);
	mnl_attr_put_strz(c.message, IFLA_IFNAME, fresh);
	change_end(&c);
}

void netns_set_up(const char *name)
{
	struct change c;
	struct ifinfomsg *info = link_begin(&c, RTM_NEWLINK, 0);

	info->ifi_index = (int)if_nametoindex(name);
	info->ifi_flags = info->ifi_change = IFF_UP;
	change_end(&c);
}

void netns_set_mac(const char *name, const uint8_t mac[static 6])
{
	struct change c;

	link_begin(&c, RTM_NEWLINK, 0)->ifi_index = (int)if_nametoindex(name);
	mnl_attr_put(c.message, IFLA_ADDRESS, 6, mac);
	change_end(&c);
}

void netns_change_addr(uint16_t type, const char *name, const char *text, const char *peer)
{
	struct change c;
	struct prefix p;
	struct addr other;
	struct ifaddrmsg *info;

	assert_int_equal(prefix_parse(text, &p), 0);
	change_begin(&c, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*info));
	info = mnl_nlmsg_get_payload(c.message);
	info->ifa_family = p.addr.family;
	info->ifa_prefixlen = p.len;
	info->ifa_index = if_nametoindex(name);
	mnl_attr_put(c.message, IFA_LOCAL, addr_size(p.addr.family), p.addr.bytes);
	other = p.addr;
	if (peer)
		assert_int_equal(addr_parse(peer, &other), 0);
	mnl_attr_put(c.message, IFA_ADDRESS, addr_size(p.addr.family), other.bytes);
	change_end(&c);
}

void netns_add_addr(const char *name, const char *text)
{
	netns_change_addr(RTM_NEWADDR, name, text, NULL);
}

/* ---- one for each test ---- */

int netns_enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return netlink_open(NETLINK_ROUTE, -1, 0, &route, NULL);
}

int netns_leave(void **state)
{
	(void)state;
	netlink_cleanup(&route);
	route = NULL;
	return 0;
}
