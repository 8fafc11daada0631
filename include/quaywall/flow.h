/*
 * flow: conntrack's flows, as they begin and end, and the cutting of those that a changed policy refuses; and the
 * packets that the rules log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quaywall/addr.h"
#include "quaywall/error.h"

struct nlattr;

/* One entry of conntrack, as far as a verdict takes it. */
struct flow_entry {
	struct addr orig_src, orig_dst;	  /* as the first packet was sent */
	struct addr reply_src, reply_dst; /* reply_src is the destination after DNAT */
	uint8_t protocol;
	uint16_t orig_sport, orig_dport;   /* host order; 0 for protocols without ports */
	uint16_t reply_sport, reply_dport; /* reply_sport is the destination's port after DNAT */
	uint16_t icmp_id;
	uint8_t icmp_type, icmp_code;
	uint16_t zone;
	bool dnat;
	bool established; /* TCP alone: neither opening nor closing */
	bool answered;	  /* conntrack saw a packet the other way */
	bool midway; /* TCP alone: conntrack did not see it begin, so either end may have begun it */
	uint32_t id;
};

/* Turns an entry that is midway the way that its ports tell, so that it goes to who serves. False where they do not tell,
 * or what was translated cannot be turned; any other entry is right as it is. */
bool flow_entry_turn(struct flow_entry *e);

struct flow_table; /* a ctnetlink connection, of one namespace */

int flow_open(int netns_fd, struct flow_table **ret, struct error *err);
void flow_close(struct flow_table *t);

/* Entries to be deleted. */
struct flow_list {
	struct flow_doomed {
		struct flow_entry entry;
		struct nlattr *orig; /* its name, as the kernel gave it */
	} * items;
	size_t len, cap;
};

void flow_list_done(struct flow_list *l);

/* Calls REFUSED for every entry, and adds those for which it says true to *RET, which must be empty.
 * Returns 0 or a negative errno. */
int flow_find(struct flow_table *t, bool (*refused)(const struct flow_entry *entry, void *data),
	      void *data, struct flow_list *ret, struct error *err);

/* A walk through the table in pieces, over a connection of its own: it may take long where there are many. */
struct flow_walk;

int flow_walk_begin(int netns_fd, struct flow_walk **ret, struct error *err);
void flow_walk_end(struct flow_walk *w); /* NULL is fine */
/* Calls EACH for some hundred entries. 1: there are more. 0: that was the last. A walk that a writer disturbs begins
 * anew, so that EACH may see an entry again. */
int flow_walk_on(struct flow_walk *w, void (*each)(const struct flow_entry *entry, void *data),
		 void *data, struct error *err);

/* Deletes the entries. One that has gone meanwhile is fine; one that cannot be deleted keeps none of the
 * others, and the first reason comes back. *RET_CUT, set in any case, counts those that were. */
int flow_delete(struct flow_table *t, const struct flow_list *l, size_t *ret_cut,
		struct error *err);

/* ---- logged packets ---- */

#define FLOW_LOG_PREFIX_SIZE 128 /* the kernel's NF_LOG_PREFIXLEN, the final 0 counted */

/* Addresses and ports of one packet, as it was when the rule logged it. */
struct flow_tuple {
	struct addr src, dst; /* family 0: neither IPv4 nor IPv6 */
	uint8_t protocol; /* behind IPv6's extension headers; one of them where the capture ends in it */
	bool has_ports; /* false too where a fragment or a capture that was cut has none */
	uint16_t sport, dport;
	bool has_icmp;
	uint8_t icmp_type, icmp_code;
};

/* A packet of NFLOG. Everything in it but the interfaces and the conntrack entry is the sender's word. */
struct flow_packet {
	char prefix[FLOW_LOG_PREFIX_SIZE]; /* the rule's `log prefix` */
	uint8_t family;	  /* NFPROTO_IPV4 or NFPROTO_IPV6 of a table inet, or NFPROTO_BRIDGE */
	uint8_t hook;	  /* NF_INET_* or NF_BR_* */
	uint32_t in, out; /* interface indices, the bridge's where a port of it is meant; 0: none */
	uint32_t phys_in,
		phys_out; /* the bridge's ports; of an IP family only where br_netfilter passed it on */
	uint16_t ethertype; /* host order, behind tags of VLANs; 0: not told */
	bool has_mac;
	uint8_t mac[6];		 /* of the frame's sender */
	struct flow_tuple tuple; /* an ARP's sender and target as src and dst */
	bool fragment;		 /* a later one: without ports */
	uint32_t
		length; /* bytes of the packet, its network header counted, as its header says; 0: it does not */
	bool has_inner; /* an ICMP error: what it quotes */
	struct flow_tuple inner;
	bool has_entry; /* conntrack's entry came with it: not from kernels without NETFILTER_NETLINK_GLUE_CT */
	struct flow_entry entry;
};

struct flow_log; /* an NFLOG group that is bound, of one namespace */

/* Binds GROUP in the namespace of NETNS_FD (-1: the thread's own) with a non-blocking socket. -EBUSY where another
 * program has it. */
int flow_log_open(int netns_fd, uint16_t group, struct flow_log **ret, struct error *err);
void flow_log_close(struct flow_log *l);
int flow_log_fd(const struct flow_log *l); /* readable: flow_log_read() */

/* Calls EACH for the packets that wait, at most a bounded number in a call. Returns 0 also where nothing waits or what
 * comes is no packet, or a negative errno where the socket is of no more use. */
int flow_log_read(struct flow_log *l, void (*each)(const struct flow_packet *packet, void *data),
		  void *data, struct error *err);
/* Packets that the kernel logged and could not deliver, since it was opened; the last of them count when the next
 * one comes. */
uint64_t flow_log_lost(const struct flow_log *l);

static inline void flow_log_cleanup(struct flow_log **l)
{
	flow_log_close(*l);
}

#define CLEANUP_FLOW_LOG __attribute__((cleanup(flow_log_cleanup)))

/* ---- flows as they begin and end ---- */

enum flow_event_kind { FLOW_BEGINS, FLOW_ENDS };

/* What conntrack tells: of flows whose first packet no rule refused. */
struct flow_event {
	enum flow_event_kind kind;
	struct flow_entry entry;
	bool counted;		       /* of an end, where net.netfilter.nf_conntrack_acct is on */
	uint64_t packets[2], bytes[2]; /* sent by who began the flow, and answered */
};

struct flow_events; /* a subscription to conntrack's events, of one namespace */

/* Subscribes in the namespace of NETNS_FD (-1: the thread's own) with a non-blocking socket. */
int flow_events_open(int netns_fd, struct flow_events **ret, struct error *err);
void flow_events_close(struct flow_events *e);
int flow_events_fd(const struct flow_events *e); /* readable: flow_events_read() */

/* Calls EACH for the events that wait, at most a bounded number in a call. *RET_LOST: the kernel had more than it could
 * deliver, how many is not known. Returns 1 where more may wait, 0 where nothing does, or a negative errno where
 * the socket is of no more use. */
int flow_events_read(struct flow_events *e,
		     void (*each)(const struct flow_event *event, void *data), void *data,
		     bool *ret_lost, struct error *err);

static inline void flow_events_cleanup(struct flow_events **e)
{
	flow_events_close(*e);
}

#define CLEANUP_FLOW_EVENTS __attribute__((cleanup(flow_events_cleanup)))

static inline void flow_cleanup(struct flow_table **t)
{
	flow_close(*t);
}

#define CLEANUP_FLOW	  __attribute__((cleanup(flow_cleanup)))
#define CLEANUP_FLOW_LIST __attribute__((cleanup(flow_list_done)))
