/*
 * attributes: reading the numbers of netfilter's messages, which come in network order. A missing byte makes 0.
 */
#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>

static inline uint8_t read_u8(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : 0;
}

static inline uint16_t read_be16(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 2 ? ntohs(mnl_attr_get_u16(attr)) : 0;
}

static inline uint32_t read_be32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static inline uint64_t read_be64(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= 8 ? be64toh(mnl_attr_get_u64(attr)) : 0;
}
