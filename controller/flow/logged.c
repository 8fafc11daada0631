#include "decode.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

#include "attributes.h"
#include "packet.h"

static void read_header(const struct nlattr *attr, struct flow_packet *ret)
{
	const struct nfulnl_msg_packet_hdr *header = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) < sizeof(*header))
		return;
	ret->ethertype = ntohs(header->hw_protocol);
	ret->hook = header->hook;
}

static void read_prefix(const struct nlattr *attr, struct flow_packet *ret)
{
	size_t len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	if (len >= sizeof(ret->prefix))
		len = sizeof(ret->prefix) - 1;
	memcpy(ret->prefix, mnl_attr_get_payload(attr), len);
	ret->prefix[len] = '\0';
}

/* Of lo it is six zero bytes, which are nobody's. */
static void read_mac(const struct nlattr *attr, struct flow_packet *ret)
{
	static const uint8_t nobody[sizeof(ret->mac)];
	const struct nfulnl_msg_packet_hw *hw = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) < sizeof(*hw) ||
	    ntohs(hw->hw_addrlen) != sizeof(ret->mac) ||
	    memcmp(hw->hw_addr, nobody, sizeof(nobody)) == 0)
		return;
	ret->has_mac = true;
	memcpy(ret->mac, hw->hw_addr, sizeof(ret->mac));
}

static void read_conntrack(const struct nlattr *attr, struct flow_packet *ret)
{
	const struct nlattr *orig;

	if (decode_attributes(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
			      &ret->entry, &orig))
		ret->has_entry = true;
}

static void read_place(const struct nlattr *attr, struct log_place *ret)
{
	ret->known = mnl_attr_get_payload_len(attr) >= sizeof(uint32_t);
	ret->number = read_be32(attr);
}

static void read_attribute(const struct nlattr *attr, struct flow_packet *ret,
			   struct log_place *ret_place)
{
	switch (mnl_attr_get_type(attr)) {
	case NFULA_PACKET_HDR:
		read_header(attr, ret);
		break;
	case NFULA_PREFIX:
		read_prefix(attr, ret);
		break;
	case NFULA_IFINDEX_INDEV:
		ret->in = read_be32(attr);
		break;
	case NFULA_IFINDEX_OUTDEV:
		ret->out = read_be32(attr);
		break;
	case NFULA_IFINDEX_PHYSINDEV:
		ret->phys_in = read_be32(attr);
		break;
	case NFULA_IFINDEX_PHYSOUTDEV:
		ret->phys_out = read_be32(attr);
		break;
	case NFULA_HWADDR:
		read_mac(attr, ret);
		break;
	case NFULA_CT:
		read_conntrack(attr, ret);
		break;
	case NFULA_SEQ:
		read_place(attr, ret_place);
		break;
	}
}

/* The tables of an IP family hold packets of no other, whatever the frame's header said that brought them: it was
 * there before a tunnel was taken off, say. */
static uint16_t carried(const struct flow_packet *p)
{
	if (p->family == NFPROTO_IPV4)
		return ETH_P_IP;
	return p->family == NFPROTO_IPV6 ? ETH_P_IPV6 : p->ethertype;
}

bool decode_logged(const struct nlmsghdr *message, struct flow_packet *ret,
		   struct log_place *ret_place)
{
	const struct nfgenmsg *nf = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *payload = NULL;
	struct flow_packet p = {0};
	struct log_place place = {0};

	if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*nf))
		return false;
	p.family = nf->nfgen_family;
	mnl_attr_for_each(attr, message, sizeof(*nf)) {
		if (mnl_attr_get_type(attr) == NFULA_PAYLOAD)
			payload = attr;
		else
			read_attribute(attr, &p, &place);
	}
	if (payload)
		packet_decode(carried(&p), mnl_attr_get_payload(payload),
			      mnl_attr_get_payload_len(payload), &p);
	*ret = p;
	*ret_place = place;
	return true;
}
