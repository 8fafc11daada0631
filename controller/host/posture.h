/*
 * posture: the parts of host_posture(). Each adds its keys to DOC, and to its "gaps" what could not be read.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <libmnl/libmnl.h>

#include "quaywall/buf.h"

#define POSTURE_ITEMS_MAX 4096 /* of one list */
#define POSTURE_ID_DIGITS 64   /* of a container's id */

void posture_gap(json_t *doc, const char *part, const char *why);

/* The first MAX bytes of the regular file PATH, whatever it is a name of. 0 or -errno. */
int posture_read(const char *path, size_t max, struct buf *out);

/* TEXT as JSON, with '?' for what is no text. */
json_t *posture_string(const char *text);

/* The container's id in TEXT, a control group's path: what is 64 hexadecimal digits, the last of them; or "". */
void posture_container_id(const char *text, char ret[static POSTURE_ID_DIGITS + 1]);

/* sysctl, interfaces, listening. DIAG: of sock_diag; NULL for the reason WHY. */
void posture_network(json_t *doc, struct mnl_socket *diag, const char *why);
/* The `container` of what is in `listening`, by its `cgroup`, which goes. */
void posture_cgroups(json_t *doc);
void posture_overlay(json_t *doc, struct mnl_socket *xfrm); /* overlay; without its `xfrm`: NULL */
void posture_tables(json_t *doc); /* nftables, iptables_legacy, ip6tables_legacy */
void posture_programs(
	json_t *doc); /* programs, swarm_certificate_expires; the owners of `listening` */
void posture_socket(json_t *doc, const char *docker); /* socket */
