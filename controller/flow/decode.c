#include "decode.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "attributes.h"
#include "packet.h"

struct tuple {
	struct addr src, dst;
	uint8_t protocol;
	uint16_t sport, dport;
	uint16_t icmp_id;
	uint8_t icmp_type, icmp_code;
};

static struct addr read_addr(const struct nlattr *attr, uint8_t family)
{
	struct addr a = {0};

	if (mnl_attr_get_payload_len(attr) < addr_size(family))
		return a;
	a.family = family;
	memcpy(a.bytes, mnl_attr_get_payload(attr), addr_size(family));
	return a;
}

static void read_ip(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
			t->src = read_addr(attr, AF_INET);
			break;
		case CTA_IP_V4_DST:
			t->dst = read_addr(attr, AF_INET);
			break;
		case CTA_IP_V6_SRC:
			t->src = read_addr(attr, AF_INET6);
			break;
		case CTA_IP_V6_DST:
			t->dst = read_addr(attr, AF_INET6);
			break;
		}
	}
}

static void read_proto(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			t->protocol = read_u8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
			t->sport = read_be16(attr);
			break;
		case CTA_PROTO_DST_PORT:
			t->dport = read_be16(attr);
			break;
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			t->icmp_id = read_be16(attr);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			t->icmp_type = read_u8(attr);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			t->icmp_code = read_u8(attr);
			break;
		}
	}
	/* GRE's keys come in the ports' attributes. */
	if (!packet_has_ports(t->protocol))
		t->sport = t->dport = 0;
}

static struct tuple read_tuple(const struct nlattr *nest)
{
	struct tuple t = {0};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_ip(attr, &t);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			read_proto(attr, &t);
	}
	return t;
}

/* The kernel forgives both ends what it cannot know, as it did not see the first packets: this stays until it sees a
 * handshake. */
static bool is_liberal(const struct nlattr *attr)
{
	const struct nf_ct_tcp_flags *f = mnl_attr_get_payload(attr);

	return mnl_attr_get_payload_len(attr) >= sizeof(*f) && f->flags & IP_CT_TCP_FLAG_BE_LIBERAL;
}

static void read_tcp(const struct nlattr *nest, struct flow_entry *ret)
{
	bool liberal[2] = {false, false};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTOINFO_TCP_STATE:
			ret->established = read_u8(attr) == TCP_CONNTRACK_ESTABLISHED;
			break;
		case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
			liberal[0] = is_liberal(attr);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_REPLY:
			liberal[1] = is_liberal(attr);
			break;
		}
	}
	ret->midway = liberal[0] && liberal[1];
}

static void read_protoinfo(const struct nlattr *protoinfo, struct flow_entry *ret)
{
	const struct nlattr *nest;

	mnl_attr_for_each_nested(nest, protoinfo)
		if (mnl_attr_get_type(nest) == CTA_PROTOINFO_TCP)
			read_tcp(nest, ret);
}

static bool is_whole(const struct tuple *t)
{
	return addr_is_set(&t->src) && addr_is_set(&t->dst);
}

bool decode_attributes(const void *attributes, size_t len, struct flow_entry *ret,
		       const struct nlattr **ret_orig)
{
	struct tuple orig = {0}, reply = {0};
	struct flow_entry e = {0};
	const struct nlattr *attr, *name = NULL;

	mnl_attr_for_each_payload(attributes, len) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			name = attr;
			orig = read_tuple(attr);
			break;
		case CTA_TUPLE_REPLY:
			reply = read_tuple(attr);
			break;
		case CTA_STATUS:
			e.dnat = read_be32(attr) & IPS_DST_NAT;
			e.answered = read_be32(attr) & IPS_SEEN_REPLY;
			break;
		case CTA_PROTOINFO:
			read_protoinfo(attr, &e);
			break;
		case CTA_ZONE:
			e.zone = read_be16(attr);
			break;
		case CTA_ID:
			e.id = read_be32(attr);
			break;
		}
	}
	if (!is_whole(&orig) || !is_whole(&reply))
		return false;
	e.orig_src = orig.src;
	e.orig_dst = orig.dst;
	e.reply_src = reply.src;
	e.reply_dst = reply.dst;
	e.protocol = orig.protocol;
	e.orig_sport = orig.sport;
	e.orig_dport = orig.dport;
	e.reply_sport = reply.sport;
	e.reply_dport = reply.dport;
	e.icmp_id = orig.icmp_id;
	e.icmp_type = orig.icmp_type;
	e.icmp_code = orig.icmp_code;
	*ret = e;
	*ret_orig = name;
	return true;
}

bool decode_entry(const struct nlmsghdr *message, struct flow_entry *ret,
		  const struct nlattr **ret_orig)
{
	const size_t head = MNL_ALIGN(sizeof(struct nfgenmsg));

	return mnl_nlmsg_get_payload_len(message) >= head &&
	       decode_attributes(mnl_nlmsg_get_payload_offset(message, head),
				 mnl_nlmsg_get_payload_len(message) - head, ret, ret_orig);
}

/* ---- events ---- */

static void read_counters(const struct nlattr *nest, struct flow_event *ret, size_t direction)
{
	const struct nlattr *attr;

	ret->counted = true;
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_COUNTERS_PACKETS)
			ret->packets[direction] = read_be64(attr);
		else if (mnl_attr_get_type(attr) == CTA_COUNTERS_BYTES)
			ret->bytes[direction] = read_be64(attr);
	}
}

bool decode_event(const struct nlmsghdr *message, struct flow_event *ret)
{
	uint8_t type = message->nlmsg_type & 0xff;
	struct flow_event event = {.kind = type == IPCTNL_MSG_CT_DELETE ? FLOW_ENDS : FLOW_BEGINS};
	const struct nlattr *attr;

	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK ||
	    (type != IPCTNL_MSG_CT_NEW && type != IPCTNL_MSG_CT_DELETE) ||
	    !decode_entry(message, &event.entry, &attr))
		return false;
	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == CTA_COUNTERS_ORIG)
			read_counters(attr, &event, 0);
		else if (mnl_attr_get_type(attr) == CTA_COUNTERS_REPLY)
			read_counters(attr, &event, 1);
	}
	*ret = event;
	return true;
}
