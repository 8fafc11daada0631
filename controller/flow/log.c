/*
 * A group of NFLOG: what the rules log, from the kernel's nfnetlink_log.
 *
 * What was lost is counted by the numbers that the kernel gives to a group's packets: a gap is what did not fit into
 * the socket. The other sign of it, ENOBUFS, is switched off (NETLINK_NO_ENOBUFS): it says only that there was some,
 * and with it goes that the kernel drops everything until the socket is empty. The price: what is lost at the end
 * of a burst is counted when the next packet comes.
 */
#include "quaywall/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

/* Of each packet: IPv6 with a few extension headers, an ICMP error, and the same of what it quotes. */
#define COPY_RANGE 256
/* The kernel gathers packets and sends them when the first has waited this long, in hundredths of a second, or
 * when there are so many, or when they fill two pages, whichever comes first. Where nothing is logged no timer
 * runs. */
#define WAIT   5
#define GATHER 32
/* Room for 15,000 small packets, or 2,000 of which everything comes. */
#define RECEIVE_SPACE (1 << 20)
/* In one call of flow_log_read(): 512 packets at the most. */
#define MOST_READS 16

struct flow_log {
	struct mnl_socket *socket;
	uint32_t next; /* the number of the packet that comes next */
	uint64_t lost;
};

static struct nlmsghdr *put_header(void *buf, uint8_t type, uint16_t group)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(request, sizeof(*nf));

	request->nlmsg_type = (NFNL_SUBSYS_ULOG << 8) | type;
	nf->version = NFNETLINK_V0;
	nf->res_id = htons(group);
	return request;
}

/* All in one message, so that no packet comes by other rules than these. */
static int bind_group(struct flow_log *l, uint16_t group, uint16_t flags)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *request = put_header(buf, NFULNL_MSG_CONFIG, group);
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_RANGE),
						    .copy_mode = NFULNL_COPY_PACKET};

	mnl_attr_put(request, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(request, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(request, NFULA_CFG_TIMEOUT, htonl(WAIT));
	mnl_attr_put_u32(request, NFULA_CFG_QTHRESH, htonl(GATHER));
	mnl_attr_put_u16(request, NFULA_CFG_FLAGS, htons(flags));
	return netlink_request(l->socket, request);
}

/* The kernel says EPERM to who may not, and also (not EBUSY) where another socket has the group. Who may not is
 * told the same about a message that nobody has a use for. */
static bool is_permitted(struct flow_log *l, uint16_t group)
{
	_Alignas(struct nlmsghdr) char buf[64];

	return netlink_request(l->socket, put_header(buf, NFULNL_MSG_PACKET, group)) != -EPERM;
}

/* A kernel without NETFILTER_NETLINK_GLUE_CT has no conntrack entries to give. */
static int bind_it(struct flow_log *l, uint16_t group, struct error *err)
{
	int r = bind_group(l, group, NFULNL_CFG_F_SEQ | NFULNL_CFG_F_CONNTRACK);

	if (r == -EOPNOTSUPP)
		r = bind_group(l, group, NFULNL_CFG_F_SEQ);
	if (r == -EBUSY || (r == -EPERM && is_permitted(l, group)))
		return error_set(err, -EBUSY, "log group %u: another program has it", group);
	return r < 0 ? error_wrap(err, r, "log group %u", group) : 0;
}

static void widen(const struct flow_log *l)
{
	int on = 1;

	netlink_widen(l->socket, RECEIVE_SPACE);
	(void)mnl_socket_setsockopt(l->socket, NETLINK_NO_ENOBUFS, &on, sizeof(on));
}

int flow_log_open(int netns_fd, uint16_t group, struct flow_log **ret, struct error *err)
{
	CLEANUP_FLOW_LOG struct flow_log *l = mem_new(1, sizeof(*l));
	int r = netlink_open(NETLINK_NETFILTER, netns_fd, SOCK_NONBLOCK, &l->socket, err);

	if (r < 0)
		return error_wrap(err, r, "log group %u", group);
	widen(l);
	r = bind_it(l, group, err);
	if (r < 0)
		return r;
	*ret = l;
	l = NULL;
	return 0;
}

void flow_log_close(struct flow_log *l)
{
	if (!l)
		return;
	if (l->socket)
		mnl_socket_close(l->socket);
	free(l);
}

int flow_log_fd(const struct flow_log *l)
{
	return mnl_socket_get_fd(l->socket);
}

uint64_t flow_log_lost(const struct flow_log *l)
{
	return l->lost;
}

static void count(struct flow_log *l, const struct log_place *place)
{
	if (!place->known)
		return;
	l->lost += (uint32_t)(place->number - l->next);
	l->next = place->number + 1;
}

/* Returns 1 where there may be more, 0 where nothing waits, or a negative errno. */
static int read_some(struct flow_log *l, void (*each)(const struct flow_packet *packet, void *data),
		     void *data)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_READ_SIZE];
	ssize_t got = mnl_socket_recvfrom(l->socket, buf, sizeof(buf));
	int left = (int)got;

	if (got < 0 && errno == EAGAIN)
		return 0;
	/* ENOBUFS from a kernel that does not know how to keep it to itself. */
	if (got < 0)
		return errno == EINTR || errno == ENOBUFS || errno == ENOSPC ? 1 : -errno;
	for (const struct nlmsghdr *message = (const void *)buf; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		struct flow_packet packet;
		struct log_place place;

		if (!decode_logged(message, &packet, &place))
			continue;
		count(l, &place);
		each(&packet, data);
	}
	return 1;
}

int flow_log_read(struct flow_log *l, void (*each)(const struct flow_packet *packet, void *data),
		  void *data, struct error *err)
{
	int r = 1;

	for (int reads = 0; r > 0 && reads < MOST_READS; reads++)
		r = read_some(l, each, data);
	return r < 0 ? error_wrap(err, r, "reading logged packets") : 0;
}
