/*
 * host: what quaywall has to know of the host itself in one network namespace: interfaces, addresses,
 * and the sysctls that decide whether packets of one bridge pass the firewall at all.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "quaywall/error.h"
#include "quaywall/model.h"

struct host;

/* Of the calling thread's namespace. Subscribes to link and address changes. */
int host_open(struct host **ret, struct error *err);
void host_close(struct host *h);

int host_fd(const struct host *h); /* readable when a link or an address may have changed */
/* Reads what is there; *RET whether an interface came, went, or changed name or address. */
int host_dispatch(struct host *h, bool *ret, struct error *err);

const char *host_interface_name(const struct host *h,
				unsigned index); /* as of the last reading, or NULL */

/* Replaces M's interfaces, and its VXLAN ports where it has overlay networks, by those of now: takes what host_dispatch() would. Left out are the ports of
 * bridges with none but link-local addresses (containers' veths): the IP hooks never name them. */
int host_read_interfaces(struct host *h, struct model *m, struct error *err);

/* The interface by which the host sends to TO, NULL where there is none. FROM, or NULL, is the source; IIF
 * then says by which interface it comes, NULL for the host itself: routes may go by both. The name is
 * good until the next host_dispatch(). */
const char *host_route(struct host *h, const struct addr *to, const struct addr *from,
		       const char *iif);

/* Fills in the `port` of each endpoint of M, which is sorted, on a bridge that is here, and "" where it is not
 * known, from what host_read_interfaces() or host_dispatch() read last. A port that an endpoint once
 * had it keeps as long as both are there. On failure those still are filled in. */
int host_bind_ports(struct host *h, struct model *m, struct error *err);

/* Whether host_bind_ports() could find another port for an endpoint of M, which it filled last: changes nothing, and so needs no
 * copy of M. */
bool host_ports_differ(struct host *h, struct model *m);

/* Whether an endpoint on a bridge had no port at the last host_bind_ports(), and whether ports came or changed
 * since, so that it may be found now. */
bool host_ports_missing(const struct host *h);
bool host_ports_moved(const struct host *h);

/* Keeps the bridges of M's networks from learning MACs from frames that no hook sees (those to
 * 01:80:c2:00:00:0e, of LLDP): the option no_linklocal_learn, which stays. */
int host_restrict_learning(struct host *h, const struct model *m, struct error *err);

enum host_bridge_filter {
	HOST_BRIDGE_FILTER_ON,
	HOST_BRIDGE_FILTER_OFF,	   /* the sysctl is there and 0 */
	HOST_BRIDGE_FILTER_ABSENT, /* the module br_netfilter is not loaded */
};

/* net.bridge.bridge-nf-call-iptables (AF_INET) or -ip6tables (AF_INET6) of the namespace. */
enum host_bridge_filter host_bridge_filter(uint8_t family);
int host_bridge_filter_enable(uint8_t family, struct error *err);

/* An fd that is readable when another program, or this one, may have written one of the two, or -1. A
 * program with a /proc of its own, as in a container, writes unseen; and where the module is loaded late,
 * everybody until the next dispatch. */
int host_bridge_filter_fd(const struct host *h);
void host_bridge_filter_dispatch(struct host *h);

/* The sockets by which host_posture() asks the kernel for what a process that is confined (see quaywall/sandbox.h) may open
 * none for: IPsec, and the sockets that wait. Of the calling thread's network namespace. One thread at a time uses it. Never
 * NULL: what could not be opened will not be read. */
struct host_diag;
struct host_diag *host_diag_open(void);
void host_diag_close(struct host_diag *d); /* NULL is fine */

/*
 * What the checks need of the host (see quaywall/check.h), of the calling thread's namespaces; DOCKER is the engine's
 * address; DIAG is of the same namespace, NULL: one is opened for it. Only reads. Never NULL; what could not be read is a
 * gap. The caller owns it:
 *
 * {"gaps": [{"part", "why"}], "kernel": "6.1.0-18-amd64", "machine": "x86_64",
 *  "sysctl": {"net/ipv4/ip_forward": "1", …} as below /proc/sys; those that are not there are left out,
 *  "interfaces": [{name, index, kind ("bridge", "veth", …; "" for none), up}] without the ports of bridges,
 *  "listening": [{protocol ("tcp", "udp"), addr, port, uid, interface, process, pid, container}] in this network namespace;
 *     interface: the only one that it is bound to; process and pid where they can be seen; container: the 64 digits of its
 *     id, null where it is none's, absent where that cannot be seen,
 *  "nftables": [{family, name, chains: [{name, type, hook, priority, policy}], flowtables: [name]}] with base chains alone,
 *  "iptables_legacy": [table], "ip6tables_legacy": [table],
 *  "socket": {path, mode (a number), uid, gid, group, members: [user]} of the engine's unix socket, or null,
 *  "programs": [{program, pid, uid, here (it uses this network namespace; null: not seen), flags: {name: [value]}, config: {…}}]: engines and
 *     others that change the firewall; flags and config of an engine that is here: what of both concerns the checks,
 *  "overlay": {"vxlan": [{name, vni, port}] of all namespaces that have an id here, "xfrm": null or {
 *     "policies": [{dir ("in", "out", "fwd"), src, dst (as addresses with their length), protocol, sport, dport (0: any),
 *        mark, mask, action ("allow", "block"), templates: [{src, dst, spi, reqid, protocol, mode, optional}]}],
 *     "states": [{src, dst, spi, reqid, protocol, mode ("transport", "tunnel", …), mark, mask, aead, cipher, auth (the
 *        algorithm's name, "": none)}], never a key,
 *     "stat": {name: number} of those in /proc/net/xfrm_stat that are not 0}},
 *  "loopback_resolver": whether /etc/resolv.conf names one in 127.0.0.0/8,
 *  "swarm_certificate_expires": of this node, in seconds of the epoch; absent: there is none}
 */
json_t *host_posture(const char *docker, struct host_diag *diag);

/* Reads of POSTURE, which host_posture() made, those switches anew that the daemon itself changes. May be NULL. */
void host_posture_refresh(json_t *posture);

static inline void host_cleanup(struct host **h)
{
	host_close(*h);
}

#define CLEANUP_HOST __attribute__((cleanup(host_cleanup)))
