/*
 * netlink: the two ways in which this program talks over a netlink socket, on top of libmnl: a dump,
 * and a request that the kernel acknowledges. The batches of nf_tables are the nft room's own.
 *
 * A connection belongs to the network namespace that it was opened in, whatever namespace its user is
 * in later. Answers are told apart by their sequence number, so what an earlier request left unread
 * does no harm.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "quaywall/error.h"

#define NETLINK_READ_SIZE 32768 /* the most that the kernel puts into one message of a dump */

/* Opens a socket of BUS (NETLINK_ROUTE, …), bound, in the namespace of the open file NETNS_FD (-1: the
 * calling thread's). The fd stays the caller's. FLAGS: SOCK_NONBLOCK or 0. */
int netlink_open(int bus, int netns_fd, int flags, struct mnl_socket **ret, struct error *err);

/* Room for BYTES that wait to be read: more than the system's limit where the process may, else as much as that lets. */
void netlink_widen(struct mnl_socket *s, int bytes);

/* Sends REQUEST, whose type, flags and sequence number it completes, and calls FOUND for each message
 * of the answer. FOUND returns 0 or a negative errno, which ends the calls but not the reading. -EINTR:
 * a writer disturbed the dump, so what FOUND saw may have gaps; the caller begins anew. */
int netlink_dump(struct mnl_socket *s, struct nlmsghdr *request,
		 int (*found)(const struct nlmsghdr *message, void *data), void *data);

/* The same dump piece by piece, for who has else to do meanwhile. One at a time over one socket. */
struct netlink_dump {
	uint32_t seq;
	bool done, disturbed;
	int error; /* what FOUND returned, or the kernel */
};

int netlink_dump_begin(struct mnl_socket *s, struct nlmsghdr *request, struct netlink_dump *ret);
/* Reads a piece, of at most NETLINK_READ_SIZE. 1: there is more; 0 or a negative errno, as above: that was the end. */
int netlink_dump_read(struct mnl_socket *s, struct netlink_dump *d,
		      int (*found)(const struct nlmsghdr *message, void *data), void *data);

/* Sends REQUEST and waits for the acknowledgement. Returns 0 or what the kernel answered. */
int netlink_request(struct mnl_socket *s, struct nlmsghdr *request);

/* The same for a request that asks for one object: what comes before the acknowledgement goes to FOUND. */
int netlink_query(struct mnl_socket *s, struct nlmsghdr *request,
		  int (*found)(const struct nlmsghdr *message, void *data), void *data);

static inline void netlink_cleanup(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

#define CLEANUP_NETLINK __attribute__((cleanup(netlink_cleanup)))
