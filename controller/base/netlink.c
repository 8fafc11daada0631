#include "quaywall/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "quaywall/mem.h"

/* The kernel answers within sendmsg(2), and to a dump with each recvmsg(2). But where it had no memory for the
 * next piece of a dump, it says so once (ENOBUFS), and then nothing until the end of time. */
#define PATIENCE_S 2

static int socket_here(int bus, int flags, struct mnl_socket **ret, struct error *err)
{
	CLEANUP_NETLINK struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC | flags);
	const struct timeval patience = {.tv_sec = PATIENCE_S};

	if (!s)
		return error_wrap(err, -errno, "opening a netlink socket");
	if (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) <
	    0)
		return error_wrap(err, -errno, "limiting the wait for netlink");
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_wrap(err, -errno, "binding a netlink socket");
	*ret = s;
	s = NULL;
	return 0;
}

int netlink_open(int bus, int netns_fd, int flags, struct mnl_socket **ret, struct error *err)
{
	CLEANUP_FD int home = -1;
	int r;

	if (netns_fd < 0)
		return socket_here(bus, flags, ret, err);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return error_wrap(err, -errno, "opening the thread's own network namespace");
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return error_wrap(err, -errno, "entering a network namespace");
	r = socket_here(bus, flags, ret, err);
	/* Whatever this thread did next it would do to someone else's firewall. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

void netlink_widen(struct mnl_socket *s, int bytes)
{
	int fd = mnl_socket_get_fd(s);

	/* More than the limit takes a privilege in the first namespace of users. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int send_request(struct mnl_socket *s, struct nlmsghdr *request)
{
	static atomic_uint last_seq;

	request->nlmsg_flags |= NLM_F_REQUEST;
	/* 0 is what the kernel itself gives to notifications. */
	do
		request->nlmsg_seq = atomic_fetch_add(&last_seq, 1) + 1;
	while (request->nlmsg_seq == 0);
	return mnl_socket_sendto(s, request, request->nlmsg_len) < 0 ? -errno : 0;
}

/* The errno value that a NLMSG_ERROR or NLMSG_DONE carries; both begin their payload with it. */
static int carried_error(const struct nlmsghdr *message)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(int))
		return 0;
	return *(const int *)mnl_nlmsg_get_payload(message);
}

static void read_message(struct netlink_dump *d, const struct nlmsghdr *message,
			 int (*found)(const struct nlmsghdr *message, void *data), void *data)
{
	if (message->nlmsg_seq != d->seq)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		d->disturbed = true;
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
		d->done = true;
		if (carried_error(message) < 0)
			d->error = carried_error(message);
	} else if (message->nlmsg_type >= NLMSG_MIN_TYPE && found && d->error == 0) {
		d->error = found(message, data);
	}
}

/* Returns 0, or what keeps from reading on. */
static int read_piece(struct mnl_socket *s, struct netlink_dump *d,
		      int (*found)(const struct nlmsghdr *message, void *data), void *data)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_READ_SIZE];
	ssize_t got = mnl_socket_recvfrom(s, buf, sizeof(buf));
	int left = (int)got;

	if (got < 0)
		return errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (const struct nlmsghdr *message = (const void *)buf;
	     mnl_nlmsg_ok(message, left) && !d->done; message = mnl_nlmsg_next(message, &left))
		read_message(d, message, found, data);
	return 0;
}

int netlink_dump_begin(struct mnl_socket *s, struct nlmsghdr *request, struct netlink_dump *ret)
{
	int r;

	request->nlmsg_flags |= NLM_F_DUMP;
	r = send_request(s, request);
	*ret = (struct netlink_dump) {.seq = request->nlmsg_seq};
	return r;
}

int netlink_dump_read(struct mnl_socket *s, struct netlink_dump *d,
		      int (*found)(const struct nlmsghdr *message, void *data), void *data)
{
	int r = read_piece(s, d, found, data);

	/* It goes on with the next read, having lost a piece. */
	if (r == -ENOBUFS) {
		d->disturbed = true;
		return 1;
	}
	if (r < 0)
		return r;
	if (!d->done)
		return 1;
	return d->error == 0 && d->disturbed ? -EINTR : d->error;
}

/* Reads up to the end, also after an error, so that nothing of it stays in the socket. */
int netlink_dump(struct mnl_socket *s, struct nlmsghdr *request,
		 int (*found)(const struct nlmsghdr *message, void *data), void *data)
{
	struct netlink_dump d;
	int r = netlink_dump_begin(s, request, &d);

	if (r < 0)
		return r;
	do
		r = netlink_dump_read(s, &d, found, data);
	while (r == 1);
	return r;
}

int netlink_request(struct mnl_socket *s, struct nlmsghdr *request)
{
	return netlink_query(s, request, NULL, NULL);
}

int netlink_query(struct mnl_socket *s, struct nlmsghdr *request,
		  int (*found)(const struct nlmsghdr *message, void *data), void *data)
{
	struct netlink_dump answer = {.done = false};
	int r;

	request->nlmsg_flags |= NLM_F_ACK;
	r = send_request(s, request);
	answer.seq = request->nlmsg_seq;
	while (r == 0 && !answer.done)
		r = read_piece(s, &answer, found, data);
	return r < 0 ? r : answer.error;
}
