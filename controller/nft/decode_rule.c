/*
 * Rules from messages.
 *
 * The kernel knows rules as instructions on registers: what loads one is remembered here until what
 * reads it, a comparison or a lookup, makes an expression of the two.
 */
#include "decode.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <string.h>

#include "kinds.h"
#include "registers.h"
#include "quaywall/mem.h"

static void add(struct reading *d, struct ruleset_expr e)
{
	ruleset_add_expr(d->rule, &e);
}

/* ---- registers ---- */

/* The kernel's registers are of 16 bytes (1 to 4) and of 4 (from 8 on), over the same memory. */
struct slot *registers_slot(struct reading *d, uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return &d->slots[(reg - NFT_REG_1) * 4];
	if (reg >= NFT_REG32_00 && reg < NFT_REG32_00 + WORDS)
		return &d->slots[reg - NFT_REG32_00];
	return NULL;
}

static bool load(struct reading *d, uint32_t reg, struct slot held)
{
	struct slot *s = registers_slot(d, reg);

	if (!s)
		return false;
	*s = held;
	return true;
}

static uint32_t meta_size(uint32_t key)
{
	switch (key) {
	case NFT_META_IIFNAME:
	case NFT_META_OIFNAME:
		return IFNAMSIZ;
	case NFT_META_L4PROTO:
	case NFT_META_NFPROTO:
	case NFT_META_SECPATH:
	case NFT_META_PKTTYPE:
		return 1;
	case NFT_META_PROTOCOL:
	case NFT_META_IIFTYPE:
		return 2;
	default:
		return 0;
	}
}

static bool read_meta(struct reading *d, const struct nftnl_expr *e)
{
	uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG) || meta_size(key) == 0)
		return false;
	return load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG),
		    (struct slot) {.held = HELD_META, .key = key, .size = meta_size(key)});
}

static bool read_payload(struct reading *d, const struct nftnl_expr *e)
{
	struct slot held = {
		.held = HELD_PAYLOAD,
		.key = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE),
		.offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET),
		.size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN),
	};

	return nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_DREG) &&
	       load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG), held);
}

static uint32_t ct_size(uint32_t key)
{
	switch (key) {
	case NFT_CT_PROTO_DST:
		return 2;
	case NFT_CT_SRC_IP6:
		return 16;
	default:
		return 4;
	}
}

static bool read_ct(struct reading *d, const struct nftnl_expr *e)
{
	struct slot held = {.held = HELD_CT, .key = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY)};

	held.size = ct_size(held.key);
	held.directed = nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR);
	if (held.directed)
		held.offset = nftnl_expr_get_u8(e, NFTNL_EXPR_CT_DIR);
	return nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG) &&
	       load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_CT_DREG), held);
}

static bool read_fib(struct reading *d, const struct nftnl_expr *e)
{
	return nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_FLAGS) == NFTA_FIB_F_DADDR &&
	       load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_DREG),
		    (struct slot) {.held = HELD_FIB});
}

static bool read_rt(struct reading *d, const struct nftnl_expr *e)
{
	return nftnl_expr_get_u32(e, NFTNL_EXPR_RT_KEY) == NFT_RT_XFRM &&
	       load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_RT_DREG),
		    (struct slot) {.held = HELD_RT, .size = 1});
}

/* Of the extension headers only a fragment's offset. */
static bool read_exthdr(struct reading *d, const struct nftnl_expr *e)
{
	struct slot held = {.held = HELD_FRAGMENT, .size = 2};

	return nftnl_expr_get_u8(e, NFTNL_EXPR_EXTHDR_TYPE) == FRAGMENT_HEADER &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_OFFSET) == FRAGMENT_OFFSET &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_LEN) == held.size &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_OP) == NFT_EXTHDR_OP_IPV6 &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_FLAGS) == 0 &&
	       nftnl_expr_is_set(e, NFTNL_EXPR_EXTHDR_DREG) &&
	       load(d, nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_DREG), held);
}

static bool read_bitwise(struct reading *d, const struct nftnl_expr *e)
{
	static const uint8_t zeros[16];
	uint32_t reg = nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_SREG), mask_len = 0, xor_len = 0;
	const void *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &mask_len);
	const void * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_len);
	struct slot *s = registers_slot(d, reg);

	if (!s || s->held == HELD_NOTHING || s->masked || !mask || !xor ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_OP) != NFT_BITWISE_BOOL ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_DREG) != reg || mask_len > sizeof(s->mask) ||
	    xor_len > sizeof(zeros) || memcmp(xor, zeros, xor_len) != 0)
		return false;
	s->masked = true;
	memcpy(s->mask, mask, mask_len);
	return true;
}

/* nft 1.0.6 turns the byte order of a protocol's number before a lookup of ranges, which does nothing
 * to one byte. */
static bool read_byteorder(struct reading *d, const struct nftnl_expr *e)
{
	const struct slot *s = registers_slot(d, nftnl_expr_get_u32(e, NFTNL_EXPR_BYTEORDER_SREG));

	return s && s->held == HELD_META && s->size == 1 &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_BYTEORDER_LEN) == 1 &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_BYTEORDER_DREG) ==
		       nftnl_expr_get_u32(e, NFTNL_EXPR_BYTEORDER_SREG);
}

/* ---- lookups ---- */

static bool load_of(const struct slot *s, enum ruleset_load *ret)
{
	struct kind_load l = {.key = s->key, .offset = s->offset, .size = s->size};

	if (s->masked)
		return false;
	if (s->held == HELD_META)
		l.source = SOURCE_META;
	else if (s->held == HELD_PAYLOAD)
		l.source = SOURCE_PAYLOAD;
	else if (s->held == HELD_CT && s->directed)
		l.source = SOURCE_CT;
	else
		return false;
	return kind_load_of(&l, ret);
}

/* Fills the loads of E from the register REG on, as many as the set NAME has fields. */
static bool read_loads(struct reading *d, uint32_t reg, const char *name, struct ruleset_expr *e)
{
	const struct slot *s = registers_slot(d, reg), *end = d->slots + WORDS;
	const struct ruleset_set *set = name ? ruleset_find_set(d->r, name) : NULL;

	if (!s || !set || set->nfields == 0)
		return false;
	for (e->nloads = 0; e->nloads < set->nfields; e->nloads++) {
		if (s >= end || !load_of(s, &e->loads[e->nloads]))
			return false;
		s += (s->size + WORD_BYTES - 1) / WORD_BYTES;
	}
	e->name = (char *)name;
	return true;
}

static bool read_lookup(struct reading *d, const struct nftnl_expr *e)
{
	struct ruleset_expr expr = {.kind = EXPR_LOOKUP};
	uint32_t flags = nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS);

	if (nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG)) {
		if (nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG) != NFT_REG_VERDICT || flags != 0)
			return false;
		expr.kind = EXPR_VMAP;
	}
	if (!read_loads(d, nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_SREG),
			nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET), &expr))
		return false;
	expr.negate = flags & NFT_LOOKUP_F_INV;
	add(d, expr);
	return true;
}

/* ---- statements ---- */

static bool is(const struct nftnl_expr *e, const char *name)
{
	return strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), name) == 0;
}

static bool read_rate(const struct nftnl_expr *e, struct ruleset_expr *ret)
{
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_TYPE) != NFT_LIMIT_PKTS ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_FLAGS) != 0)
		return false;
	ret->kind = EXPR_DYNSET_LIMIT;
	ret->rate = (uint32_t)nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_RATE);
	ret->unit = (uint32_t)nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_UNIT);
	ret->burst = nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_BURST);
	return true;
}

static bool read_count(const struct nftnl_expr *e, struct ruleset_expr *ret)
{
	ret->number = nftnl_expr_get_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT);
	return nftnl_expr_get_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS) == 0;
}

struct inner {
	const struct nftnl_expr *expr;
	size_t n;
};

static int note_inner(struct nftnl_expr *e, void *data)
{
	struct inner *inner = data;

	inner->expr = e;
	inner->n++;
	return 0;
}

/* What the elements that the packet adds or finds again get. */
static bool read_inner(const struct inner *inner, uint32_t op, struct ruleset_expr *ret)
{
	ret->kind = EXPR_DYNSET_STAY;
	if (inner->n == 0)
		return op == NFT_DYNSET_OP_UPDATE;
	if (inner->n > 1)
		return false;
	if (op == NFT_DYNSET_OP_UPDATE && is(inner->expr, "limit"))
		return read_rate(inner->expr, ret);
	if (op == NFT_DYNSET_OP_UPDATE && is(inner->expr, "counter")) {
		ret->kind = EXPR_DYNSET_COUNT;
		return true;
	}
	ret->kind = EXPR_DYNSET_CONNS;
	return op == NFT_DYNSET_OP_ADD && is(inner->expr, "connlimit") &&
	       read_count(inner->expr, ret);
}

static bool read_dynset(struct reading *d, const struct nftnl_expr *e)
{
	struct ruleset_expr expr = {.kind = EXPR_DYNSET_STAY};
	struct inner inner = {0};

	nftnl_expr_expr_foreach(e, note_inner, &inner);
	if (nftnl_expr_is_set(e, NFTNL_EXPR_DYNSET_SREG_DATA) ||
	    nftnl_expr_get_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT) != 0 ||
	    !read_inner(&inner, nftnl_expr_get_u32(e, NFTNL_EXPR_DYNSET_OP), &expr))
		return false;
	if (!read_loads(d, nftnl_expr_get_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY),
			nftnl_expr_get_str(e, NFTNL_EXPR_DYNSET_SET_NAME), &expr))
		return false;
	add(d, expr);
	return true;
}

static bool read_counter(struct reading *d, const struct nftnl_expr *e)
{
	(void)e;
	add(d, (struct ruleset_expr) {.kind = EXPR_COUNTER});
	return true;
}

static bool read_objref(struct reading *d, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_IMM_NAME);

	if (!name || nftnl_expr_get_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE) != NFT_OBJECT_LIMIT)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_LIMIT, .name = (char *)name});
	return true;
}

static bool read_log(struct reading *d, const struct nftnl_expr *e)
{
	const char *prefix = nftnl_expr_get_str(e, NFTNL_EXPR_LOG_PREFIX);

	if (!prefix || !nftnl_expr_is_set(e, NFTNL_EXPR_LOG_GROUP) ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_LOG_SNAPLEN) != 0 ||
	    nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_QTHRESHOLD) != 0)
		return false;
	add(d, (struct ruleset_expr) {.kind = EXPR_LOG,
				      .number = nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_GROUP),
				      .name = (char *)prefix});
	return true;
}

static bool read_reject(struct reading *d, const struct nftnl_expr *e)
{
	uint32_t type = nftnl_expr_get_u32(e, NFTNL_EXPR_REJECT_TYPE);

	if (type == NFT_REJECT_TCP_RST)
		add(d, (struct ruleset_expr) {.kind = EXPR_REJECT_RST});
	else if (type == NFT_REJECT_ICMPX_UNREACH &&
		 nftnl_expr_get_u8(e, NFTNL_EXPR_REJECT_CODE) == NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
		add(d, (struct ruleset_expr) {.kind = EXPR_REJECT_ADMIN});
	else
		return false;
	return true;
}

static bool read_immediate(struct reading *d, const struct nftnl_expr *e)
{
	struct ruleset_expr expr = {.kind = EXPR_VERDICT};

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT) ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT ||
	    !decode_verdict((int32_t)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT), &expr.verdict))
		return false;
	expr.name = (char *)nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	if ((expr.name != NULL) != (expr.verdict == VERDICT_JUMP || expr.verdict == VERDICT_GOTO))
		return false;
	add(d, expr);
	return true;
}

/* ---- a whole rule ---- */

static const struct {
	const char *name;
	bool (*read)(struct reading *d, const struct nftnl_expr *e);
} readers[] = {
	{"meta", read_meta},
	{"payload", read_payload},
	{"ct", read_ct},
	{"fib", read_fib},
	{"bitwise", read_bitwise},
	{"byteorder", read_byteorder},
	{"cmp", compare_read},
	{"range", compare_read_range},
	{"lookup", read_lookup},
	{"dynset", read_dynset},
	{"counter", read_counter},
	{"objref", read_objref},
	{"exthdr", read_exthdr},
	{"rt", read_rt},
	{"log", read_log},
	{"reject", read_reject},
	{"immediate", read_immediate},
};

static int read_expr(struct nftnl_expr *e, void *data)
{
	struct reading *d = data;

	/* Between the two ends of a range nothing else may come. */
	if (d->range && !is(e, "cmp") && !is(e, "range"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		if (is(e, readers[i].name))
			return readers[i].read(d, e) ? 0 : -1;
	return -1;
}

static char *read_comment(const struct nftnl_rule *rule)
{
	uint32_t len = 0;
	const void *notes = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &len);

	return notes ? decode_comment(notes, len) : NULL;
}

/* The string attribute TYPE of a message, or NULL. */
static const char *string_attribute(const struct nlmsghdr *m, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == type &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

/* libnftnl fails on instructions that are newer than it: that makes a rule unknown, not unreadable. */
int decode_rule(const struct nlmsghdr *message, struct ruleset *r)
{
	const char *table, *name;
	struct reading d = {.r = r};
	struct ruleset_chain *c;
	struct nftnl_rule *rule;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	table = string_attribute(message, NFTA_RULE_TABLE);
	name = string_attribute(message, NFTA_RULE_CHAIN);
	if (!table || !name)
		return -EBADMSG;
	c = ruleset_find_chain(r, name);
	if (strcmp(table, r->table) != 0 || !c)
		return 0;
	rule = nftnl_rule_alloc();
	d.rule = ruleset_add_rule(c, NULL);
	d.rule->unknown = nftnl_rule_nlmsg_parse(message, rule) < 0 ||
			  nftnl_expr_foreach(rule, read_expr, &d) < 0 || d.range;
	d.rule->comment = read_comment(rule);
	nftnl_rule_free(rule);
	return 0;
}
