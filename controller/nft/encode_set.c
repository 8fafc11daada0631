/* Sets and maps, and their elements, as messages. */
#include "encode.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "kinds.h"
#include "quaywall/mem.h"

/* An attribute's length has 16 bits; one element takes at most a few hundred bytes. */
#define LIST_MAX 60000

#define USERDATA_MAX 256

static uint32_t set_flags(const struct ruleset_set *s)
{
	uint32_t flags = 0;

	if (s->flags & SET_INTERVAL)
		flags |= NFT_SET_INTERVAL;
	if ((s->flags & SET_INTERVAL) && s->nfields > 1)
		flags |= NFT_SET_CONCAT;
	if (s->flags & SET_VERDICTS)
		flags |= NFT_SET_MAP;
	if (s->flags & SET_DYNAMIC)
		flags |= NFT_SET_EVAL;
	if (s->timeout > 0)
		flags |= NFT_SET_TIMEOUT;
	return flags;
}

static uint32_t key_type(const struct ruleset_set *s)
{
	uint32_t type = 0;

	for (size_t i = 0; i < s->nfields; i++)
		type = type << KIND_TYPE_BITS | kind_type(s->fields[i]);
	return type;
}

/* Bytes of a key in the kernel: the padding counts only between and behind fields of several. */
static uint32_t key_length(const struct ruleset_set *s)
{
	return (uint32_t)(s->nfields > 1 ? ruleset_key_size(s) : ruleset_field_size(s->fields[0]));
}

/* What nft writes of an expression that a set is declared by: kinds of its own expressions, and their parts. */
enum { TYPEOF_PAYLOAD = 7, TYPEOF_META = 9, TYPEOF_CONCAT = 13 };
enum { META_KEY };
/* Its numbers of headers to which raw offsets are counted, of protocols' headers, and of their fields. */
enum { NETWORK_HEADER = 2, TRANSPORT_HEADER = 3 };
enum { HEADER_IP = 12, HEADER_IP6 = 13 };
enum { IP_SADDR = 11, IP6_SADDR = 8 };
enum { PAYLOAD_DESC, PAYLOAD_TYPE, PAYLOAD_BASE, PAYLOAD_OFFSET, PAYLOAD_LEN };

/* typeof iifname */
static void put_typeof_iifname(struct nftnl_udata_buf *u)
{
	struct nftnl_udata *data;

	nftnl_udata_put_u32(u, NFTNL_UDATA_SET_TYPEOF_EXPR, TYPEOF_META);
	data = nftnl_udata_nest_start(u, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(u, META_KEY, NFT_META_IIFNAME);
	nftnl_udata_nest_end(u, data);
}

/* typeof @BASE,OFFSET,LEN: BASE as nft numbers headers, the others in bytes */
static void put_typeof_raw(struct nftnl_udata_buf *u, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_udata *data;

	nftnl_udata_put_u32(u, NFTNL_UDATA_SET_TYPEOF_EXPR, TYPEOF_PAYLOAD);
	data = nftnl_udata_nest_start(u, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(u, PAYLOAD_DESC, 0);
	nftnl_udata_put_u32(u, PAYLOAD_TYPE, 0);
	nftnl_udata_put_u32(u, PAYLOAD_BASE, base);
	nftnl_udata_put_u32(u, PAYLOAD_OFFSET, 8 * offset);
	nftnl_udata_put_u32(u, PAYLOAD_LEN, 8 * len);
	nftnl_udata_nest_end(u, data);
}

/* typeof ip saddr, typeof ip6 saddr: the header and its field as nft numbers them */
static void put_typeof_saddr(struct nftnl_udata_buf *u, uint32_t header, uint32_t field)
{
	struct nftnl_udata *data;

	nftnl_udata_put_u32(u, NFTNL_UDATA_SET_TYPEOF_EXPR, TYPEOF_PAYLOAD);
	data = nftnl_udata_nest_start(u, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(u, PAYLOAD_DESC, header);
	nftnl_udata_put_u32(u, PAYLOAD_TYPE, field);
	nftnl_udata_nest_end(u, data);
}

static void put_typeof_field(struct nftnl_udata_buf *u, enum ruleset_field f)
{
	switch (f) {
	case FIELD_ND_TARGET:
		put_typeof_raw(u, NETWORK_HEADER, ND_TARGET_OFFSET, 16);
		return;
	case FIELD_VNI:
		put_typeof_raw(u, TRANSPORT_HEADER, VNI_OFFSET, 3);
		return;
	case FIELD_IPV4:
		put_typeof_saddr(u, HEADER_IP, IP_SADDR);
		return;
	case FIELD_IPV6:
		put_typeof_saddr(u, HEADER_IP6, IP6_SADDR);
		return;
	default:
		put_typeof_iifname(u);
	}
}

static void put_typeof_fields(struct nftnl_udata_buf *u, const struct ruleset_set *s)
{
	struct nftnl_udata *data;

	nftnl_udata_put_u32(u, NFTNL_UDATA_SET_TYPEOF_EXPR, TYPEOF_CONCAT);
	data = nftnl_udata_nest_start(u, NFTNL_UDATA_SET_TYPEOF_DATA);
	for (size_t i = 0; i < s->nfields; i++) {
		struct nftnl_udata *field = nftnl_udata_nest_start(u, (uint8_t)i);

		put_typeof_field(u, s->fields[i]);
		nftnl_udata_nest_end(u, field);
	}
	nftnl_udata_nest_end(u, data);
}

/* Without this nft would list an integer of no known size. */
static void put_typeof(struct nftnl_udata_buf *u, const struct ruleset_set *s)
{
	struct nftnl_udata *key;

	if (s->fields[s->nfields - 1] != FIELD_ND_TARGET && s->fields[0] != FIELD_VNI)
		return;
	key = nftnl_udata_nest_start(u, NFTNL_UDATA_SET_KEY_TYPEOF);
	if (s->nfields == 1)
		put_typeof_field(u, s->fields[0]);
	else
		put_typeof_fields(u, s);
	nftnl_udata_nest_end(u, key);
}

/* nft notes byte orders, without which it lists names of interfaces as numbers. */
static void put_byte_order(struct nftnl_set *set, const struct ruleset_set *s)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(USERDATA_MAX);

	nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER,
			    s->nfields > 1 ? 0 : kind_byte_order(s->fields[0]));
	if (s->flags & SET_VERDICTS)
		nftnl_udata_put_u32(u, NFTNL_UDATA_SET_DATABYTEORDER, 0);
	put_typeof(u, s);
	nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(u),
			   nftnl_udata_buf_len(u));
	nftnl_udata_buf_free(u);
}

/* The bytes of each field, by which the kernel tells the ranges of a concatenation apart. */
static void put_fields(struct nftnl_set *set, const struct ruleset_set *s)
{
	uint8_t lengths[RULESET_FIELDS_MAX];

	for (size_t i = 0; i < s->nfields; i++)
		lengths[i] = (uint8_t)ruleset_field_size(s->fields[i]);
	nftnl_set_set_data(set, NFTNL_SET_DESC_CONCAT, lengths, (uint32_t)s->nfields);
}

/* set NAME { type TYPE . TYPE; flags interval; counter; } and the like */
static struct nftnl_set *declaration(const struct target *t, const struct ruleset_set *s,
				     uint32_t id)
{
	struct nftnl_set *set = nftnl_set_alloc();

	nftnl_set_set_str(set, NFTNL_SET_TABLE, t->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, s->name);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, set_flags(s));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, key_type(s));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_length(s));
	if (s->flags & SET_VERDICTS) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, 0);
	}
	if ((s->flags & SET_INTERVAL) && s->nfields > 1)
		put_fields(set, s);
	if (s->size > 0)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, s->size);
	if (s->timeout > 0)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, 1000ull * s->timeout);
	if (s->flags & SET_COUNTER)
		nftnl_set_add_expr(set, nftnl_expr_alloc("counter"));
	put_byte_order(set, s);
	return set;
}

void encode_add_set(struct batch *b, const struct target *t, const struct ruleset_set *s,
		    uint32_t id)
{
	const struct origin origin = {.what = "set", .name = s->name};
	struct nlmsghdr *m =
		batch_message(b, NFT_MSG_NEWSET, t->family, NLM_F_CREATE | NLM_F_EXCL, &origin);
	struct nftnl_set *set = declaration(t, s, id);

	nftnl_set_nlmsg_build_payload(m, set);
	nftnl_set_free(set);
}

void encode_delete_set(struct batch *b, const struct target *t, const struct ruleset_set *s)
{
	const struct origin origin = {.what = "set", .name = s->name};
	struct nlmsghdr *m = batch_message(b, NFT_MSG_DELSET, t->family, 0, &origin);

	mnl_attr_put_strz(m, NFTA_SET_TABLE, t->table);
	mnl_attr_put_strz(m, NFTA_SET_NAME, s->name);
}

/*
 * Elements are written with libmnl: there are a hundred thousand of them where there are ten of the
 * rest, and libnftnl allocates several objects for each.
 */

static void put_key(struct nlmsghdr *m, uint16_t type, const uint8_t *key, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(m, type);

	mnl_attr_put(m, NFTA_DATA_VALUE, size, key);
	mnl_attr_nest_end(m, nest);
}

/* … : goto CHAIN */
static void put_verdict(struct nlmsghdr *m, const struct ruleset_element *e)
{
	static const int32_t codes[] = {
		[VERDICT_NONE] = 0,	   [VERDICT_ACCEPT] = NF_ACCEPT,
		[VERDICT_DROP] = NF_DROP,  [VERDICT_RETURN] = NFT_RETURN,
		[VERDICT_JUMP] = NFT_JUMP, [VERDICT_GOTO] = NFT_GOTO,
	};
	struct nlattr *data = mnl_attr_nest_start(m, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(m, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(m, NFTA_VERDICT_CODE, htonl((uint32_t)codes[e->verdict]));
	if (e->chain)
		mnl_attr_put_strz(m, NFTA_VERDICT_CHAIN, e->chain);
	mnl_attr_nest_end(m, verdict);
	mnl_attr_nest_end(m, data);
}

/* nft's notes: the comment, and that a range has no end element because nothing comes after it. */
static void put_notes(struct nlmsghdr *m, const char *comment, bool open)
{
	uint8_t notes[USERDATA_MAX];
	const uint32_t flag = NFTNL_SET_ELEM_F_INTERVAL_OPEN;
	size_t len = 0, size = comment ? strlen(comment) + 1 : 0;

	if (size > 0 && size <= 128) {
		notes[len++] = NFTNL_UDATA_SET_ELEM_COMMENT;
		notes[len++] = (uint8_t)size;
		memcpy(notes + len, comment, size);
		len += size;
	}
	if (open) {
		notes[len++] = NFTNL_UDATA_SET_ELEM_FLAGS;
		notes[len++] = sizeof(flag);
		memcpy(notes + len, &flag, sizeof(flag));
		len += sizeof(flag);
	}
	if (len > 0)
		mnl_attr_put(m, NFTA_SET_ELEM_USERDATA, len, notes);
}

/* The key after KEY. False: there is none. */
static bool next_key(const uint8_t *key, size_t size, uint8_t *ret)
{
	memcpy(ret, key, size);
	for (size_t i = size; i-- > 0;)
		if (++ret[i] != 0)
			return true;
	return false;
}

/* What a list of elements is for: only what is added needs more than its key. */
struct listing {
	const struct ruleset_set *set;
	bool adding;
};

static void put_element(struct nlmsghdr *m, const struct listing *l,
			const struct ruleset_element *e, bool open)
{
	struct nlattr *nest = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	uint32_t size = key_length(l->set);

	put_key(m, NFTA_SET_ELEM_KEY, e->key, size);
	if ((l->set->flags & SET_INTERVAL) && l->set->nfields > 1)
		put_key(m, NFTA_SET_ELEM_KEY_END, e->key_end, size);
	if (l->adding && (l->set->flags & SET_VERDICTS))
		put_verdict(m, e);
	if (l->adding)
		put_notes(m, e->comment, open);
	mnl_attr_nest_end(m, nest);
}

/* A range over one field is two elements, the second one behind its last key and marked as an end. */
static void put_range(struct nlmsghdr *m, const struct listing *l, const struct ruleset_element *e)
{
	uint8_t after[RULESET_KEY_MAX];
	uint32_t size = key_length(l->set);
	bool closed = next_key(e->key_end, size, after);
	struct nlattr *nest;

	put_element(m, l, e, !closed);
	if (!closed)
		return;
	nest = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	put_key(m, NFTA_SET_ELEM_KEY, after, size);
	mnl_attr_put_u32(m, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(m, nest);
}

/* Writes elements of C from FIRST on, as many as one message takes, and returns how many. */
static size_t put_some(struct nlmsghdr *m, const struct target *t, const struct ruleset_change *c,
		       size_t first)
{
	const struct listing l = {.set = c->set, .adding = c->kind == CHANGE_ADD_ELEMENTS};
	struct nlattr *list;
	size_t i = first;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, t->table);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, c->set->name);
	list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (; i < c->len && mnl_nlmsg_get_payload_len(m) < LIST_MAX; i++) {
		if ((c->set->flags & SET_INTERVAL) && c->set->nfields == 1)
			put_range(m, &l, c->elements[i]);
		else
			put_element(m, &l, c->elements[i], false);
	}
	mnl_attr_nest_end(m, list);
	return i - first;
}

void encode_elements(struct batch *b, const struct target *t, const struct ruleset_change *c)
{
	bool adding = c->kind == CHANGE_ADD_ELEMENTS;
	uint16_t type = adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM;
	/* Of a dynamic set nobody knows what is in it already. */
	uint16_t exclusive = c->set->flags & SET_DYNAMIC ? 0 : NLM_F_EXCL;
	uint16_t flags = adding ? NLM_F_CREATE | exclusive : 0;
	struct origin origin = {.what = "an element of set", .name = c->set->name};
	struct nlmsghdr *m;
	size_t n;

	for (size_t i = 0; i < c->len; i += n) {
		origin.elements = c->elements + i;
		m = batch_message(b, type, t->family, flags, &origin);
		n = put_some(m, t, c, i);
		batch_elements(b, n);
	}
}
