/*
 * posture: the parts of host_posture(). Each adds its keys to DOC, and to its "gaps" what could not be read.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <libmnl/libmnl.h>

#include "quaywall/buf.h"

#define POSTURE_ITEMS_MAX 4096 /* of one list */

void posture_gap(json_t *doc, const char *part, const char *why);

/* The first MAX bytes of the regular file PATH, whatever it is a name of. 0 or -errno. */
int posture_read(const char *path, size_t max, struct buf *out);

/* TEXT as JSON, with '?' for what is no text. */
json_t *posture_string(const char *text);

/* sysctl, interfaces, listening. DIAG: of sock_diag; NULL for the reason WHY. */
void posture_network(json_t *doc, struct mnl_socket *diag, const char *why);
void posture_overlay(json_t *doc, struct mnl_socket *xfrm); /* overlay; without its `xfrm`: NULL */
void posture_tables(json_t *doc); /* nftables, iptables_legacy, ip6tables_legacy */
void posture_programs(
	json_t *doc); /* programs, swarm_certificate_expires; the owners of `listening` */
void posture_socket(json_t *doc, const char *docker); /* socket */
