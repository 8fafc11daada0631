#include "posture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "vxlan.h"
#include "quaywall/addr.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define STAT_MAX      65536
#define TEMPLATES_MAX 6 /* the kernel has no more in one policy */

/* ---- devices ---- */

static void add_device(const struct vxlan *v, void *data)
{
	json_t *list = data;

	if (json_array_size(list) < POSTURE_ITEMS_MAX)
		json_array_append_new(list,
				      json_pack("{s:o, s:I, s:i}", "name", posture_string(v->name),
						"vni", (json_int_t)v->vni, "port", v->port));
}

static json_t *read_devices(json_t *doc)
{
	CLEANUP_NETLINK struct mnl_socket *s = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *list = json_array();
	int r = netlink_open(NETLINK_ROUTE, -1, 0, &s, &err);

	if (r == 0)
		r = vxlan_each(s, add_device, list, &err);
	if (r < 0)
		posture_gap(doc, "vxlan", error_text(&err));
	return list;
}

/* ---- policies ---- */

static json_t *address(const xfrm_address_t *a, uint16_t family)
{
	struct addr addr = {.family = family == AF_INET6 ? AF_INET6 : AF_INET};
	char text[ADDR_TEXT_SIZE];

	memcpy(addr.bytes, a, addr_size(addr.family));
	return json_string(addr_format(&addr, text));
}

static json_t *block(const xfrm_address_t *a, uint16_t family, uint8_t len)
{
	struct prefix p = {.addr = {.family = family == AF_INET6 ? AF_INET6 : AF_INET}, .len = len};
	char text[ADDR_TEXT_SIZE];

	memcpy(p.addr.bytes, a, addr_size(p.addr.family));
	return json_string(prefix_format(&p, text));
}

static const char *mode_name(uint8_t mode)
{
	static const char *const names[] = {
		[XFRM_MODE_TRANSPORT] = "transport",
		[XFRM_MODE_TUNNEL] = "tunnel",
		[XFRM_MODE_ROUTEOPTIMIZATION] = "route optimization",
		[XFRM_MODE_IN_TRIGGER] = "in trigger",
		[XFRM_MODE_BEET] = "beet",
	};

	return mode < ARRAY_SIZE(names) && names[mode] ? names[mode] : "";
}

static void put_mark(json_t *object, const struct nlattr *attr)
{
	struct xfrm_mark mark = {0};

	if (attr && mnl_attr_get_payload_len(attr) >= sizeof(mark))
		memcpy(&mark, mnl_attr_get_payload(attr), sizeof(mark));
	json_object_set_new(object, "mark", json_integer(mark.v));
	json_object_set_new(object, "mask", json_integer(mark.m));
}

static json_t *template_list(const struct nlattr *attr)
{
	json_t *list = json_array();
	size_t n = attr ? mnl_attr_get_payload_len(attr) / sizeof(struct xfrm_user_tmpl) : 0;

	for (size_t i = 0; i < n && i < TEMPLATES_MAX; i++) {
		struct xfrm_user_tmpl t;

		memcpy(&t, (const char *)mnl_attr_get_payload(attr) + i * sizeof(t), sizeof(t));
		json_array_append_new(list,
				      json_pack("{s:o, s:o, s:I, s:I, s:i, s:s, s:b}", "src",
						address(&t.saddr, t.family), "dst",
						address(&t.id.daddr, t.family), "spi",
						(json_int_t)ntohl(t.id.spi), "reqid",
						(json_int_t)t.reqid, "protocol", t.id.proto, "mode",
						mode_name(t.mode), "optional", t.optional));
	}
	return list;
}

static json_t *policy_json(const struct xfrm_userpolicy_info *info)
{
	static const char *const ways[] = {
		[XFRM_POLICY_IN] = "in", [XFRM_POLICY_OUT] = "out", [XFRM_POLICY_FWD] = "fwd"};
	const struct xfrm_selector *sel = &info->sel;

	return json_pack("{s:s, s:o, s:o, s:i, s:i, s:i, s:s}", "dir",
			 info->dir < ARRAY_SIZE(ways) ? ways[info->dir] : "", "src",
			 block(&sel->saddr, sel->family, sel->prefixlen_s), "dst",
			 block(&sel->daddr, sel->family, sel->prefixlen_d), "protocol", sel->proto,
			 "sport", sel->sport_mask ? ntohs(sel->sport) : 0, "dport",
			 sel->dport_mask ? ntohs(sel->dport) : 0, "action",
			 info->action == XFRM_POLICY_ALLOW ? "allow" : "block");
}

static int take_policy(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr, *mark = NULL, *templates = NULL;
	struct xfrm_userpolicy_info info;
	json_t *list = data, *policy;

	if (message->nlmsg_type != XFRM_MSG_NEWPOLICY ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(info) ||
	    json_array_size(list) >= POSTURE_ITEMS_MAX)
		return 0;
	memcpy(&info, mnl_nlmsg_get_payload(message), sizeof(info));
	/* Of the sockets themselves, which the kernel tells of, too. */
	if (info.dir > XFRM_POLICY_FWD)
		return 0;
	mnl_attr_for_each(attr, message, sizeof(info)) {
		if (mnl_attr_get_type(attr) == XFRMA_MARK)
			mark = attr;
		else if (mnl_attr_get_type(attr) == XFRMA_TMPL)
			templates = attr;
	}
	policy = policy_json(&info);
	put_mark(policy, mark);
	json_object_set_new(policy, "templates", template_list(templates));
	json_array_append_new(list, policy);
	return 0;
}

/* ---- states ---- */

/* All three kinds begin with the name; what follows is the key, which is not looked at. */
static void put_algorithm(json_t *object, const char *key, const struct nlattr *attr)
{
	char name[64] = "";
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (len)
		memcpy(name, mnl_attr_get_payload(attr),
		       strnlen(mnl_attr_get_payload(attr),
			       len < sizeof(name) ? len : sizeof(name) - 1));
	json_object_set_new(object, key, posture_string(name));
}

static int take_state(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr, *mark = NULL, *aead = NULL, *cipher = NULL, *auth = NULL;
	struct xfrm_usersa_info info;
	json_t *list = data, *state;

	if (message->nlmsg_type != XFRM_MSG_NEWSA ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(info) ||
	    json_array_size(list) >= POSTURE_ITEMS_MAX)
		return 0;
	memcpy(&info, mnl_nlmsg_get_payload(message), sizeof(info));
	mnl_attr_for_each(attr, message, sizeof(info)) {
		if (mnl_attr_get_type(attr) == XFRMA_MARK)
			mark = attr;
		else if (mnl_attr_get_type(attr) == XFRMA_ALG_AEAD)
			aead = attr;
		else if (mnl_attr_get_type(attr) == XFRMA_ALG_CRYPT)
			cipher = attr;
		else if (mnl_attr_get_type(attr) == XFRMA_ALG_AUTH)
			auth = attr;
	}
	state = json_pack("{s:o, s:o, s:I, s:I, s:i, s:s}", "src",
			  address(&info.saddr, info.family), "dst",
			  address(&info.id.daddr, info.family), "spi",
			  (json_int_t)ntohl(info.id.spi), "reqid", (json_int_t)info.reqid,
			  "protocol", info.id.proto, "mode", mode_name(info.mode));
	put_mark(state, mark);
	put_algorithm(state, "aead", aead);
	put_algorithm(state, "cipher", cipher);
	put_algorithm(state, "auth", auth);
	json_array_append_new(list, state);
	return 0;
}

/* ---- all of it ---- */

/* A change of theirs, or a dump whose reader once had not the patience for its end. */
static bool is_passing(int r)
{
	return r == -EINTR || r == -EBUSY;
}

/* What is dumped is narrowed down by attributes alone: there is no header before them. */
static int dump(struct mnl_socket *s, uint16_t type, int (*found)(const struct nlmsghdr *, void *),
		json_t *list)
{
	int r = -EINTR;

	for (int tries = 0; is_passing(r) && tries < 5; tries++) {
		_Alignas(struct nlmsghdr) char buf[512] = "";
		struct nlmsghdr *request = mnl_nlmsg_put_header(buf);

		request->nlmsg_type = type;
		json_array_clear(list);
		r = netlink_dump(s, request, found, list);
	}
	/* What is missing in a part of it is perhaps in the rest: rather none at all. */
	return r == 0 && json_array_size(list) == POSTURE_ITEMS_MAX ? -E2BIG : r;
}

static json_t *read_stat(void)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	json_t *stat = json_object();
	char *rest, *line;

	if (posture_read("/proc/net/xfrm_stat", STAT_MAX, &text) < 0)
		return stat;
	rest = (char *)buf_text(&text);
	while ((line = strsep(&rest, "\n"))) {
		size_t len = strcspn(line, " \t");
		long long n = strtoll(line + len, NULL, 10);
		CLEANUP_FREE char *name = mem_printf("%.*s", (int)len, line);

		if (len && n > 0)
			json_object_set_new(stat, name, json_integer(n));
	}
	return stat;
}

/* null: the kernel has no XFRM, or will not tell us. The checks say so where there is something to encrypt. */
static json_t *read_xfrm(struct mnl_socket *s)
{
	json_t *policies = json_array(), *states = json_array();
	int r = s ? dump(s, XFRM_MSG_GETPOLICY, take_policy, policies) : -ENOTSUP;

	if (r == 0)
		r = dump(s, XFRM_MSG_GETSA, take_state, states);
	if (r == 0)
		return json_pack("{s:o, s:o, s:o}", "policies", policies, "states", states, "stat",
				 read_stat());
	json_decref(policies);
	json_decref(states);
	return json_null();
}

void posture_overlay(json_t *doc, struct mnl_socket *xfrm)
{
	json_object_set_new(
		doc, "overlay",
		json_pack("{s:o, s:o}", "vxlan", read_devices(doc), "xfrm", read_xfrm(xfrm)));
}
