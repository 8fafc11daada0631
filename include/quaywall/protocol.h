/*
 * protocol: the names of IP protocols, as policies, the engine and quaywall's own output write them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "tcp", "udp", "sctp", "icmp"; NULL for any other IPPROTO_*. */
const char *protocol_name(uint8_t protocol);

/* One of these names, LEN bytes long. */
bool protocol_parse(const char *name, size_t len, uint8_t *ret);

/* Whether it is one of those with ports that policies and the engine know: not icmp. */
bool protocol_has_ports(uint8_t protocol);
