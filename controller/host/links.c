#include "links.h"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- the table ---- */

/* Where the link with INDEX stands or would stand. */
static size_t link_position(const struct links *l, unsigned index)
{
	size_t low = 0, high = l->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->items[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct links *l, size_t at, unsigned index)
{
	return at < l->len && l->items[at].index == index;
}

static struct link *link_find(struct links *l, unsigned index)
{
	size_t at = link_position(l, index);

	return is_at(l, at, index) ? &l->items[at] : NULL;
}

const struct link *links_find_again(const struct links *l, unsigned index, size_t *place)
{
	/* New ones stand behind all others; of those before it one went, mostly. */
	if (!is_at(l, *place, index))
		*place = is_at(l, *place - 1, index) ? *place - 1 : link_position(l, index);
	return is_at(l, *place, index) ? &l->items[*place] : NULL;
}

static struct link *link_get(struct links *l, unsigned index)
{
	size_t at = link_position(l, index);

	if (is_at(l, at, index))
		return &l->items[at];
	/* Indices grow, so this is nearly always an append. */
	l->items = mem_grow(l->items, &l->cap, l->len + 1, sizeof(*l->items));
	memmove(&l->items[at + 1], &l->items[at], (l->len - at) * sizeof(*l->items));
	l->len++;
	l->items[at] = (struct link) {.index = index};
	return &l->items[at];
}

static void link_remove(struct links *l, struct link *link)
{
	size_t at = (size_t)(link - l->items);

	free(link->addrs.items);
	l->len--;
	memmove(link, link + 1, (l->len - at) * sizeof(*link));
}

/* A container's veth is a port of its bridge: no packet in the IP hooks names it, and listing it would
 * make every container that starts a change of the host. */
static bool is_listed(const struct link *link)
{
	if (link->name[0] == '\0')
		return false;
	for (size_t i = 0; i < link->addrs.len; i++)
		if (!addr_is_link_local(&link->addrs.items[i].addr))
			return true;
	return !link->port;
}

/* ---- links ---- */

/* Whether the text ATTR, which may end without a NUL, is KIND. */
static bool is_kind(const struct nlattr *attr, const char *kind)
{
	size_t len = mnl_attr_get_payload_len(attr);

	return len >= strlen(kind) && strncmp(mnl_attr_get_payload(attr), kind, len) == 0;
}

/* Whether a bridge, whose kind stands before its data, has the option no_linklocal_learn. */
static bool learns_less(const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data) {
		const struct br_boolopt_multi *options = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == IFLA_BR_MULTI_BOOLOPT &&
		    mnl_attr_get_payload_len(attr) >= sizeof(*options))
			return options->optval & 1u << BR_BOOLOPT_NO_LL_LEARN;
	}
	return false;
}

/* The kinds in IFLA_LINKINFO: of the link itself, and of what its master is. */
static void read_kinds(const struct nlattr *linkinfo, struct link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			link->bridge = is_kind(attr, "bridge");
			link->veth = is_kind(attr, "veth");
		} else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA && link->bridge) {
			link->learns_less = learns_less(attr);
		} else if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND) {
			link->port = is_kind(attr, "bridge");
		}
	}
}

/* The name, whether or not the message ends it. */
static void read_name(const struct nlattr *attr, char ret[static IFNAMSIZ])
{
	const char *name = mnl_attr_get_payload(attr);
	size_t len = strnlen(name, mnl_attr_get_payload_len(attr));

	if (len >= IFNAMSIZ)
		len = IFNAMSIZ - 1;
	memcpy(ret, name, len);
	ret[len] = '\0';
}

static bool apply_new_link(struct links *l, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link fresh = {0}, *link;
	const struct nlattr *attr;
	bool was_listed, changed;

	mnl_attr_for_each(attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			read_name(attr, fresh.name);
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			read_kinds(attr, &fresh);
		else if (mnl_attr_get_type(attr) == IFLA_MASTER &&
			 mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			fresh.master = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_WIRELESS)
			/* A wireless event has nothing but the name: it says nothing of kinds. */
			return false;
	}
	link = link_get(l, (unsigned)info->ifi_index);
	was_listed = is_listed(link);
	changed = strcmp(link->name, fresh.name) != 0 || link->bridge != fresh.bridge;
	memcpy(link->name, fresh.name, sizeof(link->name));
	link->bridge = fresh.bridge;
	link->port = fresh.port;
	link->veth = fresh.veth;
	link->learns_less = fresh.learns_less;
	if (fresh.master || link->master)
		l->ports_moved = true;
	link->master = fresh.master;
	return was_listed != is_listed(link) || (was_listed && changed);
}

static bool apply_del_link(struct links *l, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link *link = link_find(l, (unsigned)info->ifi_index);
	bool was_listed;

	if (!link)
		return false;
	was_listed = is_listed(link);
	if (link->master)
		l->ports_moved = true;
	link_remove(l, link);
	return was_listed;
}

static bool apply_link(struct links *l, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return false;
	/* With the family AF_BRIDGE the bridge speaks of a port: RTM_DELLINK is a port that left, not a
	 * link that went. The link's own message follows. */
	if (info->ifi_family != AF_UNSPEC)
		return false;
	return message->nlmsg_type == RTM_NEWLINK ? apply_new_link(l, message)
						  : apply_del_link(l, message);
}

/* ---- addresses ---- */

static bool read_addr(const struct nlattr *attr, uint8_t family, struct addr *ret)
{
	if (!attr || mnl_attr_get_payload_len(attr) < addr_size(family))
		return false;
	*ret = (struct addr) {.family = family};
	memcpy(ret->bytes, mnl_attr_get_payload(attr), addr_size(family));
	return true;
}

/* The interface's own address. IFA_ADDRESS is the peer's on a point-to-point link, and the prefix length
 * is the peer's too; IFA_LOCAL, where there is one, is always the interface's. */
static bool read_own_addr(const struct nlmsghdr *message, struct prefix *ret)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *address = NULL, *local = NULL;
	struct addr own, other;

	mnl_attr_for_each(attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = attr;
		else if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = attr;
	}
	if (!read_addr(local ? local : address, info->ifa_family, &own))
		return false;
	*ret = (struct prefix) {own, info->ifa_prefixlen};
	if (read_addr(address, info->ifa_family, &other) && !addr_equal(&own, &other))
		ret->len = (uint8_t)(addr_size(info->ifa_family) * 8);
	return true;
}

static size_t addr_position(const struct link *link, const struct prefix *p)
{
	size_t i = 0;

	while (i < link->addrs.len && (link->addrs.items[i].len != p->len ||
				       !addr_equal(&link->addrs.items[i].addr, &p->addr)))
		i++;
	return i;
}

static bool apply_new_addr(struct links *l, unsigned index, const struct prefix *p)
{
	struct link *link = link_get(l, index);

	if (addr_position(link, p) < link->addrs.len)
		return false;
	MEM_PUSH(&link->addrs, *p);
	return is_listed(link);
}

static bool apply_del_addr(struct links *l, unsigned index, const struct prefix *p)
{
	struct link *link = link_find(l, index);
	size_t at = link ? addr_position(link, p) : 0;
	bool was_listed;

	if (!link || at == link->addrs.len)
		return false;
	was_listed = is_listed(link);
	link->addrs.len--;
	memmove(&link->addrs.items[at], &link->addrs.items[at + 1],
		(link->addrs.len - at) * sizeof(*link->addrs.items));
	return was_listed;
}

static bool apply_addr(struct links *l, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct prefix p;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return false;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return false;
	if (!read_own_addr(message, &p))
		return false;
	return message->nlmsg_type == RTM_NEWADDR ? apply_new_addr(l, info->ifa_index, &p)
						  : apply_del_addr(l, info->ifa_index, &p);
}

/* ---- the door ---- */

bool links_apply(struct links *l, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return apply_link(l, message);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return apply_addr(l, message);
	default:
		return false;
	}
}

static struct model_interface interface_of(const struct link *link)
{
	struct model_interface i = {
		.name = mem_strdup(link->name),
		.index = link->index,
		.bridge = link->bridge,
		.naddrs = link->addrs.len,
	};

	if (i.naddrs > 0) {
		i.addrs = mem_new(i.naddrs, sizeof(*i.addrs));
		memcpy(i.addrs, link->addrs.items, i.naddrs * sizeof(*i.addrs));
	}
	return i;
}

void links_list(const struct links *l, struct model *m)
{
	size_t n = m->ninterfaces, cap = n;

	for (size_t i = 0; i < l->len; i++) {
		if (!is_listed(&l->items[i]))
			continue;
		m->interfaces = mem_grow(m->interfaces, &cap, n + 1, sizeof(*m->interfaces));
		m->interfaces[n++] = interface_of(&l->items[i]);
	}
	m->ninterfaces = n;
}

const char *links_name(const struct links *l, unsigned index)
{
	size_t at = link_position(l, index);

	return is_at(l, at, index) ? l->items[at].name : NULL;
}

unsigned links_index(const struct links *l, const char *name)
{
	for (size_t i = 0; i < l->len; i++)
		if (!strcmp(l->items[i].name, name))
			return l->items[i].index;
	return 0;
}

void links_done(struct links *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->items[i].addrs.items);
	free(l->items);
	*l = (struct links) {0};
}
