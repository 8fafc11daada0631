/* Rules as messages. Each function that emits expressions is headed by the nft text it encodes. */
#include "encode.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "kinds.h"
#include "quaywall/mem.h"

#define BRIDGE 7 /* NFPROTO_BRIDGE */

/* Registers are counted in words of 4 bytes; a match needs but the first. */
#define FIRST_WORD NFT_REG32_00

static const uint8_t zeros[16];

static void emit(struct nftnl_rule *rule, struct nftnl_expr *e)
{
	nftnl_rule_add_expr(rule, e);
}

static void emit_meta(struct nftnl_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
	emit(rule, e);
}

static void emit_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
			 uint32_t reg)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
	emit(rule, e);
}

/* DIRECTION: IP_CT_DIR_*, or -1 for what a flow has but once */
static void emit_ct(struct nftnl_rule *rule, uint32_t key, int direction, uint32_t reg)
{
	struct nftnl_expr *e = nftnl_expr_alloc("ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
	if (direction >= 0)
		nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, (uint8_t)direction);
	emit(rule, e);
}

static void emit_cmp(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, FIRST_WORD);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
	emit(rule, e);
}

static void emit_equal(struct nftnl_rule *rule, bool negate, const void *data, uint32_t len)
{
	emit_cmp(rule, negate ? NFT_CMP_NEQ : NFT_CMP_EQ, data, len);
}

static void emit_mask(struct nftnl_rule *rule, const void *mask, uint32_t len)
{
	struct nftnl_expr *e = nftnl_expr_alloc("bitwise");

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, FIRST_WORD);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, FIRST_WORD);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zeros, len);
	emit(rule, e);
}

/* iifname "NAME", or "PREFIX*": of a prefix, only its bytes are compared */
static void emit_interface(struct nftnl_rule *rule, uint32_t key, const struct ruleset_expr *e)
{
	char name[IFNAMSIZ] = "";
	size_t len = strlen(e->name);
	bool prefix = len > 0 && e->name[len - 1] == '*';

	if (prefix)
		len--;
	memcpy(name, e->name, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
	emit_meta(rule, key, FIRST_WORD);
	emit_equal(rule, e->negate, name, prefix ? (uint32_t)len : sizeof(name));
}

/* ct state A,B; negated: ct state ! A,B */
static void emit_ct_bits(struct nftnl_rule *rule, uint32_t key, uint32_t bits, bool negate)
{
	emit_ct(rule, key, -1, FIRST_WORD);
	emit_mask(rule, &bits, sizeof(bits));
	emit_cmp(rule, negate ? NFT_CMP_EQ : NFT_CMP_NEQ, zeros, sizeof(bits));
}

/* ct state A,B: the bits of CT_* are the kernel's own */
static void emit_ct_state(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	emit_ct_bits(rule, NFT_CT_STATE, e->number, e->negate);
}

/* ct status dnat */
static void emit_ct_dnat(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	emit_ct_bits(rule, NFT_CT_STATUS, IPS_DST_NAT, e->negate);
}

/* meta nfproto ipv4; in family bridge, where that is always 'bridge': meta protocol ip */
static void emit_nfproto(struct nftnl_rule *rule, uint8_t table_family,
			 const struct ruleset_expr *e)
{
	uint8_t proto = e->number == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
	uint16_t type = htons(e->number == AF_INET ? 0x0800 : 0x86dd);

	if (table_family == BRIDGE) {
		emit_meta(rule, NFT_META_PROTOCOL, FIRST_WORD);
		emit_equal(rule, false, &type, sizeof(type));
	} else {
		emit_meta(rule, NFT_META_NFPROTO, FIRST_WORD);
		emit_equal(rule, false, &proto, sizeof(proto));
	}
}

/* meta l4proto NUMBER */
static void emit_l4proto(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint8_t proto = (uint8_t)e->number;

	emit_meta(rule, NFT_META_L4PROTO, FIRST_WORD);
	emit_equal(rule, e->negate, &proto, sizeof(proto));
}

/* icmp type NUMBER (offset 0), icmp code NUMBER (offset 1); icmpv6 likewise */
static void emit_icmp(struct nftnl_rule *rule, const struct ruleset_expr *e, uint32_t offset)
{
	uint8_t number = (uint8_t)e->number;

	emit_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 1, FIRST_WORD);
	emit_equal(rule, false, &number, sizeof(number));
}

/* … FIRST-LAST */
static void emit_ports(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint16_t first = htons(e->first), last = htons(e->last);

	if (e->first == e->last) {
		emit_equal(rule, false, &first, sizeof(first));
		return;
	}
	emit_cmp(rule, NFT_CMP_GTE, &first, sizeof(first));
	emit_cmp(rule, NFT_CMP_LTE, &last, sizeof(last));
}

/* th dport FIRST-LAST */
static void emit_th_dport(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	emit_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, FIRST_WORD);
	emit_ports(rule, e);
}

/* ct original proto-dst FIRST-LAST */
static void emit_ct_orig_port(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	emit_ct(rule, NFT_CT_PROTO_DST, IP_CT_DIR_ORIGINAL, FIRST_WORD);
	emit_ports(rule, e);
}

/* tcp flags & (fin | syn | rst | ack) != syn */
static void emit_tcp_not_syn(struct nftnl_rule *rule)
{
	static const uint8_t mask = 0x17, syn = 0x02;

	emit_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, FIRST_WORD);
	emit_mask(rule, &mask, sizeof(mask));
	emit_equal(rule, true, &syn, sizeof(syn));
}

/* meta pkttype multicast */
static void emit_multicast(struct nftnl_rule *rule)
{
	static const uint8_t multicast = PACKET_MULTICAST;

	emit_meta(rule, NFT_META_PKTTYPE, FIRST_WORD);
	emit_equal(rule, false, &multicast, sizeof(multicast));
}

/* fib daddr type local */
static void emit_fib_local(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *fib = nftnl_expr_alloc("fib");
	uint32_t local = RTN_LOCAL;

	nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, FIRST_WORD);
	emit(rule, fib);
	emit_equal(rule, e->negate, &local, sizeof(local));
}

/* ip6 hoplimit NUMBER */
static void emit_hoplimit(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint8_t number = (uint8_t)e->number;

	emit_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, HOPLIMIT_OFFSET, 1, FIRST_WORD);
	emit_equal(rule, false, &number, sizeof(number));
}

/* ip6 nexthdr NUMBER */
static void emit_nexthdr(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint8_t number = (uint8_t)e->number;

	emit_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, NEXTHDR_OFFSET, 1, FIRST_WORD);
	emit_equal(rule, e->negate, &number, sizeof(number));
}

/* frag frag-off != 0 */
static void emit_later_fragment(struct nftnl_rule *rule)
{
	static const uint8_t mask[2] = FRAGMENT_MASK;
	struct nftnl_expr *e = nftnl_expr_alloc("exthdr");

	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, FRAGMENT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, FRAGMENT_OFFSET);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, sizeof(mask));
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, FIRST_WORD);
	emit(rule, e);
	emit_mask(rule, mask, sizeof(mask));
	emit_equal(rule, true, zeros, sizeof(mask));
}

/* ether type NUMBER: of the header, for a tag that the driver took off is put back for this load */
static void emit_ether_type(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint16_t type = htons((uint16_t)e->number);

	emit_payload(rule, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE_OFFSET, 2, FIRST_WORD);
	emit_equal(rule, e->negate, &type, sizeof(type));
}

/* ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00, and before, as nft has it: meta iiftype ether */
static void emit_link_group(struct nftnl_rule *rule)
{
	static const uint8_t mask[] = LINK_GROUP_MASK, group[] = LINK_GROUP;
	static const uint16_t ether = ARPHRD_ETHER;

	emit_meta(rule, NFT_META_IIFTYPE, FIRST_WORD);
	emit_equal(rule, false, &ether, sizeof(ether));
	emit_payload(rule, NFT_PAYLOAD_LL_HEADER, 0, sizeof(mask), FIRST_WORD);
	emit_mask(rule, mask, sizeof(mask));
	emit_equal(rule, false, group, sizeof(group));
}

/* ip saddr PREFIX: of a prefix of whole bytes only those are loaded, of another all, behind a mask */
static void emit_address(struct nftnl_rule *rule, const struct ruleset_expr *e, bool source)
{
	const struct prefix *p = &e->prefix;
	uint32_t size = (uint32_t)addr_size(p->addr.family), len = size;
	struct prefix mask = {.addr = {.family = p->addr.family}, .len = p->len};

	if (p->len > 0 && p->len % 8 == 0)
		len = p->len / 8;
	emit_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, kind_address_offset(p->addr.family, source),
		     len, FIRST_WORD);
	if (len * 8 != p->len) {
		memset(mask.addr.bytes, 0xff, size);
		mask = prefix_mask(&mask);
		emit_mask(rule, mask.addr.bytes, size);
	}
	emit_equal(rule, e->negate, p->addr.bytes, len);
}

/* meta ipsec exists | missing */
static void emit_ipsec_in(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	const uint8_t wanted = !e->negate;

	emit_meta(rule, NFT_META_SECPATH, FIRST_WORD);
	emit_equal(rule, false, &wanted, sizeof(wanted));
}

/* rt ipsec exists | missing */
static void emit_ipsec_out(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *rt = nftnl_expr_alloc("rt");
	const uint8_t wanted = !e->negate;

	nftnl_expr_set_u32(rt, NFTNL_EXPR_RT_KEY, NFT_RT_XFRM);
	nftnl_expr_set_u32(rt, NFTNL_EXPR_RT_DREG, FIRST_WORD);
	emit(rule, rt);
	emit_equal(rule, false, &wanted, sizeof(wanted));
}

static void emit_load(struct nftnl_rule *rule, enum ruleset_load load, uint32_t reg)
{
	const struct kind_load *l = kind_load(load);

	if (l->source == SOURCE_META)
		emit_meta(rule, l->key, reg);
	else if (l->source == SOURCE_CT)
		emit_ct(rule, l->key, (int)l->offset, reg);
	else
		emit_payload(rule, l->key, l->offset, l->size, reg);
}

/* LOAD . LOAD, one behind the other in words of 4 bytes */
static void emit_loads(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	uint32_t reg = FIRST_WORD;

	for (size_t i = 0; i < e->nloads; i++) {
		emit_load(rule, e->loads[i], reg);
		reg += (kind_load(e->loads[i])->size + 3) / 4;
	}
}

/* LOADS @SET, LOADS != @SET; LOADS vmap @SET */
static void emit_lookup(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *lookup = nftnl_expr_alloc("lookup");

	emit_loads(rule, e);
	nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, FIRST_WORD);
	nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, e->name);
	if (e->kind == EXPR_VMAP)
		nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	if (e->negate)
		nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	emit(rule, lookup);
}

/* limit name "NAME" */
static void emit_limit(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *ref = nftnl_expr_alloc("objref");

	nftnl_expr_set_u32(ref, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_LIMIT);
	nftnl_expr_set_str(ref, NFTNL_EXPR_OBJREF_IMM_NAME, e->name);
	emit(rule, ref);
}

/* limit rate RATE/UNIT burst BURST packets */
static struct nftnl_expr *rate_limit(const struct ruleset_expr *e)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, e->rate);
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, e->unit);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, e->burst);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, 0);
	return limit;
}

/* ct count NUMBER */
static struct nftnl_expr *connection_limit(const struct ruleset_expr *e)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("connlimit");

	nftnl_expr_set_u32(limit, NFTNL_EXPR_CONNLIMIT_COUNT, e->number);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_CONNLIMIT_FLAGS, 0);
	return limit;
}

/* update @SET { LOADS limit … }, add @SET { LOADS ct count … }, update @SET { LOADS counter }, update @SET { LOADS } */
static void emit_dynset(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *dynset = nftnl_expr_alloc("dynset");
	bool update = e->kind != EXPR_DYNSET_CONNS;

	emit_loads(rule, e);
	nftnl_expr_set_u32(dynset, NFTNL_EXPR_DYNSET_SREG_KEY, FIRST_WORD);
	nftnl_expr_set_u32(dynset, NFTNL_EXPR_DYNSET_OP,
			   update ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
	nftnl_expr_set_str(dynset, NFTNL_EXPR_DYNSET_SET_NAME, e->name);
	if (e->kind == EXPR_DYNSET_LIMIT)
		nftnl_expr_add_expr(dynset, NFTNL_EXPR_DYNSET_EXPR, rate_limit(e));
	else if (e->kind == EXPR_DYNSET_CONNS)
		nftnl_expr_add_expr(dynset, NFTNL_EXPR_DYNSET_EXPR, connection_limit(e));
	else if (e->kind == EXPR_DYNSET_COUNT)
		nftnl_expr_add_expr(dynset, NFTNL_EXPR_DYNSET_EXPR, nftnl_expr_alloc("counter"));
	emit(rule, dynset);
}

/* log prefix "TEXT" group NUMBER */
static void emit_log(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	struct nftnl_expr *log = nftnl_expr_alloc("log");

	nftnl_expr_set_str(log, NFTNL_EXPR_LOG_PREFIX, e->name);
	nftnl_expr_set_u16(log, NFTNL_EXPR_LOG_GROUP, (uint16_t)e->number);
	emit(rule, log);
}

/* reject with tcp reset, reject with icmpx admin-prohibited */
static void emit_reject(struct nftnl_rule *rule, uint32_t type, uint8_t code)
{
	struct nftnl_expr *reject = nftnl_expr_alloc("reject");

	nftnl_expr_set_u32(reject, NFTNL_EXPR_REJECT_TYPE, type);
	nftnl_expr_set_u8(reject, NFTNL_EXPR_REJECT_CODE, code);
	emit(rule, reject);
}

/* accept, drop, return, jump CHAIN, goto CHAIN */
static void emit_verdict(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	static const int32_t codes[] = {
		[VERDICT_NONE] = NFT_CONTINUE, [VERDICT_ACCEPT] = NF_ACCEPT,
		[VERDICT_DROP] = NF_DROP,      [VERDICT_RETURN] = NFT_RETURN,
		[VERDICT_JUMP] = NFT_JUMP,     [VERDICT_GOTO] = NFT_GOTO,
	};
	struct nftnl_expr *immediate = nftnl_expr_alloc("immediate");

	nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_VERDICT, (uint32_t)codes[e->verdict]);
	if (e->name)
		nftnl_expr_set_str(immediate, NFTNL_EXPR_IMM_CHAIN, e->name);
	emit(rule, immediate);
}

static void emit_statement(struct nftnl_rule *rule, const struct ruleset_expr *e)
{
	switch (e->kind) {
	case EXPR_LIMIT:
		emit_limit(rule, e);
		return;
	case EXPR_DYNSET_LIMIT:
	case EXPR_DYNSET_CONNS:
	case EXPR_DYNSET_COUNT:
	case EXPR_DYNSET_STAY:
		emit_dynset(rule, e);
		return;
	case EXPR_COUNTER:
		emit(rule, nftnl_expr_alloc("counter"));
		return;
	case EXPR_LOG:
		emit_log(rule, e);
		return;
	case EXPR_REJECT_RST:
		emit_reject(rule, NFT_REJECT_TCP_RST, 0);
		return;
	case EXPR_REJECT_ADMIN:
		emit_reject(rule, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		return;
	default:
		emit_verdict(rule, e);
	}
}

static void emit_expr(struct nftnl_rule *rule, uint8_t family, const struct ruleset_expr *e)
{
	switch (e->kind) {
	case EXPR_IIFNAME:
		emit_interface(rule, NFT_META_IIFNAME, e);
		return;
	case EXPR_OIFNAME:
		emit_interface(rule, NFT_META_OIFNAME, e);
		return;
	case EXPR_CT_STATE:
		emit_ct_state(rule, e);
		return;
	case EXPR_CT_DNAT:
		emit_ct_dnat(rule, e);
		return;
	case EXPR_NFPROTO:
		emit_nfproto(rule, family, e);
		return;
	case EXPR_L4PROTO:
		emit_l4proto(rule, e);
		return;
	case EXPR_ICMP:
		emit_icmp(rule, e, 0);
		return;
	case EXPR_ICMP_CODE:
		emit_icmp(rule, e, 1);
		return;
	case EXPR_TH_DPORT:
		emit_th_dport(rule, e);
		return;
	case EXPR_CT_ORIG_PORT:
		emit_ct_orig_port(rule, e);
		return;
	case EXPR_TCP_NOT_SYN:
		emit_tcp_not_syn(rule);
		return;
	case EXPR_FIB_LOCAL:
		emit_fib_local(rule, e);
		return;
	case EXPR_HOPLIMIT:
		emit_hoplimit(rule, e);
		return;
	case EXPR_NEXTHDR:
		emit_nexthdr(rule, e);
		return;
	case EXPR_LATER_FRAGMENT:
		emit_later_fragment(rule);
		return;
	case EXPR_ETHER_TYPE:
		emit_ether_type(rule, e);
		return;
	case EXPR_MULTICAST:
		emit_multicast(rule);
		break;
	case EXPR_LINK_GROUP:
		emit_link_group(rule);
		return;
	case EXPR_IP_DADDR:
	case EXPR_IP_SADDR:
		emit_address(rule, e, e->kind == EXPR_IP_SADDR);
		return;
	case EXPR_IPSEC_IN:
		emit_ipsec_in(rule, e);
		return;
	case EXPR_IPSEC_OUT:
		emit_ipsec_out(rule, e);
		return;
	case EXPR_LOOKUP:
	case EXPR_VMAP:
		emit_lookup(rule, e);
		return;
	default:
		emit_statement(rule, e);
	}
}

/* … comment "TEXT", which nft keeps in the rule's user data */
static void put_comment(struct nftnl_rule *rule, const char *comment)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(256);

	nftnl_udata_put_strz(u, NFTNL_UDATA_RULE_COMMENT, comment);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(u),
			    nftnl_udata_buf_len(u));
	nftnl_udata_buf_free(u);
}

static void add_rule(struct batch *b, const struct target *t, const struct ruleset_chain *c,
		     const struct ruleset_rule *r)
{
	const struct origin origin = {
		.what = "a rule of chain", .name = c->name, .comment = r->comment};
	struct nlmsghdr *m =
		batch_message(b, NFT_MSG_NEWRULE, t->family, NLM_F_CREATE | NLM_F_APPEND, &origin);
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, c->name);
	for (size_t i = 0; i < r->len; i++)
		emit_expr(rule, t->family, &r->exprs[i]);
	if (r->comment)
		put_comment(rule, r->comment);
	nftnl_rule_nlmsg_build_payload(m, rule);
	nftnl_rule_free(rule);
}

void encode_add_rules(struct batch *b, const struct target *t, const struct ruleset_chain *c)
{
	for (size_t i = 0; i < c->len; i++)
		add_rule(b, t, c, &c->rules[i]);
}

void encode_flush_rules(struct batch *b, const struct target *t, const struct ruleset_chain *c)
{
	const struct origin origin = {.what = "the rules of chain", .name = c->name};
	struct nlmsghdr *m = batch_message(b, NFT_MSG_DELRULE, t->family, 0, &origin);

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, t->table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, c->name);
}
