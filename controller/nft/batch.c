#include "batch.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define SEND_TRIES    5
#define RECEIVE_SPACE (4 << 20) /* acknowledgements of a thousand refused messages and more */

static void finish_last(struct batch *b)
{
	struct nlmsghdr *last;

	if (b->sent.len == 0)
		return;
	last = (struct nlmsghdr *)(b->data + b->sent.items[b->sent.len - 1].offset);
	b->len = b->sent.items[b->sent.len - 1].offset + NLMSG_ALIGN(last->nlmsg_len);
}

/* Space for one more message, zeroed by mem_grow() or never written before. */
static char *reserve(struct batch *b)
{
	finish_last(b);
	b->data = mem_grow(b->data, &b->cap, b->len + BATCH_ROOM, 1);
	return b->data + b->len;
}

static void remember(struct batch *b, const struct origin *origin)
{
	struct sent sent = {.offset = b->len, .origin = *origin};

	MEM_PUSH(&b->sent, sent);
}

void batch_begin(struct batch *b, struct nft *n)
{
	*b = (struct batch) {.first = n->seq + 1};
	nftnl_batch_begin(reserve(b), b->first);
	remember(b, &(struct origin) {.what = "transaction"});
}

struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint8_t family, uint16_t flags,
			       const struct origin *origin)
{
	char *at = reserve(b);

	remember(b, origin);
	return nftnl_nlmsg_build_hdr(at, type, family, flags, b->first + (uint32_t)b->sent.len - 1);
}

void batch_elements(struct batch *b, size_t len)
{
	b->sent.items[b->sent.len - 1].origin.len = len;
}

/* The kernel acknowledges the messages that ask for it once all is decided. Asking for the last one is
 * enough, and the end of the batch itself is acknowledged only by kernels from 6.10 on. */
static void ask_for_acknowledgement(struct batch *b)
{
	struct nlmsghdr *last =
		(struct nlmsghdr *)(b->data + b->sent.items[b->sent.len - 1].offset);

	last->nlmsg_flags |= NLM_F_ACK;
}

static void add_end(struct batch *b)
{
	nftnl_batch_end(reserve(b), b->first + (uint32_t)b->sent.len);
	remember(b, &(struct origin) {.what = "transaction"});
	finish_last(b);
}

/* netlink refuses what is larger than the send buffer, and a transaction must not be cut in two. */
static void make_room(struct nft *n, const struct batch *b)
{
	int fd = mnl_socket_get_fd(n->requests), space = (int)b->len, back = RECEIVE_SPACE,
	    have = 0;
	socklen_t size = sizeof(have);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &size) == 0 && have < 2 * space)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &space, sizeof(space));
	size = sizeof(have);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &have, &size) == 0 && have < back)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &back, sizeof(back));
}

struct outcome {
	bool acknowledged;
	bool lost;	  /* answers are missing: nobody knows what the kernel did */
	uint32_t refused; /* sequence number of the first message that was refused */
	int code;	  /* what the kernel said of it; 0 while none was */
	uint32_t
		attribute; /* where in the message the bad attribute is; 0: the kernel did not say */
};

static uint32_t bad_attribute(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(answer);
	size_t skip = sizeof(*e);
	const struct nlattr *attr;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return 0;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	mnl_attr_for_each(attr, answer, (unsigned)skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static void read_answer(const struct batch *b, const struct nlmsghdr *answer, struct outcome *o)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(answer);
	uint32_t index = answer->nlmsg_seq - b->first;

	if (answer->nlmsg_type != NLMSG_ERROR || index >= b->sent.len ||
	    mnl_nlmsg_get_payload_len(answer) < sizeof(*e))
		return;
	if (e->error == 0) {
		o->acknowledged = true;
	} else if (o->code == 0 || index < o->refused - b->first) {
		o->refused = answer->nlmsg_seq;
		o->code = e->error;
		o->attribute = bad_attribute(answer);
	}
}

/* The kernel works a batch off within sendmsg(2): when that returns, all answers are there. All are read, so
 * that none is taken for one to a later batch. */
static int receive_answers(const struct batch *b, struct nft *n, struct outcome *o)
{
	_Alignas(struct nlmsghdr) char data[NETLINK_READ_SIZE];
	const struct nlmsghdr *answer;
	ssize_t got;
	int left;

	for (;;) {
		got = recv(mnl_socket_get_fd(n->requests), data, sizeof(data), MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			o->lost = true;
			continue;
		}
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		left = (int)got;
		for (answer = (const struct nlmsghdr *)data; mnl_nlmsg_ok(answer, left);
		     answer = mnl_nlmsg_next(answer, &left))
			read_answer(b, answer, o);
	}
}

static bool is_interval_end(const struct nlattr *element)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, element) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_FLAGS)
			return true;
	}
	return false;
}

/* The element of a message that the attribute at offset BAD belongs to. Of a range that is written as
 * two elements, the second belongs to the same. */
static const struct ruleset_element *element_at(const struct nlmsghdr *m, const struct origin *o,
						uint32_t bad)
{
	const struct nlattr *attr, *item;
	size_t begun = 0;

	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(item, attr) {
			begun += is_interval_end(item) ? 0 : 1;
			if ((size_t)((const char *)item - (const char *)m) + item->nla_len > bad)
				return begun > 0 && begun <= o->len ? o->elements[begun - 1] : NULL;
		}
	}
	return NULL;
}

static const char *comment_of(const struct batch *b, const struct sent *s, const struct outcome *o)
{
	const struct ruleset_element *e = NULL;

	if (s->origin.comment)
		return s->origin.comment;
	if (s->origin.len == 1)
		e = s->origin.elements[0];
	else if (s->origin.len > 1 && o->attribute > 0)
		e = element_at((const struct nlmsghdr *)(b->data + s->offset), &s->origin,
			       o->attribute);
	return e ? e->comment : NULL;
}

/* Chains of one name may be in tables of two families. */
static bool is_bridge(const struct batch *b, const struct sent *s)
{
	const struct nlmsghdr *m = (const struct nlmsghdr *)(b->data + s->offset);

	return ((const struct nfgenmsg *)mnl_nlmsg_get_payload(m))->nfgen_family == NFPROTO_BRIDGE;
}

static int explain(const struct batch *b, const struct outcome *o, struct error *err)
{
	const struct sent *s = &b->sent.items[o->refused - b->first];
	const char *comment = comment_of(b, s, o), *why = strerror(-o->code);

	if (o->code == -EPERM)
		why = "not permitted, or another process owns the table";
	return error_set(err, o->code, "the kernel refuses %s%s%s%s%s%s%s: %s", s->origin.what,
			 s->origin.name ? " " : "", s->origin.name ? s->origin.name : "",
			 is_bridge(b, s) ? " of family bridge" : "", comment ? " (" : "",
			 comment ? comment : "", comment ? ")" : "", why);
}

static int send_once(struct batch *b, struct nft *n, struct error *err)
{
	struct outcome o = {0};
	int r;

	if (mnl_socket_sendto(n->requests, b->data, b->len) < 0)
		return error_set(err, -errno, "cannot send a transaction of %zu bytes: %s", b->len,
				 strerror(errno));
	r = receive_answers(b, n, &o);
	if (o.lost)
		return error_set(err, -EBUSY, "the kernel's answer to a transaction was lost");
	if (o.code < 0)
		return explain(b, &o, err);
	if (r < 0)
		return error_set(err, r, "cannot receive the kernel's answer: %s", strerror(-r));
	if (!o.acknowledged)
		return error_set(err, -EIO, "the kernel did not answer to a transaction");
	return 0;
}

static bool is_passing(int code)
{
	return code == -ENOBUFS || code == -EINTR || code == -EAGAIN || code == -ENOMEM;
}

int batch_send(struct batch *b, struct nft *n, bool commit, struct error *err)
{
	int r = 0;

	ask_for_acknowledgement(b);
	if (commit)
		add_end(b);
	finish_last(b);
	n->seq = b->first + (uint32_t)b->sent.len;
	make_room(n, b);
	for (int i = 0; i < SEND_TRIES; i++) {
		r = send_once(b, n, err);
		if (!is_passing(r))
			break;
	}
	return r;
}

void batch_done(struct batch *b)
{
	mem_cleanup_free(&b->data);
	mem_cleanup_free(&b->sent.items);
	*b = (struct batch) {0};
}
