/*
 * overlay: what the rules counted of overlay networks' VXLAN.
 */
#pragma once

#include <jansson.h>
#include <time.h>

#include "quaywall/error.h"
#include "quaywall/model.h"
#include "quaywall/nft.h"

/* [{way ("in", "out"), kind ("clear", "ipsec", "others"), vni, peer, packets, bytes, last (seconds of the epoch)}], which the
 * caller owns; empty where nothing counts. */
int overlay_traffic(struct nft *n, time_t now, json_t **ret, struct error *err);

/* TRAFFIC, of overlay_traffic(), by names, as metrics have it: [{network, peer, direction, kind, packets, bytes, last}]. Hosts
 * that are no peers are one ("" for whom), and so are identifiers of no network; OVERLAY_SERIES entries at most, behind which the rest has no
 * names. The caller owns it. */
#define OVERLAY_SERIES 512
json_t *overlay_series(const struct model *m, const json_t *traffic);

/* The same of now; an empty list where it cannot be read. */
json_t *overlay_series_now(const struct model *m);
