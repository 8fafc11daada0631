/*
 * A reading of all counters: one dump of each table's rules, and one of each set whose elements count. What a dump
 * holds is kept until its end, as one that a transaction disturbed may have gaps and doubles, and is taken again.
 */
#include "quaywall/nft.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "counted.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"

#define TRIES 20

/* Of one dump: so many rules, or different comments in a set. What is beyond is not told. */
#define FOUND_MAX 65536

/* What is to be dumped. */
struct asked {
	uint8_t family;
	char *table;
	char *set; /* NULL: rules */
};

/* A struct nft_count with strings of its own. */
struct found {
	char *chain, *comment, *target;
	enum ruleset_verdict verdict;
	uint64_t packets, bytes;
};

struct nft_counters {
	struct mnl_socket *socket;
	struct {
		struct asked *items;
		size_t len, cap;
	} asked;
	size_t at;    /* the one that is read */
	uint32_t seq; /* of the last request */
	unsigned tries;
	bool disturbed;
	struct {
		struct found *items; /* of a set: sorted by comment */
		size_t len, cap;
	} found;
};

/* ---- what was found ---- */

static void forget_found(struct nft_counters *c)
{
	for (size_t i = 0; i < c->found.len; i++) {
		free(c->found.items[i].chain);
		free(c->found.items[i].comment);
		free(c->found.items[i].target);
	}
	c->found.len = 0;
}

static void take_rule(const struct counted_rule *rule, void *data)
{
	struct nft_counters *c = data;
	struct found f = {.verdict = rule->verdict, .packets = rule->packets, .bytes = rule->bytes};

	if (c->found.len == FOUND_MAX)
		return;
	f.chain = mem_strdup(rule->chain);
	f.comment = mem_strdup(rule->comment);
	f.target = mem_strdup(rule->target);
	MEM_PUSH(&c->found, f);
}

/* Where COMMENT stands, or belongs. */
static size_t place_of(const struct nft_counters *c, const char *comment)
{
	size_t low = 0, high = c->found.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->found.items[middle].comment, comment) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* False: there are too many. */
static bool insert(struct nft_counters *c, size_t at, const struct counted_element *e)
{
	struct found f = {.comment = NULL};

	if (c->found.len == FOUND_MAX)
		return false;
	f.comment = mem_strdup(e->comment);
	MEM_PUSH(&c->found, f);
	memmove(c->found.items + at + 1, c->found.items + at,
		(c->found.len - at - 1) * sizeof(*c->found.items));
	c->found.items[at] = f;
	return true;
}

static void take_element(const struct counted_element *e, void *data)
{
	struct nft_counters *c = data;
	size_t at = e->comment ? place_of(c, e->comment) : 0;
	bool known =
		e->comment && at < c->found.len && !strcmp(c->found.items[at].comment, e->comment);

	if (!e->comment || (!known && !insert(c, at, e)))
		return;
	c->found.items[at].packets += e->packets;
	c->found.items[at].bytes += e->bytes;
}

static void tell_found(const struct nft_counters *c,
		       void (*each)(const struct nft_count *count, void *data), void *data)
{
	const struct asked *asked = &c->asked.items[c->at];

	for (size_t i = 0; i < c->found.len; i++) {
		const struct found *f = &c->found.items[i];
		const struct nft_count count = {
			.family = asked->family,
			.set = asked->set,
			.chain = f->chain,
			.comment = f->comment,
			.verdict = f->verdict,
			.target = f->target,
			.packets = f->packets,
			.bytes = f->bytes,
		};

		each(&count, data);
	}
}

/* ---- requests ---- */

static void ask_for(struct nft_counters *c, const struct ruleset *r, const char *set)
{
	const struct asked a = {
		.family = r->family,
		.table = mem_strdup(r->table),
		.set = mem_strdup(set),
	};

	MEM_PUSH(&c->asked, a);
}

/* Asks for what comes next. Answers to earlier requests, which may still wait, have other numbers. */
static int send_request(struct nft_counters *c, struct error *err)
{
	_Alignas(struct nlmsghdr) char space[1024];
	const struct asked *a = &c->asked.items[c->at];
	uint16_t type = a->set ? NFT_MSG_GETSETELEM : NFT_MSG_GETRULE;
	struct nlmsghdr *m =
		nftnl_nlmsg_build_hdr(space, type, a->family, NLM_F_REQUEST | NLM_F_DUMP, ++c->seq);

	/* The table's name is attribute 1 of each kind. */
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, a->table);
	if (a->set)
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, a->set);
	forget_found(c);
	c->disturbed = false;
	if (mnl_socket_sendto(c->socket, m, m->nlmsg_len) < 0)
		return error_set(err, -errno, "asking for counters: %s", strerror(errno));
	return 0;
}

/* ---- answers ---- */

/* A dump is over, or what there was of it. */
static int finish(struct nft_counters *c, int result,
		  void (*each)(const struct nft_count *count, void *data), void *data,
		  struct error *err)
{
	if (result < 0 && result != -ENOENT && result != -EINTR)
		return error_set(err, result, "reading counters: %s", strerror(-result));
	if ((c->disturbed || result == -EINTR) && ++c->tries == TRIES)
		return error_set(err, -EINTR, "reading counters: the rules change all the time");
	if (!c->disturbed && result != -EINTR) {
		tell_found(c, each, data);
		c->tries = 0;
		c->at++;
	}
	if (c->at == c->asked.len)
		return 0;
	result = send_request(c, err);
	return result < 0 ? result : 1;
}

/* Of NLMSG_ERROR and NLMSG_DONE. */
static int carried_error(const struct nlmsghdr *m)
{
	return mnl_nlmsg_get_payload_len(m) < sizeof(int) ? 0
							  : *(const int *)mnl_nlmsg_get_payload(m);
}

static void take(struct nft_counters *c, const struct nlmsghdr *m)
{
	int r;

	if (m->nlmsg_flags & NLM_F_DUMP_INTR)
		c->disturbed = true;
	if (c->asked.items[c->at].set)
		r = counted_elements(m, take_element, c);
	else
		r = counted_rule(m, take_rule, c);
	c->disturbed |= r < 0;
}

int nft_counters_read(struct nft_counters *c,
		      void (*each)(const struct nft_count *count, void *data), void *data,
		      struct error *err)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_READ_SIZE];
	ssize_t got;
	int left;

	if (c->at == c->asked.len)
		return 0;
	got = mnl_socket_recvfrom(c->socket, buf, sizeof(buf));
	left = (int)got;
	if (got < 0 && errno == ENOBUFS)
		c->disturbed = true;
	if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		return error_set(err, -errno, "reading counters: %s", strerror(errno));
	for (const struct nlmsghdr *m = (const void *)buf; got > 0 && mnl_nlmsg_ok(m, left);
	     m = mnl_nlmsg_next(m, &left)) {
		if (m->nlmsg_seq != c->seq)
			continue;
		if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
			c->disturbed |= m->nlmsg_flags & NLM_F_DUMP_INTR;
			return finish(c, carried_error(m), each, data, err);
		}
		take(c, m);
	}
	return 1;
}

/* ---- beginning and end ---- */

static void ask_for_table(struct nft_counters *c, const struct ruleset *r)
{
	ask_for(c, r, NULL);
	for (size_t i = 0; i < r->nsets; i++)
		if (r->sets[i]->flags & SET_COUNTER)
			ask_for(c, r, r->sets[i]->name);
}

int nft_counters_open(int netns_fd, const struct ruleset *const *tables, size_t len,
		      struct nft_counters **ret, struct error *err)
{
	CLEANUP_NFT_COUNTERS struct nft_counters *c = mem_new(1, sizeof(*c));
	int r = netlink_open(NETLINK_NETFILTER, netns_fd, SOCK_NONBLOCK, &c->socket, err);

	for (size_t i = 0; r == 0 && i < len; i++)
		ask_for_table(c, tables[i]);
	if (r == 0 && c->asked.len)
		r = send_request(c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = NULL;
	return 0;
}

void nft_counters_close(struct nft_counters *c)
{
	if (!c)
		return;
	if (c->socket)
		mnl_socket_close(c->socket);
	forget_found(c);
	for (size_t i = 0; i < c->asked.len; i++) {
		free(c->asked.items[i].table);
		free(c->asked.items[i].set);
	}
	free(c->found.items);
	free(c->asked.items);
	free(c);
}

int nft_counters_fd(const struct nft_counters *c)
{
	return mnl_socket_get_fd(c->socket);
}
