#include "vxlan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define NAMESPACES_MAX 65536

/* ---- namespaces that have an id here ---- */

struct ids {
	int32_t *items;
	size_t len, cap;
};

static int take_id(const struct nlmsghdr *message, void *data)
{
	struct ids *ids = data;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWNSID)
		return 0;
	mnl_attr_for_each(attr, message, sizeof(struct rtgenmsg)) {
		int32_t id;

		if (mnl_attr_get_type(attr) != NETNSA_NSID ||
		    mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		id = (int32_t)mnl_attr_get_u32(attr);
		if (id >= 0 && ids->len < NAMESPACES_MAX)
			MEM_PUSH(ids, id);
	}
	return 0;
}

static int list_ids(struct mnl_socket *s, struct ids *ret)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);

	request->nlmsg_type = RTM_GETNSID;
	mnl_nlmsg_put_extra_header(request, sizeof(struct rtgenmsg));
	return netlink_dump(s, request, take_id, ret);
}

/* ---- devices ---- */

struct looking {
	void (*each)(const struct vxlan *v, void *data);
	void *data;
};

static bool read_data(const struct nlattr *data, struct vxlan *v)
{
	const struct nlattr *attr;
	bool vni = false;

	mnl_attr_for_each_nested(attr, data) {
		if (mnl_attr_get_type(attr) == IFLA_VXLAN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0) {
			v->vni = mnl_attr_get_u32(attr);
			vni = true;
		} else if (mnl_attr_get_type(attr) == IFLA_VXLAN_PORT &&
			   mnl_attr_validate(attr, MNL_TYPE_U16) == 0) {
			v->port = ntohs(mnl_attr_get_u16(attr));
		}
	}
	return vni && v->port;
}

/* A kernel that does not narrow the dump down tells of every kind. */
static bool read_info(const struct nlattr *info, struct vxlan *v)
{
	const struct nlattr *attr, *data = NULL;
	bool kind = false;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			kind = mnl_attr_get_payload_len(attr) >= strlen("vxlan") &&
			       !strncmp(mnl_attr_get_payload(attr), "vxlan",
					mnl_attr_get_payload_len(attr));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	return kind && data && read_data(data, v);
}

static int take_link(const struct nlmsghdr *message, void *data)
{
	const struct looking *looking = data;
	struct vxlan v = {.vni = 0};
	const struct nlattr *attr;
	bool found = false;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			memcpy(v.name, mnl_attr_get_payload(attr),
			       strnlen(mnl_attr_get_payload(attr),
				       mnl_attr_get_payload_len(attr) < IFNAMSIZ
					       ? mnl_attr_get_payload_len(attr)
					       : IFNAMSIZ - 1));
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			found = read_info(attr, &v);
	}
	if (found)
		looking->each(&v, looking->data);
	return 0;
}

static int list_links(struct mnl_socket *s, int32_t id, struct looking *looking)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nlattr *info;

	request->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (id >= 0)
		mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)id);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "vxlan");
	mnl_attr_nest_end(request, info);
	return netlink_dump(s, request, take_link, looking);
}

int vxlan_each(struct mnl_socket *s, void (*each)(const struct vxlan *v, void *data), void *data,
	       struct error *err)
{
	struct looking looking = {each, data};
	struct ids ids = {.items = NULL};
	int r = list_ids(s, &ids);

	/* Ids that came or went meanwhile are those of other networks, or found the next time. */
	if (r < 0 && r != -EINTR) {
		free(ids.items);
		return error_wrap(err, r, "listing network namespaces");
	}
	r = list_links(s, -1, &looking);
	for (size_t i = 0; i < ids.len; i++)
		list_links(s, ids.items[i], &looking);
	free(ids.items);
	return r < 0 && r != -EINTR ? error_wrap(err, r, "listing VXLAN devices") : 0;
}
