#include "kinds.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/socket.h>

#include "quaywall/mem.h"

static const struct {
	uint32_t type, byte_order;
} fields[] = {
	[FIELD_IFNAME] = {41, 1},   [FIELD_IPV4] = {7, 2},	[FIELD_IPV6] = {8, 2},
	[FIELD_PROTOCOL] = {12, 0}, [FIELD_PORT] = {13, 2},	[FIELD_ICMPV6_TYPE] = {29, 2},
	[FIELD_ETHER] = {9, 2},	    [FIELD_ND_TARGET] = {4, 2}, [FIELD_VNI] = {4, 2},
};

static const struct kind_load loads[] = {
	[LOAD_IIFNAME] = {SOURCE_META, NFT_META_IIFNAME, 0, 16},
	[LOAD_OIFNAME] = {SOURCE_META, NFT_META_OIFNAME, 0, 16},
	[LOAD_IP_SADDR] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12, 4},
	[LOAD_IP_DADDR] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16, 4},
	[LOAD_IP6_SADDR] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 16},
	[LOAD_IP6_DADDR] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24, 16},
	[LOAD_L4PROTO] = {SOURCE_META, NFT_META_L4PROTO, 0, 1},
	[LOAD_TH_DPORT] = {SOURCE_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2},
	[LOAD_TH_SPORT] = {SOURCE_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2},
	[LOAD_ICMPV6_TYPE] = {SOURCE_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1},
	[LOAD_ETHER_SADDR] = {SOURCE_PAYLOAD, NFT_PAYLOAD_LL_HEADER, 6, 6},
	[LOAD_ARP_ETHER] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8, 6},
	[LOAD_ARP_IP] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 14, 4},
	[LOAD_ND_TARGET] = {SOURCE_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, ND_TARGET_OFFSET, 16},
	[LOAD_VNI] = {SOURCE_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, VNI_OFFSET, 3},
	[LOAD_CT_ORIG_IP] = {SOURCE_CT, NFT_CT_SRC_IP, IP_CT_DIR_ORIGINAL, 4},
	[LOAD_CT_ORIG_IP6] = {SOURCE_CT, NFT_CT_SRC_IP6, IP_CT_DIR_ORIGINAL, 16},
	[LOAD_CT_REPLY_IP] = {SOURCE_CT, NFT_CT_SRC_IP, IP_CT_DIR_REPLY, 4},
	[LOAD_CT_REPLY_IP6] = {SOURCE_CT, NFT_CT_SRC_IP6, IP_CT_DIR_REPLY, 16},
};

uint32_t kind_type(enum ruleset_field f)
{
	return fields[f].type;
}

bool kind_field(uint32_t type, enum ruleset_field *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].type == type) {
			*ret = (enum ruleset_field)i;
			return true;
		}
	}
	return false;
}

uint32_t kind_byte_order(enum ruleset_field f)
{
	return fields[f].byte_order;
}

const struct kind_load *kind_load(enum ruleset_load load)
{
	return &loads[load];
}

bool kind_load_of(const struct kind_load *l, enum ruleset_load *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
		if (loads[i].source == l->source && loads[i].key == l->key &&
		    loads[i].offset == l->offset && loads[i].size == l->size) {
			*ret = (enum ruleset_load)i;
			return true;
		}
	}
	return false;
}

uint32_t kind_address_offset(uint8_t family, bool source)
{
	if (family == AF_INET)
		return loads[source ? LOAD_IP_SADDR : LOAD_IP_DADDR].offset;
	return loads[source ? LOAD_IP6_SADDR : LOAD_IP6_DADDR].offset;
}
