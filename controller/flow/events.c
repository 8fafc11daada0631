/*
 * Conntrack's events: the kernel makes them as long as somebody listens (nf_conntrack_events is 2, where nobody
 * changed it), one message for each. Only beginnings and ends are subscribed to: what changes between costs the
 * most and tells the least.
 */
#include "quaywall/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "decode.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define SWITCH "/proc/sys/net/netfilter/nf_conntrack_events" /* of the thread's namespace */
/* Room for some 8,000 events, which a reader of twenty times a second has at 160,000 a second. */
#define RECEIVE_SPACE (8 << 20)
#define EVENT_SIZE    8192 /* a message has no more than some hundred bytes */
/* In one call of flow_events_read(). */
#define MOST_READS 512

struct flow_events {
	struct mnl_socket *socket;
};

static int subscribe(struct mnl_socket *s, struct error *err)
{
	static const int groups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_DESTROY};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return error_set(err, -errno, "conntrack's events: %s", strerror(errno));
	}
	return 0;
}

/* What would then come is nothing, without an error. */
static bool are_off(void)
{
	CLEANUP_FD int fd = open(SWITCH, O_RDONLY | O_CLOEXEC);
	char value;

	return fd >= 0 && read(fd, &value, 1) == 1 && value == '0';
}

int flow_events_open(int netns_fd, struct flow_events **ret, struct error *err)
{
	CLEANUP_FLOW_EVENTS struct flow_events *e = mem_new(1, sizeof(*e));
	int r = netlink_open(NETLINK_NETFILTER, netns_fd, SOCK_NONBLOCK, &e->socket, err);

	if (r < 0)
		return error_wrap(err, r, "conntrack's events");
	if (netns_fd < 0 && are_off())
		return error_set(
			err, -EOPNOTSUPP,
			"conntrack makes no events: net.netfilter.nf_conntrack_events is 0");
	netlink_widen(e->socket, RECEIVE_SPACE);
	r = subscribe(e->socket, err);
	if (r < 0)
		return r;
	*ret = e;
	e = NULL;
	return 0;
}

void flow_events_close(struct flow_events *e)
{
	if (!e)
		return;
	if (e->socket)
		mnl_socket_close(e->socket);
	free(e);
}

int flow_events_fd(const struct flow_events *e)
{
	return mnl_socket_get_fd(e->socket);
}

/* 1, 0 where nothing waits, or a negative errno. */
static int read_some(struct flow_events *e,
		     void (*each)(const struct flow_event *event, void *data), void *data,
		     bool *lost)
{
	_Alignas(struct nlmsghdr) char buf[EVENT_SIZE];
	ssize_t got = mnl_socket_recvfrom(e->socket, buf, sizeof(buf));
	int left = (int)got;

	if (got < 0 && errno == EAGAIN)
		return 0;
	/* ENOSPC: one that was larger than any is. */
	if (got < 0 && (errno == ENOBUFS || errno == ENOSPC))
		*lost = true;
	if (got < 0)
		return errno == EINTR || errno == ENOBUFS || errno == ENOSPC ? 1 : -errno;
	for (const struct nlmsghdr *message = (const void *)buf; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		struct flow_event event;

		if (decode_event(message, &event))
			each(&event, data);
	}
	return 1;
}

int flow_events_read(struct flow_events *e,
		     void (*each)(const struct flow_event *event, void *data), void *data,
		     bool *ret_lost, struct error *err)
{
	int r = 1;

	*ret_lost = false;
	for (int reads = 0; r > 0 && reads < MOST_READS; reads++)
		r = read_some(e, each, data, ret_lost);
	return r < 0 ? error_wrap(err, r, "reading conntrack's events") : r;
}
