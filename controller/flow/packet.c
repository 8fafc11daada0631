#include "packet.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define MAX_TAGS       2 /* VLANs: one in another */
#define MAX_EXTENSIONS 8 /* of IPv6; a packet may hold as many as fit, but nobody means it */

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define IPV4_OFFSET 0x1fff
#define IPV6_OFFSET 0xfff8

/* What is left of the packet. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

/* Numbers in network order; false where B does not reach that far. */

static bool get_u8(const struct bytes *b, size_t offset, uint8_t *ret)
{
	if (offset >= b->len)
		return false;
	*ret = b->at[offset];
	return true;
}

static bool get_be16(const struct bytes *b, size_t offset, uint16_t *ret)
{
	if (b->len < 2 || offset > b->len - 2)
		return false;
	*ret = (uint16_t)(b->at[offset] << 8 | b->at[offset + 1]);
	return true;
}

static bool get_addr(const struct bytes *b, size_t offset, uint8_t family, struct addr *ret)
{
	size_t size = addr_size(family);

	if (b->len < size || offset > b->len - size)
		return false;
	*ret = (struct addr) {.family = family};
	memcpy(ret->bytes, b->at + offset, size);
	return true;
}

static bool skip(struct bytes *b, size_t n)
{
	if (n > b->len)
		return false;
	b->at += n;
	b->len -= n;
	return true;
}

/* What follows the packet in its frame, to fill it up, is none of it. */
static void cut(struct bytes *b, size_t len)
{
	if (b->len > len)
		b->len = len;
}

/* An IP header and what follows it. */
struct datagram {
	struct flow_tuple tuple;
	uint32_t length;
	bool fragment;
	bool has_payload; /* B stands at the header that tuple.protocol names */
};

/* A length of 0 is that of a packet larger than the header can say, which the machine has put together itself. */
static void read_ipv4(struct bytes *b, struct datagram *ret)
{
	uint8_t first;
	uint16_t total, offset;
	size_t header;

	if (!get_u8(b, 0, &first) || first >> 4 != 4)
		return;
	header = (size_t)(first & 15) * 4;
	if (header < IPV4_HEADER || !get_be16(b, 2, &total))
		return;
	ret->length = total;
	if (!get_be16(b, 6, &offset))
		return;
	ret->fragment = offset & IPV4_OFFSET;
	if (!get_u8(b, 9, &ret->tuple.protocol) || !get_addr(b, 12, AF_INET, &ret->tuple.src) ||
	    !get_addr(b, 16, AF_INET, &ret->tuple.dst))
		return;
	cut(b, total ? total : b->len);
	ret->has_payload = !ret->fragment && skip(b, header);
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT ||
	       protocol == IPPROTO_AH;
}

/* Steps over the extension header KIND, which is the one at B. */
static bool skip_extension(struct bytes *b, uint8_t kind, struct datagram *ret)
{
	uint8_t next, units;
	uint16_t offset = 0;
	size_t size;

	if (!get_u8(b, 0, &next) || !get_u8(b, 1, &units))
		return false;
	if (kind == IPPROTO_FRAGMENT) {
		size = 8;
		if (!get_be16(b, 2, &offset))
			return false;
	} else {
		size = kind == IPPROTO_AH ? ((size_t)units + 2) * 4 : ((size_t)units + 1) * 8;
	}
	ret->tuple.protocol = next;
	ret->fragment = offset & IPV6_OFFSET;
	return !ret->fragment && skip(b, size);
}

/* The headers that the kernel's `meta l4proto` steps over, too. */
static void read_ipv6(struct bytes *b, struct datagram *ret)
{
	uint8_t first;
	uint16_t payload;

	if (!get_u8(b, 0, &first) || first >> 4 != 6 || !get_be16(b, 4, &payload))
		return;
	ret->length = (uint32_t)payload + IPV6_HEADER;
	if (!get_u8(b, 6, &ret->tuple.protocol) || !get_addr(b, 8, AF_INET6, &ret->tuple.src) ||
	    !get_addr(b, 24, AF_INET6, &ret->tuple.dst))
		return;
	cut(b, payload ? ret->length : b->len);
	skip(b, IPV6_HEADER);
	for (size_t n = 0; is_extension(ret->tuple.protocol); n++)
		if (n == MAX_EXTENSIONS || !skip_extension(b, ret->tuple.protocol, ret))
			return;
	ret->has_payload = true;
}

bool packet_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static bool is_icmp(const struct flow_tuple *t)
{
	return t->protocol == (t->src.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static void read_transport(const struct bytes *b, struct flow_tuple *t)
{
	uint16_t first, second;

	if (packet_has_ports(t->protocol) && get_be16(b, 0, &first) && get_be16(b, 2, &second)) {
		t->has_ports = true;
		t->sport = first;
		t->dport = second;
	} else if (is_icmp(t) && get_be16(b, 0, &first)) {
		t->has_icmp = true;
		t->icmp_type = (uint8_t)(first >> 8);
		t->icmp_code = (uint8_t)first;
	}
}

static struct datagram read_datagram(uint8_t family, struct bytes *b)
{
	struct datagram d = {0};

	if (family == AF_INET6)
		read_ipv6(b, &d);
	else
		read_ipv4(b, &d);
	/* Half an address pair is none. */
	if (!addr_is_set(&d.tuple.dst))
		d.tuple = (struct flow_tuple) {0};
	if (d.has_payload)
		read_transport(b, &d.tuple);
	return d;
}

/* Errors quote the packet that they are about, behind 8 bytes of their own. */
static bool is_error(const struct flow_tuple *t)
{
	if (!t->has_icmp)
		return false;
	if (t->src.family == AF_INET6)
		return t->icmp_type < ICMP6_INFOMSG_MASK;
	return t->icmp_type == ICMP_DEST_UNREACH || t->icmp_type == ICMP_SOURCE_QUENCH ||
	       t->icmp_type == ICMP_REDIRECT || t->icmp_type == ICMP_TIME_EXCEEDED ||
	       t->icmp_type == ICMP_PARAMETERPROB;
}

static void read_ip(uint8_t family, struct bytes *b, struct flow_packet *ret)
{
	struct datagram d = read_datagram(family, b);

	ret->tuple = d.tuple;
	ret->length = d.length;
	ret->fragment = d.fragment;
	if (!is_error(&ret->tuple) || !skip(b, 8))
		return;
	ret->inner = read_datagram(family, b).tuple;
	ret->has_inner = addr_is_set(&ret->inner.src);
}

/* Type of hardware, type of protocol, lengths of both kinds of address, operation; sender's two, target's two. */
static void read_arp(const struct bytes *b, struct flow_packet *ret)
{
	uint16_t protocol;
	uint8_t hardware, size;
	struct flow_tuple t = {0};

	if (!get_be16(b, 2, &protocol) || protocol != ETH_P_IP || !get_u8(b, 4, &hardware) ||
	    !get_u8(b, 5, &size) || size != addr_size(AF_INET))
		return;
	ret->length = 8 + 2 * ((uint32_t)hardware + size);
	if (get_addr(b, 8 + (size_t)hardware, AF_INET, &t.src) &&
	    get_addr(b, 8 + 2 * (size_t)hardware + size, AF_INET, &t.dst))
		ret->tuple = t;
}

/* The tag that the frame had on the wire the kernel has taken off; one within it stands before the packet. */
static uint16_t skip_tags(uint16_t ethertype, struct bytes *b)
{
	uint16_t next;

	for (int n = 0; n < MAX_TAGS && (ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD);
	     n++) {
		if (!get_be16(b, 2, &next) || !skip(b, 4))
			break;
		ethertype = next;
	}
	return ethertype;
}

void packet_decode(uint16_t ethertype, const uint8_t *data, size_t len, struct flow_packet *ret)
{
	struct bytes b = {data, len};

	ret->ethertype = skip_tags(ethertype, &b);
	switch (ret->ethertype) {
	case ETH_P_IP:
		read_ip(AF_INET, &b, ret);
		break;
	case ETH_P_IPV6:
		read_ip(AF_INET6, &b, ret);
		break;
	case ETH_P_ARP:
		read_arp(&b, ret);
		break;
	}
}
