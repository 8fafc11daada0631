/*
 * overlay: what overlay networks have beside others, from the engine's documents and from a snapshot: identifiers
 * (VNIs) and peers.
 */
#pragma once

#include "node.h"

#include "quaywall/model.h"

/* "Peers" of a network's document N, and of its OPTIONS "…overlay.vxlanid_list". Nothing for other drivers. */
int overlay_read_document(const struct node *n, const struct node *options,
			  struct model_network *net, struct error *err);

/* "vnis" and "peers" of a network in a snapshot. */
int overlay_read_recorded(const struct node *n, struct model_network *net, struct error *err);

/* The same, added to the object that OBJECT is. */
void overlay_write(const struct model_network *net, json_t *object);

/* "vxlan_ports" of a snapshot. */
int overlay_read_ports(const struct node *n, struct model *m, struct error *err);
void overlay_write_ports(const struct model *m, json_t *object);
