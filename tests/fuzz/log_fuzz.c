/*
 * What NFLOG could say: the rest of a message behind its netlink header, a packet's bytes in it. Never a crash, and
 * what comes out does not contradict itself.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../controller/flow/decode.h"
#include "../../controller/flow/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_tuple(const struct flow_tuple *t)
{
	must(t->src.family == t->dst.family);
	must(addr_is_set(&t->src) || !(t->has_ports || t->has_icmp || t->protocol));
	must(!t->has_ports || packet_has_ports(t->protocol));
	must(t->has_ports || (t->sport == 0 && t->dport == 0));
	must(!(t->has_ports && t->has_icmp));
}

static void check(const struct flow_packet *p)
{
	check_tuple(&p->tuple);
	check_tuple(&p->inner);
	must(memchr(p->prefix, '\0', sizeof(p->prefix)));
	must(!p->fragment || !(p->tuple.has_ports || p->tuple.has_icmp));
	must(p->has_inner == addr_is_set(&p->inner.src));
	must(!p->has_inner || (p->tuple.has_icmp && p->inner.src.family == p->tuple.src.family));
	must(p->has_entry == addr_is_set(&p->entry.orig_src));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* On the heap, so that a byte read beyond its end is seen: that is where the next message would begin. */
	CLEANUP_FREE struct nlmsghdr *m = mem_new(1, NLMSG_SPACE(len));
	struct flow_packet packet;
	struct log_place place;

	m->nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	memcpy(NLMSG_DATA(m), data, len);
	if (decode_logged(m, &packet, &place))
		check(&packet);
	return 0;
}
