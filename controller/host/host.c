#include "quaywall/host.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "filter.h"
#include "learning.h"
#include "links.h"
#include "ports.h"
#include "vxlan.h"
#include "quaywall/buf.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

struct host {
	struct mnl_socket *events, *requests;
	struct links links;
	struct ports ports;
	struct filter_watch filter;
	char *overlays; /* ids of the overlay networks whose ports were found, or NULL */
	struct {
		uint16_t *items;
		size_t len, cap;
	} vxlan_ports;
};

static int take(const struct nlmsghdr *message, void *data)
{
	links_apply(data, message);
	return 0;
}

static int dump(struct host *h, uint16_t type, size_t header, struct links *l)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);

	request->nlmsg_type = type;
	/* Zero: of every family, every interface. */
	mnl_nlmsg_put_extra_header(request, header);
	if (type == RTM_GETLINK)
		mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return netlink_dump(h->requests, request, take, l);
}

/* A thousand messages and more, with what the kernel adds to each: of what does not fit all is listed anew, which takes as
 * long as there are interfaces, and containers that start side by side are some twenty messages each. */
#define EVENTS_BYTES (4 << 20)

#define LIST_TRIES 100 /* against a host whose links never rest: an error is better than a hang */

/* Lists everything anew. What changes meanwhile disturbs the dump or is announced behind it. */
static int list(struct host *h, struct error *err)
{
	CLEANUP_LINKS struct links fresh = {0};
	struct links old;
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < LIST_TRIES; tries++) {
		links_done(&fresh);
		r = dump(h, RTM_GETLINK, sizeof(struct ifinfomsg), &fresh);
		if (r == 0)
			r = dump(h, RTM_GETADDR, sizeof(struct ifaddrmsg), &fresh);
	}
	if (r < 0)
		return error_wrap(err, r, "listing the host's interfaces");
	old = h->links;
	fresh.ports_moved = true;
	h->links = fresh;
	fresh = old;
	return 0;
}

static int subscribe(struct host *h, struct error *err)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(h->events, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return error_wrap(err, -errno, "subscribing to the host's interfaces");
	}
	return 0;
}

int host_open(struct host **ret, struct error *err)
{
	CLEANUP_HOST struct host *h = mem_new(1, sizeof(*h));
	int r;

	filter_watch_init(&h->filter);
	r = netlink_open(NETLINK_ROUTE, -1, SOCK_NONBLOCK, &h->events, err);
	if (r == 0)
		r = netlink_open(NETLINK_ROUTE, -1, 0, &h->requests, err);
	if (r == 0)
		netlink_widen(h->events, EVENTS_BYTES);
	/* Before listing: or what changes in between would never be seen. */
	if (r == 0)
		r = subscribe(h, err);
	if (r == 0)
		r = list(h, err);
	if (r < 0)
		return r;
	*ret = h;
	h = NULL;
	return 0;
}

void host_close(struct host *h)
{
	if (!h)
		return;
	netlink_cleanup(&h->events);
	netlink_cleanup(&h->requests);
	filter_watch_done(&h->filter);
	links_done(&h->links);
	ports_done(&h->ports);
	free(h->overlays);
	free(h->vxlan_ports.items);
	free(h);
}

int host_fd(const struct host *h)
{
	return mnl_socket_get_fd(h->events);
}

int host_bridge_filter_fd(const struct host *h)
{
	return h->filter.fd;
}

void host_bridge_filter_dispatch(struct host *h)
{
	filter_watch_dispatch(&h->filter);
}

/* Takes the notifications of one read; 0, 1 where they changed something, -EAGAIN at the end. */
static int read_events(struct host *h)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_READ_SIZE];
	ssize_t got = mnl_socket_recvfrom(h->events, buf, sizeof(buf));
	int left = (int)got, changed = 0;

	if (got < 0)
		return errno == EINTR ? 0 : -errno;
	for (const struct nlmsghdr *message = (const void *)buf; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left))
		if (links_apply(&h->links, message))
			changed = 1;
	return changed;
}

int host_dispatch(struct host *h, bool *ret, struct error *err)
{
	bool changed = false, lost = false;
	int r;

	/* ENOBUFS: the kernel dropped notifications. Those that are left are read first, so that none of
	 * them is older than the listing by more than what it holds already. */
	while ((r = read_events(h)) != -EAGAIN) {
		if (r < 0 && r != -ENOBUFS)
			return error_wrap(err, r, "reading the host's interfaces");
		lost |= r == -ENOBUFS;
		changed |= r == 1;
	}
	if (lost) {
		r = list(h, err);
		if (r < 0)
			return r;
	}
	*ret = changed || lost;
	return 0;
}

const char *host_interface_name(const struct host *h, unsigned index)
{
	for (size_t i = 0; i < h->links.len; i++)
		if (h->links.items[i].index == index)
			return h->links.items[i].name;
	return NULL;
}

/* ---- the ports of overlay networks ---- */

struct port_search {
	struct host *h;
	const struct model *m;
};

static void take_vxlan(const struct vxlan *v, void *data)
{
	const struct port_search *search = data;

	if (model_network_of_vni(search->m, v->vni))
		MEM_PUSH(&search->h->vxlan_ports, v->port);
}

static char *overlay_ids(const struct model *m)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < m->nnetworks; i++)
		if (model_network_is_overlay(&m->networks[i]))
			buf_printf(&text, "%s ", m->networks[i].id);
	return buf_steal(&text);
}

/* A swarm has one port for good, so it is looked for where networks are others, or it was not found. Where it cannot be
 * found it is the usual one: see compile. */
static void find_vxlan_ports(struct host *h, const struct model *m)
{
	CLEANUP_FREE char *ids = overlay_ids(m);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct port_search search = {h, m};

	if (h->overlays && !strcmp(h->overlays, ids) && h->vxlan_ports.len)
		return;
	h->vxlan_ports.len = 0;
	if (vxlan_each(h->requests, take_vxlan, &search, &err) < 0)
		h->vxlan_ports.len = 0;
	free(h->overlays);
	h->overlays = ids;
	ids = NULL;
}

static void read_vxlan_ports(struct host *h, struct model *m)
{
	if (!model_has_overlay(m))
		return;
	find_vxlan_ports(h, m);
	free(m->vxlan_ports);
	m->nvxlan_ports = h->vxlan_ports.len;
	m->vxlan_ports = mem_new(m->nvxlan_ports, sizeof(*m->vxlan_ports));
	for (size_t i = 0; i < m->nvxlan_ports; i++)
		m->vxlan_ports[i] = h->vxlan_ports.items[i];
	model_sort_vxlan_ports(m);
}

int host_read_interfaces(struct host *h, struct model *m, struct error *err)
{
	bool changed;
	int r = host_dispatch(h, &changed, err);

	if (r < 0)
		return r;
	model_clear_interfaces(m);
	links_list(&h->links, m);
	model_sort_interfaces(m);
	read_vxlan_ports(h, m);
	return 0;
}

static int take_oif(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr;
	unsigned *index = data;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	mnl_attr_for_each(attr, message, sizeof(struct rtmsg)) {
		if (mnl_attr_get_type(attr) == RTA_OIF &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*index = mnl_attr_get_u32(attr);
	}
	return 0;
}

static void put_addr(struct nlmsghdr *request, uint16_t type, const struct addr *a)
{
	mnl_attr_put(request, type, addr_size(a->family), a->bytes);
}

const char *host_route(struct host *h, const struct addr *to, const struct addr *from,
		       const char *iif)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	unsigned index = 0;

	request->nlmsg_type = RTM_GETROUTE;
	route->rtm_family = to->family;
	route->rtm_dst_len = (uint8_t)(8 * addr_size(to->family));
	put_addr(request, RTA_DST, to);
	if (from && from->family == to->family) {
		route->rtm_src_len = route->rtm_dst_len;
		put_addr(request, RTA_SRC, from);
		if (iif)
			mnl_attr_put_u32(request, RTA_IIF, links_index(&h->links, iif));
	}
	if (netlink_query(h->requests, request, take_oif, &index) < 0)
		return NULL;
	return links_name(&h->links, index);
}

int host_bind_ports(struct host *h, struct model *m, struct error *err)
{
	h->links.ports_moved = false;
	return ports_bind(&h->ports, &h->links, h->requests, m, err);
}

bool host_ports_differ(struct host *h, struct model *m)
{
	h->links.ports_moved = false;
	return ports_differ(&h->ports, &h->links, h->requests, m);
}

bool host_ports_missing(const struct host *h)
{
	return h->ports.missing;
}

bool host_ports_moved(const struct host *h)
{
	return h->ports.missing && h->links.ports_moved;
}

int host_restrict_learning(struct host *h, const struct model *m, struct error *err)
{
	return learning_restrict(&h->links, h->requests, m, err);
}
