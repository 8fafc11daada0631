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

/* ---- what was met midway ---- */

/* Most systems' clients take their ports from here on; fewer services do. */
#define CLIENTS_PORTS 32768

static bool is_translated(const struct flow_entry *e)
{
	return !addr_equal(&e->orig_src, &e->reply_dst) ||
	       !addr_equal(&e->orig_dst, &e->reply_src) || e->orig_sport != e->reply_dport ||
	       e->orig_dport != e->reply_sport;
}

bool flow_entry_turn(struct flow_entry *e)
{
	struct flow_entry was = *e;

	if (!e->midway || (e->reply_sport < CLIENTS_PORTS && e->orig_sport >= CLIENTS_PORTS))
		return true;
	if (e->reply_sport < CLIENTS_PORTS || e->orig_sport >= CLIENTS_PORTS || is_translated(e))
		return false;
	e->orig_src = e->reply_dst = was.orig_dst;
	e->orig_dst = e->reply_src = was.orig_src;
	e->orig_sport = e->reply_dport = was.orig_dport;
	e->orig_dport = e->reply_sport = was.orig_sport;
	return true;
}

/* ---- asking ---- */

static struct nlmsghdr *put_header(void *buf, uint8_t command, uint8_t family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(request, sizeof(*nf));

	request->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | command;
	nf->nfgen_family = family;
	nf->version = NFNETLINK_V0;
	return request;
}

/* The original tuple goes back as it came: it may hold parts that this program does not know, such as a
 * zone of one direction. */
struct search {
	bool (*refused)(const struct flow_entry *entry, void *data);
	void *data;
	struct flow_list *found;
};

static void list_clear(struct flow_list *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->items[i].orig);
	l->len = 0;
}

void flow_list_done(struct flow_list *l)
{
	list_clear(l);
	free(l->items);
	*l = (struct flow_list) {0};
}

static int take_entry(const struct nlmsghdr *message, void *data)
{
	struct search *s = data;
	struct flow_doomed doomed;
	const struct nlattr *orig;

	if (!decode_entry(message, &doomed.entry, &orig) || !s->refused(&doomed.entry, s->data))
		return 0;
	doomed.orig = mem_new(1, orig->nla_len);
	memcpy(doomed.orig, orig, orig->nla_len);
	MEM_PUSH(s->found, doomed);
	return 0;
}

/* The whole table of both families. It is walked before the first deletion, which would otherwise
 * shift what the dump has still to show. */
int flow_find(struct flow_table *t, bool (*refused)(const struct flow_entry *entry, void *data),
	      void *data, struct flow_list *ret, struct error *err)
{
	struct search s = {refused, data, ret};
	int r = -EINTR;

	for (int tries = 0; r == -EINTR && tries < DUMP_TRIES; tries++) {
		_Alignas(struct nlmsghdr) char buf[64];

		list_clear(ret);
		r = netlink_dump(t->socket, put_header(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC),
				 take_entry, &s);
	}
	return r < 0 ? error_wrap(err, r, "listing conntrack's flows") : 0;
}

/* ---- in pieces ---- */

struct flow_walk {
	struct mnl_socket *socket;
	struct netlink_dump dump;
	int tries;
};

struct walker {
	void (*each)(const struct flow_entry *entry, void *data);
	void *data;
};

static int walk_anew(struct flow_walk *w)
{
	_Alignas(struct nlmsghdr) char buf[64];

	return netlink_dump_begin(w->socket, put_header(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC),
				  &w->dump);
}

int flow_walk_begin(int netns_fd, struct flow_walk **ret, struct error *err)
{
	struct flow_walk *w = mem_new(1, sizeof(*w));
	int r = netlink_open(NETLINK_NETFILTER, netns_fd, 0, &w->socket, err);

	if (r == 0)
		r = walk_anew(w);
	if (r < 0) {
		flow_walk_end(w);
		return error_wrap(err, r, "listing conntrack's flows");
	}
	*ret = w;
	return 0;
}

void flow_walk_end(struct flow_walk *w)
{
	if (!w)
		return;
	if (w->socket)
		mnl_socket_close(w->socket);
	free(w);
}

static int walk_entry(const struct nlmsghdr *message, void *data)
{
	const struct walker *w = data;
	const struct nlattr *orig;
	struct flow_entry entry;

	if (decode_entry(message, &entry, &orig))
		w->each(&entry, w->data);
	return 0;
}

int flow_walk_on(struct flow_walk *w, void (*each)(const struct flow_entry *entry, void *data),
		 void *data, struct error *err)
{
	struct walker walker = {each, data};
	int r = netlink_dump_read(w->socket, &w->dump, walk_entry, &walker);

	if (r == -EINTR && ++w->tries < DUMP_TRIES && (r = walk_anew(w)) == 0)
		return 1;
	return r < 0 ? error_wrap(err, r, "listing conntrack's flows") : r;
}

/* ---- deleting ---- */

/* The id tells an entry from a later one of the same tuple, unless the kernel put that one at the same
 * place in memory, which the id is a hash of. Then a flow that was judged by the new rules is judged
 * by them again at its next packet. */
static int delete_entry(struct flow_table *t, const struct flow_doomed *d)
{
	_Alignas(struct nlmsghdr) char buf[512];
	struct nlmsghdr *request = put_header(buf, IPCTNL_MSG_CT_DELETE, d->entry.orig_src.family);

	if (!mnl_attr_put_check(request, sizeof(buf) - 32, CTA_TUPLE_ORIG | NLA_F_NESTED,
				mnl_attr_get_payload_len(d->orig), mnl_attr_get_payload(d->orig)))
		return -EMSGSIZE;
	if (d->entry.zone)
		mnl_attr_put_u16(request, CTA_ZONE, htons(d->entry.zone));
	mnl_attr_put_u32(request, CTA_ID, htonl(d->entry.id));
	return netlink_request(t->socket, request);
}

int flow_delete(struct flow_table *t, const struct flow_list *l, size_t *ret_cut, struct error *err)
{
	int first = 0;

	*ret_cut = 0;
	for (size_t i = 0; i < l->len; i++) {
		int r = delete_entry(t, &l->items[i]);

		*ret_cut += r == 0;
		if (r < 0 && r != -ENOENT && first == 0)
			first = r;
	}
	return first < 0 ? error_wrap(err, first, "deleting a flow from conntrack") : 0;
}
