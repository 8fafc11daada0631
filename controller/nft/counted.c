#include "counted.h"

#include <endian.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "quaywall/mem.h"

/* ---- rules ---- */

struct looked {
	struct counted_rule rule;
	bool counter;
};

static bool is(const struct nftnl_expr *e, const char *name)
{
	return strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), name) == 0;
}

static int look(struct nftnl_expr *e, void *data)
{
	struct looked *l = data;

	if (is(e, "counter") && !l->counter) {
		l->counter = true;
		l->rule.packets = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
		l->rule.bytes = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_BYTES);
	} else if (is(e, "immediate") && nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) {
		decode_verdict((int32_t)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT),
			       &l->rule.verdict);
		l->rule.target = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	}
	return 0;
}

static char *comment_of(const struct nftnl_rule *rule)
{
	uint32_t len = 0;
	const void *notes = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &len);

	return notes ? decode_comment(notes, len) : NULL;
}

/* A rule that libnftnl cannot read is another's, and counts nothing of ours. */
int counted_rule(const struct nlmsghdr *message,
		 void (*each)(const struct counted_rule *rule, void *data), void *data)
{
	struct nftnl_rule *rule;
	struct looked l = {.rule = {.verdict = VERDICT_NONE}};
	CLEANUP_FREE char *comment = NULL;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	rule = nftnl_rule_alloc();
	if (nftnl_rule_nlmsg_parse(message, rule) == 0 &&
	    nftnl_rule_is_set(rule, NFTNL_RULE_CHAIN)) {
		nftnl_expr_foreach(rule, look, &l);
		l.rule.chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
		l.rule.comment = comment = comment_of(rule);
		if (l.counter)
			each(&l.rule, data);
	}
	nftnl_rule_free(rule);
	return 0;
}

/* ---- elements ---- */

/*
 * By libmnl, as there may be a hundred thousand of them. Attributes of the kernel are only as aligned as netlink's are,
 * so a number of 64 bits is copied.
 */
static uint64_t number(const struct nlattr *attr)
{
	uint64_t n = 0;

	if (mnl_attr_get_payload_len(attr) == sizeof(n))
		memcpy(&n, mnl_attr_get_payload(attr), sizeof(n));
	return be64toh(n);
}

static void read_numbers(const struct nlattr *nest, uint64_t *packets, uint64_t *bytes)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_COUNTER_PACKETS)
			*packets = number(attr);
		else if (mnl_attr_get_type(attr) == NFTA_COUNTER_BYTES)
			*bytes = number(attr);
	}
}

bool counted_counter(const struct nlattr *expr, uint64_t *packets, uint64_t *bytes)
{
	const struct nlattr *attr, *numbers = NULL;
	bool counter = false;

	mnl_attr_for_each_nested(attr, expr) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
			counter = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
				  !strcmp(mnl_attr_get_str(attr), "counter");
		else if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			numbers = attr;
	}
	if (counter && numbers)
		read_numbers(numbers, packets, bytes);
	return counter && numbers;
}

struct telling {
	void (*each)(const struct counted_element *element, void *data);
	void *data;
};

static void read_element(const struct nlattr *item, void *data)
{
	const struct telling *t = data;
	struct counted_element e = {.comment = NULL};
	CLEANUP_FREE char *comment = NULL;
	const struct nlattr *attr;
	bool counter = false;

	mnl_attr_for_each_nested(attr, item) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPR)
			counter = counted_counter(attr, &e.packets, &e.bytes);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_USERDATA && !comment)
			comment = decode_comment(mnl_attr_get_payload(attr),
						 mnl_attr_get_payload_len(attr));
	}
	e.comment = comment;
	if (counter)
		t->each(&e, t->data);
}

int counted_elements(const struct nlmsghdr *message,
		     void (*each)(const struct counted_element *element, void *data), void *data)
{
	struct telling telling = {each, data};

	return decode_each_element(message, read_element, &telling);
}
