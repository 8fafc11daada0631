/*
 * flow: conntrack's flows, and the cutting of those that a changed policy refuses.
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
	uint32_t id;
};

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

/* Deletes the entries. One that has gone meanwhile is fine; one that cannot be deleted keeps none of the
 * others, and the first reason comes back. *RET_CUT, set in any case, counts those that were. */
int flow_delete(struct flow_table *t, const struct flow_list *l, size_t *ret_cut,
		struct error *err);

static inline void flow_cleanup(struct flow_table **t)
{
	flow_close(*t);
}

#define CLEANUP_FLOW	  __attribute__((cleanup(flow_cleanup)))
#define CLEANUP_FLOW_LIST __attribute__((cleanup(flow_list_done)))
