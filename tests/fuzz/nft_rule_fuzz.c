/*
 * Rules, sets, chains and limits as the kernel could tell of them. libnftnl takes it for granted that the
 * kernel names each instruction and terminates each string, and crashes otherwise; so the messages are
 * well-formed, made by libnftnl itself, and what they hold is the fuzzer's: any instructions in any
 * order, with any registers, operands and names. Never a crash, and what is read can be printed and
 * compared.
 */
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_tables.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../controller/nft/counted.h"
#include "../../controller/nft/decode.h"
#include "quaywall/mem.h"

#define MESSAGE_SIZE 65536
#define EXPRS_MAX    24 /* what fits into a message */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
const char *__lsan_default_suppressions(void);

/* libnftnl 1.2 forgets the name in an instruction whose parsing fails further on. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libnftnl";
}

/* ---- bytes as values ---- */

struct source {
	const uint8_t *data;
	size_t len;
};

static uint8_t take(struct source *s)
{
	if (!s->len)
		return 0;
	s->len--;
	return *s->data++;
}

/* Mostly small numbers: the kernel's registers, operators and keys. */
static uint64_t take_number(struct source *s)
{
	uint8_t first = take(s);
	uint64_t n = first;

	if (first < 0xf8)
		return n;
	for (int i = 0; i < 1 << (first & 3); i++)
		n = n << 8 | take(s);
	return n;
}

static const char *take_name(struct source *s)
{
	static const char *const names[] = {"quaywall", "q_plain", "q_map", "q_dynamic",
					    "limit",	"chain",   "other", "with \"quotes\"\n"};

	return names[take(s) % ARRAY_SIZE(names)];
}

/* ---- instructions ---- */

enum type { NOTHING, U8, U16, U32, U64, NAME, BYTES, VERDICT };

static const struct {
	const char *name;
	enum type types[8]; /* of its attributes, from NFTNL_EXPR_BASE on */
} instructions[] = {
	{"meta", {U32, U32}},
	{"payload", {U32, U32, U32, U32}},
	{"ct", {U32, U32, U8}},
	{"fib", {U32, U32, U32}},
	{"bitwise", {U32, U32, U32, BYTES, BYTES, U32}},
	{"byteorder", {U32, U32, U32, U32, U32}},
	{"cmp", {U32, U32, BYTES}},
	{"range", {U32, U32, BYTES, BYTES}},
	{"lookup", {U32, U32, NAME, NOTHING, U32}},
	{"dynset", {U32, U32, U32, U64, NAME}},
	{"counter", {U64, U64}},
	{"objref", {U32, NAME}},
	{"log", {NAME, U16, U32, U16}},
	{"reject", {U32, U8}},
	{"immediate", {U32, NOTHING, VERDICT}},
	{"limit", {U64, U64, U32, U32, U32}},
	{"connlimit", {U32, U32}},
	{"masq", {U32}},
};

static void set_bytes(struct nftnl_expr *e, uint16_t attr, struct source *s)
{
	uint8_t bytes[32];
	uint32_t len = take(s) % (sizeof(bytes) + 1);

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = take(s);
	nftnl_expr_set(e, attr, bytes, len);
}

/* A jump or goto is made with its chain, below: libnftnl reads the name of one without, which the kernel never
 * sends, from uninitialised memory. */
static uint32_t take_verdict(struct source *s)
{
	uint32_t verdict = (uint32_t)take_number(s);

	return verdict == (uint32_t)NFT_JUMP || verdict == (uint32_t)NFT_GOTO ? 0 : verdict;
}

static void set_attribute(struct nftnl_expr *e, uint16_t attr, enum type type, struct source *s)
{
	if (type == U8)
		nftnl_expr_set_u8(e, attr, take(s));
	else if (type == U16)
		nftnl_expr_set_u16(e, attr, (uint16_t)take_number(s));
	else if (type == U32)
		nftnl_expr_set_u32(e, attr, (uint32_t)take_number(s));
	else if (type == U64)
		nftnl_expr_set_u64(e, attr, take_number(s));
	else if (type == NAME)
		nftnl_expr_set_str(e, attr, take_name(s));
	else if (type == BYTES)
		set_bytes(e, attr, s);
	else if (type == VERDICT)
		nftnl_expr_set_u32(e, attr, take_verdict(s));
}

/* Any instruction, with any of its attributes. Those of a dynset are one level deep. */
static struct nftnl_expr *take_expr(struct source *s, bool inner)
{
	size_t i = take(s) % ARRAY_SIZE(instructions);
	struct nftnl_expr *e = nftnl_expr_alloc(instructions[i].name);
	uint8_t left_out = take(s);

	for (uint16_t a = 0; a < ARRAY_SIZE(instructions[i].types); a++)
		if (!(left_out & 1u << a))
			set_attribute(e, (uint16_t)(NFTNL_EXPR_BASE + a), instructions[i].types[a],
				      s);
	if (!inner && !strcmp(instructions[i].name, "dynset") && take(s) % 4)
		nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPR, take_expr(s, true));
	/* libnftnl frees a chain only with one of these verdicts. */
	if (!strcmp(instructions[i].name, "immediate") && left_out & 0x80) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT,
				   (uint32_t)(take(s) & 1 ? NFT_JUMP : NFT_GOTO));
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, take_name(s));
	}
	return e;
}

/* ---- messages ---- */

static struct nlmsghdr *header(char *space, uint16_t type)
{
	return nftnl_nlmsg_build_hdr(space, type, 1, 0, 0);
}

/* Reads every byte that it is given. */
static void take_counted(const struct counted_rule *rule, void *data)
{
	*(size_t *)data += strlen(rule->chain) + (rule->comment ? strlen(rule->comment) : 0) +
			   (rule->target ? strlen(rule->target) : 0);
}

static void try_rule(struct source *s, char *space, struct ruleset *r)
{
	struct nlmsghdr *m = header(space, NFT_MSG_NEWRULE);
	struct nftnl_rule *rule = nftnl_rule_alloc();
	uint8_t notes[16] = {0};
	uint32_t len = take(s) % (sizeof(notes) + 1);
	size_t strings = 0;

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, "quaywall");
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, take_name(s));
	for (uint32_t i = 0; i < len; i++)
		notes[i] = take(s);
	if (len)
		nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, notes, len);
	for (size_t i = 0; i < EXPRS_MAX && s->len; i++) {
		uint8_t more = take(s);

		if (!(more & 7))
			break;
		nftnl_rule_add_expr(rule, take_expr(s, false));
	}
	nftnl_rule_nlmsg_build_payload(m, rule);
	nftnl_rule_free(rule);
	decode_rule(m, r);
	counted_rule(m, take_counted, &strings);
	if (strings == SIZE_MAX)
		abort();
}

static void try_set(struct source *s, char *space, struct ruleset *r)
{
	struct nlmsghdr *m = header(space, NFT_MSG_NEWSET);
	struct nftnl_set *set = nftnl_set_alloc();
	const uint8_t left_out = take(s);
	static const uint16_t numbers[] = {NFTNL_SET_FLAGS,	NFTNL_SET_KEY_TYPE,
					   NFTNL_SET_KEY_LEN,	NFTNL_SET_DATA_TYPE,
					   NFTNL_SET_DESC_SIZE, NFTNL_SET_DATA_LEN};

	nftnl_set_set_str(set, NFTNL_SET_TABLE, take_name(s));
	nftnl_set_set_str(set, NFTNL_SET_NAME, take_name(s));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!(left_out & 1u << i))
			nftnl_set_set_u32(set, numbers[i], (uint32_t)take_number(s));
	if (!(left_out & 0x40))
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, take_number(s));
	if (!(left_out & 0x80))
		nftnl_set_add_expr(set, take_expr(s, true));
	nftnl_set_nlmsg_build_payload(m, set);
	nftnl_set_free(set);
	decode_set(m, r);
}

static void try_chain(struct source *s, char *space, struct ruleset *r)
{
	struct nlmsghdr *m = header(space, NFT_MSG_NEWCHAIN);
	struct nftnl_chain *c = nftnl_chain_alloc();

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, take_name(s));
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, take_name(s));
	if (take(s) & 1) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)take_number(s));
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, (int32_t)take_number(s));
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, (uint32_t)take_number(s));
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, take(s) & 1 ? "filter" : "nat");
	}
	nftnl_chain_nlmsg_build_payload(m, c);
	nftnl_chain_free(c);
	decode_chain(m, r);
}

static void try_limit(struct source *s, char *space, struct ruleset *r)
{
	struct nlmsghdr *m = header(space, NFT_MSG_NEWOBJ);
	struct nftnl_obj *o = nftnl_obj_alloc();

	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, take_name(s));
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, take_name(s));
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_LIMIT);
	nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_RATE, take_number(s));
	nftnl_obj_set_u64(o, NFTNL_OBJ_LIMIT_UNIT, take_number(s));
	nftnl_obj_set_u32(o, NFTNL_OBJ_LIMIT_BURST, (uint32_t)take_number(s));
	nftnl_obj_nlmsg_build_payload(m, o);
	nftnl_obj_free(o);
	decode_limit(m, r);
}

/* ---- all of it ---- */

/* Sets for lookups to find, and a chain for rules to be in. */
static struct ruleset *some_ruleset(void)
{
	static const enum ruleset_field fields[] = {FIELD_IFNAME, FIELD_IPV4, FIELD_PROTOCOL,
						    FIELD_PORT};
	struct ruleset *r = ruleset_new("quaywall", 1);

	ruleset_add_set(r, "q_plain", 0, fields + 1, 3);
	ruleset_add_set(r, "q_map", SET_VERDICTS, fields, 2);
	ruleset_add_set(r, "q_dynamic", SET_DYNAMIC, fields + 1, 1);
	ruleset_add_chain(r, "chain", HOOK_NONE, 0);
	ruleset_sort(r);
	return r;
}

static void check(const struct ruleset *r)
{
	CLEANUP_RULESET struct ruleset *other = some_ruleset();
	CLEANUP_RULESET_DIFF struct ruleset_diff d = {NULL, 0, 0};
	CLEANUP_BUF struct buf text = BUF_INIT;

	ruleset_print(r, &text);
	ruleset_compare(r, other, &d);
	ruleset_diff_print(r, other, &d, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char space[MESSAGE_SIZE];
	struct source s = {data, len};
	uint8_t kind = take(&s) % 8;
	/* One set, chain or limit into an empty ruleset, as a name comes once; or rules into one that has sets. */
	CLEANUP_RULESET struct ruleset *r =
		kind >= 1 && kind <= 3 ? ruleset_new("quaywall", 1) : some_ruleset();

	if (kind == 1)
		try_set(&s, space, r);
	else if (kind == 2)
		try_chain(&s, space, r);
	else if (kind == 3)
		try_limit(&s, space, r);
	while ((kind < 1 || kind > 3) && s.len)
		try_rule(&s, space, r);
	ruleset_sort(r);
	check(r);
	return 0;
}
