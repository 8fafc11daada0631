/* Comparisons of registers, decoded. nft merges loads that lie side by side, so one may yield two
 * expressions. */
#include "registers.h"

#include <netinet/in.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "kinds.h"

static void add(struct reading *d, struct ruleset_expr e)
{
	ruleset_add_expr(d->rule, &e);
}

struct comparison {
	const struct slot *slot;
	uint32_t op;
	bool negate; /* of NFT_CMP_EQ and NFT_CMP_NEQ */
	const uint8_t *data;
	uint32_t len;
};

static bool is_equality(const struct comparison *c)
{
	return c->op == NFT_CMP_EQ || c->op == NFT_CMP_NEQ;
}

static bool compare_interface(struct reading *d, const struct comparison *c)
{
	char name[IFNAMSIZ + 1] = "";

	if (c->len > IFNAMSIZ || c->slot->masked)
		return false;
	memcpy(name, c->data, c->len);
	if (strchr(name, '*') || (c->len < IFNAMSIZ && strlen(name) != c->len))
		return false;
	if (c->len < IFNAMSIZ)
		name[c->len] = '*';
	add(d, (struct ruleset_expr) {.kind = c->slot->key == NFT_META_IIFNAME ? EXPR_IIFNAME
									       : EXPR_OIFNAME,
				      .negate = c->negate,
				      .name = name});
	return true;
}

static bool compare_nfproto(struct reading *d, const struct comparison *c)
{
	if (c->negate || c->len != 1 || (c->data[0] != NFPROTO_IPV4 && c->data[0] != NFPROTO_IPV6))
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_NFPROTO,
				      .number = c->data[0] == NFPROTO_IPV4 ? AF_INET : AF_INET6});
	return true;
}

/* What stands for nfproto in a table of family bridge. */
static bool compare_ethertype(struct reading *d, const struct comparison *c)
{
	uint32_t type = c->len == 2 ? (uint32_t)(c->data[0] << 8 | c->data[1]) : 0;

	if (c->negate || (type != 0x0800 && type != 0x86dd))
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_NFPROTO,
				      .number = type == 0x0800 ? AF_INET : AF_INET6});
	return true;
}

/* Only ever before EXPR_LINK_GROUP, of which it is a part. */
static bool compare_iiftype(const struct comparison *c)
{
	static const uint16_t ether = ARPHRD_ETHER;

	return !c->negate && c->len == sizeof(ether) && memcmp(c->data, &ether, sizeof(ether)) == 0;
}

/* Whether a packet came, or goes, by IPsec. */
static bool compare_ipsec(struct reading *d, const struct comparison *c,
			  enum ruleset_expr_kind kind)
{
	if (c->op != NFT_CMP_EQ || c->slot->masked || c->len != 1 || c->data[0] > 1)
		return false;
	add(d, (struct ruleset_expr) {.kind = kind, .negate = !c->data[0]});
	return true;
}

static bool compare_packet_type(struct reading *d, const struct comparison *c)
{
	if (c->negate || c->slot->masked || c->len != 1 || c->data[0] != PACKET_MULTICAST)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_MULTICAST});
	return true;
}

static bool compare_meta(struct reading *d, const struct comparison *c)
{
	if (!is_equality(c))
		return false;
	switch (c->slot->key) {
	case NFT_META_IIFNAME:
	case NFT_META_OIFNAME:
		return compare_interface(d, c);
	case NFT_META_NFPROTO:
		return compare_nfproto(d, c);
	case NFT_META_PROTOCOL:
		return compare_ethertype(d, c);
	case NFT_META_IIFTYPE:
		return compare_iiftype(c);
	case NFT_META_PKTTYPE:
		return compare_packet_type(d, c);
	case NFT_META_SECPATH:
		return compare_ipsec(d, c, EXPR_IPSEC_IN);
	default:
		if (c->len != 1)
			return false;
		add(d, (struct ruleset_expr) {
			       .kind = EXPR_L4PROTO, .negate = c->negate, .number = c->data[0]});
		return true;
	}
}

/* Bits of a state: 'none of them' is equality with nothing. */
static bool compare_ct_bits(struct reading *d, const struct comparison *c)
{
	static const uint8_t none[4];
	struct ruleset_expr e = {.negate = !c->negate};
	uint32_t bits;

	if (!is_equality(c) || !c->slot->masked || c->len != 4 || memcmp(c->data, none, 4) != 0)
		return false;
	memcpy(&bits, c->slot->mask, sizeof(bits));
	if (c->slot->key == NFT_CT_STATE) {
		e.kind = EXPR_CT_STATE;
		e.number = bits;
	} else if (c->slot->key == NFT_CT_STATUS && bits == IPS_DST_NAT) {
		e.kind = EXPR_CT_DNAT;
	} else {
		return false;
	}
	add(d, e);
	return true;
}

static uint16_t port_of(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static void add_ports(struct reading *d, const struct slot *s, uint16_t first, uint16_t last)
{
	add(d,
	    (struct ruleset_expr) {.kind = s->held == HELD_CT ? EXPR_CT_ORIG_PORT : EXPR_TH_DPORT,
				   .first = first,
				   .last = last});
}

static bool compare_ports(struct reading *d, const struct comparison *c)
{
	if (c->len != 2 || c->slot->masked)
		return false;
	switch (c->op) {
	case NFT_CMP_EQ:
		add_ports(d, c->slot, port_of(c->data), port_of(c->data));
		return true;
	case NFT_CMP_GTE:
		d->range = c->slot;
		d->first = port_of(c->data);
		return true;
	case NFT_CMP_LTE:
		if (d->range != c->slot)
			return false;
		d->range = NULL;
		add_ports(d, c->slot, d->first, port_of(c->data));
		return true;
	default:
		return false;
	}
}

static bool compare_fib(struct reading *d, const struct comparison *c)
{
	uint32_t type;

	if (!is_equality(c) || c->len != sizeof(type))
		return false;
	memcpy(&type, c->data, sizeof(type));
	if (type != RTN_LOCAL)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_FIB_LOCAL, .negate = c->negate});
	return true;
}

/* The value that the rule compared the last time it matched KIND, or 0. */
static uint32_t fixed(const struct reading *d, enum ruleset_expr_kind kind)
{
	for (size_t i = d->rule->len; i-- > 0;)
		if (d->rule->exprs[i].kind == kind && !d->rule->exprs[i].negate)
			return d->rule->exprs[i].number;
	return 0;
}

static bool compare_tcp_flags(struct reading *d, const struct comparison *c)
{
	if (!c->slot->masked || c->slot->mask[0] != 0x17 || c->op != NFT_CMP_NEQ || c->len != 1 ||
	    c->data[0] != 0x02)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_TCP_NOT_SYN});
	return true;
}

/* The type, the code, or both in one. */
static bool compare_icmp(struct reading *d, const struct comparison *c)
{
	uint32_t protocol = fixed(d, EXPR_L4PROTO);
	uint8_t family = protocol == IPPROTO_ICMPV6 ? AF_INET6 : AF_INET;

	if ((protocol != IPPROTO_ICMPV6 && protocol != IPPROTO_ICMP) || c->op != NFT_CMP_EQ ||
	    c->slot->masked || c->slot->offset + c->slot->size > 2)
		return false;
	for (uint32_t i = 0; i < c->slot->size; i++)
		add(d, (struct ruleset_expr) {.kind = c->slot->offset + i == 0 ? EXPR_ICMP
									       : EXPR_ICMP_CODE,
					      .family = family,
					      .number = c->data[i]});
	return true;
}

static bool compare_transport(struct reading *d, const struct comparison *c)
{
	if (c->slot->offset == 2 && c->slot->size == 2)
		return compare_ports(d, c);
	if (c->slot->offset == 13 && c->slot->size == 1)
		return compare_tcp_flags(d, c);
	return compare_icmp(d, c);
}

/* The length of the prefix that MASK is of SIZE bytes, or -1. */
static int mask_length(const uint8_t *mask, uint32_t size)
{
	int len = 0;

	while (len < (int)size * 8 && (mask[len / 8] & 0x80 >> len % 8))
		len++;
	for (int i = len; i < (int)size * 8; i++)
		if (mask[i / 8] & 0x80 >> i % 8)
			return -1;
	return len;
}

static void add_address(struct reading *d, bool source, uint8_t family, const uint8_t *data,
			uint32_t size, int len, bool negate)
{
	struct prefix p = {.addr = {.family = family}, .len = (uint8_t)len};

	memcpy(p.addr.bytes, data, size);
	add(d, (struct ruleset_expr) {.kind = source ? EXPR_IP_SADDR : EXPR_IP_DADDR,
				      .negate = negate,
				      .prefix = p});
}

static bool compare_hoplimit(struct reading *d, const struct comparison *c)
{
	if (c->op != NFT_CMP_EQ || c->slot->masked || fixed(d, EXPR_NFPROTO) != AF_INET6)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_HOPLIMIT, .number = c->data[0]});
	return true;
}

static bool compare_nexthdr(struct reading *d, const struct comparison *c)
{
	if (!is_equality(c) || c->slot->masked || fixed(d, EXPR_NFPROTO) != AF_INET6)
		return false;
	add(d, (struct ruleset_expr) {
		       .kind = EXPR_NEXTHDR, .negate = c->negate, .number = c->data[0]});
	return true;
}

static bool compare_fragment(struct reading *d, const struct comparison *c)
{
	static const uint8_t mask[2] = FRAGMENT_MASK, first[2];

	if (!c->slot->masked || c->op != NFT_CMP_NEQ || c->len != sizeof(mask) ||
	    memcmp(c->slot->mask, mask, sizeof(mask)) != 0 ||
	    memcmp(c->data, first, sizeof(first)) != 0)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_LATER_FRAGMENT});
	return true;
}

static bool compare_link_group(struct reading *d, const struct comparison *c)
{
	static const uint8_t mask[] = LINK_GROUP_MASK, group[] = LINK_GROUP;

	if (c->op != NFT_CMP_EQ || c->len != sizeof(group) ||
	    memcmp(c->slot->mask, mask, sizeof(mask)) != 0 ||
	    memcmp(c->data, group, sizeof(group)) != 0)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_LINK_GROUP});
	return true;
}

static bool compare_link(struct reading *d, const struct comparison *c)
{
	if (c->slot->masked && c->slot->offset == 0)
		return compare_link_group(d, c);
	if (!is_equality(c) || c->slot->masked || c->slot->offset != ETHER_TYPE_OFFSET ||
	    c->len != 2)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_ETHER_TYPE,
				      .negate = c->negate,
				      .number = (uint32_t)(c->data[0] << 8 | c->data[1])});
	return true;
}

/* Addresses lie side by side: the source's may be compared together with the beginning of the
 * destination's. */
static bool compare_network(struct reading *d, const struct comparison *c)
{
	uint8_t family = fixed(d, EXPR_NFPROTO) == AF_INET6 ? AF_INET6 : AF_INET;
	uint32_t whole = (uint32_t)addr_size(family), size = c->slot->size;
	bool source = c->slot->offset == kind_address_offset(family, true);
	bool both = source && size > whole;
	int len = c->slot->masked ? mask_length(c->slot->mask, whole) : (int)size * 8;

	if (fixed(d, EXPR_NFPROTO) == 0 || !is_equality(c) || len < 0 || size == 0 ||
	    (!source && c->slot->offset != kind_address_offset(family, false)) ||
	    (c->slot->masked && size != whole) || (both && (c->negate || size > 2 * whole)) ||
	    (!both && size > whole))
		return false;
	if (!both) {
		add_address(d, source, family, c->data, size, len, c->negate);
		return true;
	}
	add_address(d, true, family, c->data, whole, (int)whole * 8, false);
	add_address(d, false, family, c->data + whole, size - whole, len - (int)whole * 8, false);
	return true;
}

static bool compare(struct reading *d, const struct comparison *c)
{
	switch (c->slot->held) {
	case HELD_META:
		return compare_meta(d, c);
	case HELD_CT:
		if (c->slot->directed)
			return c->slot->key == NFT_CT_PROTO_DST &&
			       c->slot->offset == IP_CT_DIR_ORIGINAL && compare_ports(d, c);
		return compare_ct_bits(d, c);
	case HELD_PAYLOAD:
		if (c->slot->size != c->len)
			return false;
		if (c->slot->key == NFT_PAYLOAD_TRANSPORT_HEADER)
			return compare_transport(d, c);
		if (c->slot->key == NFT_PAYLOAD_LL_HEADER)
			return compare_link(d, c);
		if (c->slot->key != NFT_PAYLOAD_NETWORK_HEADER)
			return false;
		if (c->slot->offset == HOPLIMIT_OFFSET && c->slot->size == 1)
			return compare_hoplimit(d, c);
		if (c->slot->offset == NEXTHDR_OFFSET && c->slot->size == 1)
			return compare_nexthdr(d, c);
		return compare_network(d, c);
	case HELD_FIB:
		return compare_fib(d, c);
	case HELD_FRAGMENT:
		return compare_fragment(d, c);
	case HELD_RT:
		return compare_ipsec(d, c, EXPR_IPSEC_OUT);
	default:
		return false;
	}
}

bool compare_read(struct reading *d, const struct nftnl_expr *e)
{
	struct comparison c = {
		.slot = registers_slot(d, nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_SREG)),
		.op = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP),
	};

	c.negate = c.op == NFT_CMP_NEQ;
	c.data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &c.len);
	return c.slot && c.data && compare(d, &c);
}

/* A range of ports in one instruction, as nft from 1.1.2 on has it. */
bool compare_read_range(struct reading *d, const struct nftnl_expr *e)
{
	const struct slot *s = registers_slot(d, nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_SREG));
	uint32_t from_len = 0, to_len = 0;
	const void *from = nftnl_expr_get(e, NFTNL_EXPR_RANGE_FROM_DATA, &from_len);
	const void *to = nftnl_expr_get(e, NFTNL_EXPR_RANGE_TO_DATA, &to_len);
	struct comparison first = {.slot = s, .op = NFT_CMP_GTE, .data = from, .len = from_len};
	struct comparison last = {.slot = s, .op = NFT_CMP_LTE, .data = to, .len = to_len};

	return s && from && to && nftnl_expr_get_u32(e, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_EQ &&
	       compare(d, &first) && compare(d, &last);
}
