#include "quaywall/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

/* Enough that a burst of other tables' changes is not lost; what is lost counts as a change. */
#define MONITOR_SPACE (1 << 20)

static int set_membership(struct nft *n, int option, struct error *err)
{
	int group = NFNLGRP_NFTABLES;

	if (mnl_socket_setsockopt(n->monitor, option, &group, sizeof(group)) < 0)
		return error_set(err, -errno, "cannot subscribe to changes of the rules: %s",
				 strerror(errno));
	return 0;
}

int nft_monitor(struct nft *n, struct error *err)
{
	int space = MONITOR_SPACE, r;

	(void)setsockopt(mnl_socket_get_fd(n->monitor), SOL_SOCKET, SO_RCVBUFFORCE, &space,
			 sizeof(space));
	r = set_membership(n, NETLINK_ADD_MEMBERSHIP, err);
	if (r < 0)
		return r;
	n->watching = true;
	return 0;
}

int nft_monitor_fd(const struct nft *n)
{
	return n->watching ? mnl_socket_get_fd(n->monitor) : -1;
}

int monitor_pause(struct nft *n, uint32_t *ret, struct error *err)
{
	int r = nft_generation(n, ret, err);

	return r < 0 ? r : set_membership(n, NETLINK_DROP_MEMBERSHIP, err);
}

int monitor_resume(struct nft *n, uint32_t before, struct error *err)
{
	uint32_t now = before;
	int r = set_membership(n, NETLINK_ADD_MEMBERSHIP, err);

	if (r < 0)
		return r;
	r = nft_generation(n, &now, err);
	if (r < 0)
		return r;
	if (now - before > 1)
		n->missed = true;
	return 0;
}

static bool is_generation(const struct nlmsghdr *m)
{
	return m->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN);
}

/* The name of the table is attribute 1 of every message of nf_tables but that of a new generation. */
static bool concerns(const struct nlmsghdr *m, const char *table)
{
	const struct nlattr *attr;

	if (NFNL_SUBSYS_ID(m->nlmsg_type) != NFNL_SUBSYS_NFTABLES || is_generation(m))
		return false;
	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return strcmp(mnl_attr_get_str(attr), table) == 0;
	}
	return false;
}

/* The message that ends a transaction names the process behind it; old kernels do not. */
static void read_process(const struct nlmsghdr *m, struct nft_writer *w)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			w->pid = ntohl(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME &&
			 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			strncpy(w->process, mnl_attr_get_str(attr), sizeof(w->process) - 1);
	}
}

/* Whether M tells of a change of TABLE that is not ours. A message carries the port id of the socket whose
 * transaction it tells of. */
static bool take(struct nft *n, const struct nlmsghdr *m, const char *table)
{
	if (m->nlmsg_pid == mnl_socket_get_portid(n->requests))
		return false;
	if (concerns(m, table)) {
		n->writer = (struct nft_writer) {.portid = m->nlmsg_pid};
		return true;
	}
	if (is_generation(m) && m->nlmsg_pid == n->writer.portid && !n->writer.pid)
		read_process(m, &n->writer);
	return false;
}

bool nft_monitor_missed(const struct nft *n)
{
	return n->missed;
}

void nft_monitor_writer(const struct nft *n, struct nft_writer *ret)
{
	*ret = n->writer;
}

int nft_monitor_dispatch(struct nft *n, const char *table, bool *ret, struct error *err)
{
	_Alignas(struct nlmsghdr) char data[NETLINK_READ_SIZE];
	bool changed = n->missed;
	ssize_t got;
	int left;

	if (n->missed)
		n->writer = (struct nft_writer) {.portid = 0};
	n->missed = false;
	for (;;) {
		got = recv(mnl_socket_get_fd(n->monitor), data, sizeof(data), MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			break;
		if (got < 0 && errno == ENOBUFS) {
			changed = true;
			n->writer = (struct nft_writer) {.portid = 0};
		}
		if (got < 0 && errno != EINTR && errno != ENOBUFS)
			return error_set(err, -errno, "cannot read changes of the rules: %s",
					 strerror(errno));
		left = got < 0 ? 0 : (int)got;
		for (const struct nlmsghdr *m = (const struct nlmsghdr *)data;
		     mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
			changed |= take(n, m, table);
	}
	*ret = changed;
	return 0;
}
