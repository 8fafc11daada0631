#include "quaywall/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define DUMP_TRIES 16 /* a table that never rests is reported, not waited for */

struct flow_table {
	struct mnl_socket *socket;
};

int flow_open(int netns_fd, struct flow_table **ret, struct error *err)
{
	struct mnl_socket *s;
	int r = netlink_open(NETLINK_NETFILTER, netns_fd, 0, &s, err);

	if (r < 0)
		return error_wrap(err, r, "conntrack");
	*ret = mem_new(1, sizeof(**ret));
	(*ret)->socket = s;
	return 0;
}

void flow_close(struct flow_table *t)
{
	if (!t)
		return;
	mnl_socket_close(t->socket);
	free(t);
}

static struct nlmsghdr *put_header(void *buf, uint8_t command, uint8_t family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(request, sizeof(*nf));

	request->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | command;
	nf->nfgen_family = family;
	nf->version = NFNETLINK_V0;
	return request;
}

/* What to say to the kernel to have one entry deleted. The original tuple goes back as it came: it may
 * hold parts that this program does not know, such as a zone of one direction. */
struct doomed {
	uint8_t family;
	uint16_t zone;
	uint32_t id;
	struct nlattr *orig;
};

struct search {
	bool (*refused)(const struct flow_entry *entry, void *data);
	void *data;
	struct doomed *items;
	size_t len, cap;
};

static void search_clear(struct search *s)
{
	for (size_t i = 0; i < s->len; i++)
		free(s->items[i].orig);
	s->len = 0;
}

static void search_done(struct search *s)
{
	search_clear(s);
	free(s->items);
}

static int take_entry(const struct nlmsghdr *message, void *data)
{
	struct search *s = data;
	struct flow_entry entry;
	const struct nlattr *orig;
	struct doomed doomed;

	if (!decode_entry(message, &entry, &orig) || !s->refused(&entry, s->data))
		return 0;
	doomed = (struct doomed) {entry.orig_src.family, entry.zone, entry.id,
				  mem_new(1, orig->nla_len)};
	memcpy(doomed.orig, orig, orig->nla_len);
	MEM_PUSH(s, doomed);
	return 0;
}

/* The whole table of both families. It is walked before the first deletion, which would otherwise
 * shift what the dump has still to show. */
static int find_refused(struct flow_table *t, struct search *s)
{
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < DUMP_TRIES; tries++) {
		_Alignas(struct nlmsghdr) char buf[64];

		search_clear(s);
		r = netlink_dump(t->socket, put_header(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC),
				 take_entry, s);
	}
	return r;
}

/* The id tells an entry from a later one of the same tuple, unless the kernel put that one at the same
 * place in memory, which the id is a hash of. Then a flow that was judged by the new rules is judged
 * by them again at its next packet. */
static int delete_entry(struct flow_table *t, const struct doomed *d)
{
	_Alignas(struct nlmsghdr) char buf[512];
	struct nlmsghdr *request = put_header(buf, IPCTNL_MSG_CT_DELETE, d->family);

	if (!mnl_attr_put_check(request, sizeof(buf) - 32, CTA_TUPLE_ORIG | NLA_F_NESTED,
				mnl_attr_get_payload_len(d->orig), mnl_attr_get_payload(d->orig)))
		return -EMSGSIZE;
	if (d->zone)
		mnl_attr_put_u16(request, CTA_ZONE, htons(d->zone));
	mnl_attr_put_u32(request, CTA_ID, htonl(d->id));
	return netlink_request(t->socket, request);
}

int flow_cut(struct flow_table *t, bool (*refused)(const struct flow_entry *entry, void *data),
	     void *data, size_t *ret_cut, struct error *err)
{
	__attribute__((cleanup(search_done))) struct search s = {refused, data, NULL, 0, 0};
	size_t cut = 0;
	int r = find_refused(t, &s);

	if (r < 0)
		return error_wrap(err, r, "listing conntrack's flows");
	for (size_t i = 0; i < s.len; i++) {
		r = delete_entry(t, &s.items[i]);
		if (r < 0 && r != -ENOENT)
			return error_wrap(err, r, "deleting a flow from conntrack");
		cut += r == 0;
	}
	*ret_cut = cut;
	return 0;
}
