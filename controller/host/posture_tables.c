#include "posture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define NAMES_MAX 4096 /* bytes of a list of tables */
#define ATTEMPTS  5

/* ---- nftables: names alone ---- */

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "";
	}
}

/* As `nft list` names them. */
static const char *hook_name(uint8_t family, uint32_t hook)
{
	static const char *const names[] = {[NF_INET_PRE_ROUTING] = "prerouting",
					    [NF_INET_LOCAL_IN] = "input",
					    [NF_INET_FORWARD] = "forward",
					    [NF_INET_LOCAL_OUT] = "output",
					    [NF_INET_POST_ROUTING] = "postrouting"};

	if (family == NFPROTO_NETDEV)
		return hook == NF_NETDEV_INGRESS ? "ingress" : "egress";
	if (family == NFPROTO_ARP)
		return hook == 0 ? "input" : "output";
	return hook < ARRAY_SIZE(names) ? names[hook] : "ingress";
}

static const char *text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(attr);
}

static uint8_t family_of(const struct nlmsghdr *message)
{
	return ((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family;
}

/* The table NAME of FAMILY in LIST, or NULL. */
static json_t *find_table(json_t *list, uint8_t family, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *table = json_array_get(list, i);

		if (!strcmp(json_string_value(json_object_get(table, "family")),
			    family_name(family)) &&
		    !strcmp(json_string_value(json_object_get(table, "name")), name))
			return table;
	}
	return NULL;
}

static int found_table(const struct nlmsghdr *message, void *data)
{
	const struct nlattr *attr;
	json_t *list = data;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_TABLE_NAME ||
		    json_array_size(list) >= POSTURE_ITEMS_MAX)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:o, s:[], s:[]}", "family",
						      family_name(family_of(message)), "name",
						      posture_string(text_of(attr)), "chains",
						      "flowtables"));
	}
	return 0;
}

struct chain {
	const char *table, *name, *type;
	bool base, drops;
	uint32_t hook;
	int32_t priority;
};

static uint32_t number_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) < 0 ? 0 : ntohl(mnl_attr_get_u32(attr));
}

static void read_hook(const struct nlattr *nest, struct chain *c)
{
	const struct nlattr *attr;

	c->base = true;
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
			c->hook = number_of(attr);
		else if (mnl_attr_get_type(attr) == NFTA_HOOK_PRIORITY)
			c->priority = (int32_t)number_of(attr);
	}
}

static struct chain read_chain(const struct nlmsghdr *message)
{
	struct chain c = {.table = "", .name = "", .type = ""};
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			c.table = text_of(attr);
			break;
		case NFTA_CHAIN_NAME:
			c.name = text_of(attr);
			break;
		case NFTA_CHAIN_TYPE:
			c.type = text_of(attr);
			break;
		case NFTA_CHAIN_POLICY:
			c.drops = number_of(attr) == NF_DROP;
			break;
		case NFTA_CHAIN_HOOK:
			read_hook(attr, &c);
			break;
		default:
			break;
		}
	}
	return c;
}

static int found_chain(const struct nlmsghdr *message, void *data)
{
	uint8_t family = family_of(message);
	struct chain c = read_chain(message);
	json_t *chains = json_object_get(find_table(data, family, c.table), "chains");

	if (!c.base || !chains || json_array_size(chains) >= POSTURE_ITEMS_MAX)
		return 0;
	json_array_append_new(chains,
			      json_pack("{s:o, s:o, s:s, s:i, s:s}", "name", posture_string(c.name),
					"type", posture_string(c.type), "hook",
					hook_name(family, c.hook), "priority", (int)c.priority,
					"policy", c.drops ? "drop" : "accept"));
	return 0;
}

static int found_flowtable(const struct nlmsghdr *message, void *data)
{
	const char *table = "", *name = "";
	const struct nlattr *attr;
	json_t *names;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_TABLE)
			table = text_of(attr);
		else if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_NAME)
			name = text_of(attr);
	}
	names = json_object_get(find_table(data, family_of(message), table), "flowtables");
	if (names && json_array_size(names) < POSTURE_ITEMS_MAX)
		json_array_append_new(names, posture_string(name));
	return 0;
}

static int dump(struct mnl_socket *s, int what, int (*found)(const struct nlmsghdr *, void *),
		json_t *list)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *header;

	request->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = NFPROTO_UNSPEC;
	return netlink_dump(s, request, found, list);
}

static int dump_all(struct mnl_socket *s, json_t *list)
{
	int r;

	json_array_clear(list);
	if ((r = dump(s, NFT_MSG_GETTABLE, found_table, list)) < 0 ||
	    (r = dump(s, NFT_MSG_GETCHAIN, found_chain, list)) < 0)
		return r;
	r = dump(s, NFT_MSG_GETFLOWTABLE, found_flowtable, list);
	/* A kernel without flowtables has none. */
	return r == -EOPNOTSUPP || r == -EINVAL || r == -ENOENT ? 0 : r;
}

static int read_tables(json_t *list, struct error *err)
{
	CLEANUP_NETLINK struct mnl_socket *s = NULL;
	int r = netlink_open(NETLINK_NETFILTER, -1, 0, &s, err);

	if (r < 0)
		return r;
	/* A writer disturbs the dump: it is begun anew then. */
	for (int i = 0; i < ATTEMPTS; i++) {
		r = dump_all(s, list);
		if (r != -EINTR)
			break;
	}
	return r < 0 ? error_set(err, r, "%s", strerror(-r)) : 0;
}

/* ---- iptables of old ---- */

static void add_legacy(json_t *doc, const char *key, const char *path)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	json_t *list = json_array();
	int r = posture_read(path, NAMES_MAX, &names);

	json_object_set_new(doc, key, list);
	/* No such module: no such table. */
	if (r < 0 && r != -ENOENT)
		posture_gap(doc, "iptables", strerror(-r));
	for (const char *at = buf_text(&names); *at;) {
		size_t len = strcspn(at, "\n");
		CLEANUP_FREE char *name = mem_strndup(at, len);

		if (len)
			json_array_append_new(list, posture_string(name));
		at += len + (at[len] == '\n');
	}
}

void posture_tables(json_t *doc)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	json_t *list = json_array();

	json_object_set_new(doc, "nftables", list);
	if (read_tables(list, &err) < 0)
		posture_gap(doc, "nftables", error_text(&err));
	add_legacy(doc, "iptables_legacy", "/proc/thread-self/net/ip_tables_names");
	add_legacy(doc, "ip6tables_legacy", "/proc/thread-self/net/ip6_tables_names");
}
