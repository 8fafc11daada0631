/*
 * overlay: what the rules counted of overlay networks' VXLAN.
 */
#pragma once

#include <jansson.h>
#include <time.h>

#include "quaywall/error.h"
#include "quaywall/nft.h"

/* [{way ("in", "out"), kind ("clear", "ipsec", "others"), vni, peer, packets, bytes, last (seconds of the epoch)}], which the
 * caller owns; empty where nothing counts. */
int overlay_traffic(struct nft *n, time_t now, json_t **ret, struct error *err);
