/*
 * packet: the bytes of a packet as addresses and ports. Pure; the bytes are whatever a container sent, and may be
 * cut anywhere.
 */
#pragma once

#include "quaywall/flow.h"

/* DATA: LEN bytes from the network header on, of which ETHERTYPE (host order) says what it is. Fills of *RET what
 * the bytes tell, up to the first that is missing or makes no sense: `tuple`, `fragment`, `length`, `has_inner`,
 * `inner`, and `ethertype` where tags of VLANs stand before it. */
void packet_decode(uint16_t ethertype, const uint8_t *data, size_t len, struct flow_packet *ret);

/* Whether its header begins with the two ports. */
bool packet_has_ports(uint8_t protocol);
