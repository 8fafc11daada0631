#include "posture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <net/if.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define VALUE_MAX 64 /* bytes of a switch */

/* ---- switches ---- */

/* NAME as below /proc/sys. What is under /proc/sys/net is that of the calling thread's namespace. */
static void add_sysctl(json_t *sysctls, const char *name)
{
	CLEANUP_FREE char *path = mem_printf("/proc/sys/%s", name);
	CLEANUP_BUF struct buf value = BUF_INIT;

	if (posture_read(path, VALUE_MAX, &value) < 0)
		return;
	while (value.len && value.data[value.len - 1] == '\n')
		buf_truncate(&value, value.len - 1);
	json_object_set_new(sysctls, name, posture_string(buf_text(&value)));
}

static void add_sysctls_of(json_t *sysctls, const char *interface)
{
	static const char *const names[] = {"ipv4/conf/%s/route_localnet", "ipv4/conf/%s/rp_filter",
					    "ipv6/conf/%s/accept_ra"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_BUF struct buf name = BUF_INIT;
		const char *at = strstr(names[i], "%s");

		buf_printf(&name, "net/%.*s%s%s", (int)(at - names[i]), names[i], interface,
			   at + 2);
		add_sysctl(sysctls, buf_text(&name));
	}
}

static void add_sysctls(json_t *doc)
{
	static const char *const names[] = {
		"net/ipv4/ip_forward",
		"net/ipv4/ip_local_port_range",
		"net/ipv6/conf/all/forwarding",
		"net/bridge/bridge-nf-call-iptables",
		"net/bridge/bridge-nf-call-ip6tables",
		"net/bridge/bridge-nf-call-arptables",
		"kernel/modules_disabled",
	};
	const json_t *interfaces = json_object_get(doc, "interfaces");
	json_t *sysctls = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		add_sysctl(sysctls, names[i]);
	add_sysctls_of(sysctls, "all");
	for (size_t i = 0; i < json_array_size(interfaces); i++)
		add_sysctls_of(sysctls, json_string_value(json_object_get(
						json_array_get(interfaces, i), "name")));
	json_object_set_new(doc, "sysctl", sysctls);
}

void host_posture_refresh(json_t *posture)
{
	static const char *const names[] = {
		"net/bridge/bridge-nf-call-iptables",
		"net/bridge/bridge-nf-call-ip6tables",
	};
	json_t *sysctls = json_object_get(posture, "sysctl");

	for (size_t i = 0; sysctls && i < ARRAY_SIZE(names); i++) {
		json_object_del(sysctls, names[i]);
		add_sysctl(sysctls, names[i]);
	}
}

/* ---- interfaces ---- */

static const char *kind_of(const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attr);
	}
	return "";
}

static int found_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const char *name = NULL, *kind = "";
	json_t *list = data, *link;
	const struct nlattr *attr;
	bool port = false;

	mnl_attr_for_each(attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			kind = kind_of(attr);
		port |= mnl_attr_get_type(attr) == IFLA_MASTER;
	}
	if (!name || (port && !strcmp(kind, "veth")) || json_array_size(list) >= POSTURE_ITEMS_MAX)
		return 0;
	link = json_object();
	json_object_set_new(link, "name", posture_string(name));
	json_object_set_new(link, "index", json_integer(info->ifi_index));
	json_object_set_new(link, "kind", posture_string(kind));
	json_object_set_new(link, "up", json_boolean(info->ifi_flags & IFF_UP));
	json_array_append_new(list, link);
	return 0;
}

static void add_interfaces(json_t *doc)
{
	_Alignas(struct nlmsghdr) char buf[128];
	CLEANUP_NETLINK struct mnl_socket *s = NULL;
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	json_t *list = json_array();
	int r = netlink_open(NETLINK_ROUTE, -1, 0, &s, &err);

	json_object_set_new(doc, "interfaces", list);
	request->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (r == 0 && (r = netlink_dump(s, request, found_link, list)) < 0)
		error_set(&err, r, "%s", strerror(-r));
	if (r < 0)
		posture_gap(doc, "interfaces", error_text(&err));
}

/* ---- sockets that wait ---- */

struct sockets {
	json_t *list;
	const json_t *interfaces;
	const char *protocol;
};

/* The control group that it was made in, as the kernel numbers it: from 5.9 on. */
static void add_cgroup(json_t *socket, const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct inet_diag_msg)) {
		if (mnl_attr_get_type(attr) == INET_DIAG_CGROUP_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
			json_object_set_new(socket, "cgroup",
					    json_integer((json_int_t)mnl_attr_get_u64(attr)));
	}
}

/* The only interface that it takes anything from. */
static void add_interface(json_t *socket, const json_t *interfaces, uint32_t index)
{
	for (size_t i = 0; index && i < json_array_size(interfaces); i++) {
		const json_t *one = json_array_get(interfaces, i);

		if (json_integer_value(json_object_get(one, "index")) == index)
			json_object_set(socket, "interface", json_object_get(one, "name"));
	}
}

static int found_socket(const struct nlmsghdr *message, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(message);
	const struct sockets *s = data;
	char addr[INET6_ADDRSTRLEN];
	json_t *one;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*m) ||
	    json_array_size(s->list) >= POSTURE_ITEMS_MAX ||
	    !inet_ntop(m->idiag_family, m->id.idiag_src, addr, sizeof(addr)))
		return 0;
	one = json_pack("{s:s, s:s, s:i, s:I, s:I}", "protocol", s->protocol, "addr", addr, "port",
			ntohs(m->id.idiag_sport), "uid", (json_int_t)m->idiag_uid, "inode",
			(json_int_t)m->idiag_inode);
	add_cgroup(one, message);
	add_interface(one, s->interfaces, m->id.idiag_if);
	json_array_append_new(s->list, one);
	return 0;
}

static int dump_sockets(struct mnl_socket *diag, struct sockets *s, uint8_t family,
			uint8_t protocol)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	bool tcp = protocol == IPPROTO_TCP;
	struct inet_diag_req_v2 *want;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	want = mnl_nlmsg_put_extra_header(request, sizeof(*want));
	want->sdiag_family = family;
	want->sdiag_protocol = protocol;
	/* A UDP socket that has no peer takes from everybody. */
	want->idiag_states = 1u << (tcp ? TCP_LISTEN : TCP_CLOSE);
	s->protocol = tcp ? "tcp" : "udp";
	return netlink_dump(diag, request, found_socket, s);
}

static int dump_all(struct mnl_socket *diag, struct sockets *s)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		r = dump_sockets(diag, s, families[i], IPPROTO_TCP);
		if (r == 0)
			r = dump_sockets(diag, s, families[i], IPPROTO_UDP);
	}
	return r;
}

static void add_listening(json_t *doc, struct mnl_socket *diag, const char *why)
{
	json_t *list = json_array();
	struct sockets s = {.list = list, .interfaces = json_object_get(doc, "interfaces")};
	int r = diag ? dump_all(diag, &s) : 0;

	json_object_set_new(doc, "listening", list);
	if (!diag || r < 0)
		posture_gap(doc, "listening", diag ? strerror(-r) : why);
	if (json_array_size(list) == POSTURE_ITEMS_MAX)
		posture_gap(doc, "listening", "there are more sockets than are looked at");
}

void posture_network(json_t *doc, struct mnl_socket *diag, const char *why)
{
	add_interfaces(doc);
	add_sysctls(doc);
	add_listening(doc, diag, why);
}
