/* What is encoded decodes to the same, message by message; the kernel's part is in tests/netns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "../../../controller/nft/decode.h"
#include "../../../controller/nft/encode.h"
#include "../ruleset/sample.h"
#include "quaywall/mem.h"

static void encode_all(struct batch *b, const struct ruleset *r)
{
	const struct target t = {.table = r->table, .family = r->family};
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	struct nft n = {0};

	ruleset_compare(NULL, r, &d);
	batch_begin(b, &n);
	for (size_t i = 0; i < d.len; i++) {
		const struct ruleset_change *c = &d.items[i];

		if (c->kind == CHANGE_ADD_LIMIT)
			encode_add_limit(b, &t, c->limit);
		else if (c->kind == CHANGE_ADD_SET)
			encode_add_set(b, &t, c->set, (uint32_t)i);
		else if (c->kind == CHANGE_ADD_CHAIN)
			encode_add_chain(b, &t, c->chain);
		else if (c->kind == CHANGE_SET_RULES)
			encode_add_rules(b, &t, c->chain);
		else if (c->kind == CHANGE_ADD_ELEMENTS)
			encode_elements(b, &t, c);
	}
}

static const struct nlmsghdr *message(const struct batch *b, size_t i)
{
	return (const struct nlmsghdr *)(b->data + b->sent.items[i].offset);
}

static void decode_kind(const struct batch *b, int kind,
			int (*decode)(const struct nlmsghdr *, struct ruleset *), struct ruleset *r)
{
	for (size_t i = 0; i < b->sent.len; i++)
		if (message(b, i)->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | kind))
			assert_int_equal(decode(message(b, i), r), 0);
}

static void decode_elements_of(const struct batch *b, struct ruleset_set *s)
{
	struct element_reading reading CLEANUP_ELEMENT_READING = {.set = s};

	for (size_t i = 0; i < b->sent.len; i++)
		if (message(b, i)->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM) &&
		    strcmp(b->sent.items[i].origin.name, s->name) == 0)
			assert_int_equal(decode_elements(message(b, i), &reading), 0);
	decode_elements_finish(&reading);
}

static struct ruleset *decode_all(const struct batch *b, uint8_t family)
{
	struct ruleset *r = ruleset_new("quaywall", family);

	decode_kind(b, NFT_MSG_NEWOBJ, decode_limit, r);
	decode_kind(b, NFT_MSG_NEWSET, decode_set, r);
	decode_kind(b, NFT_MSG_NEWCHAIN, decode_chain, r);
	for (size_t i = 0; i < r->nsets; i++)
		decode_elements_of(b, r->sets[i]);
	ruleset_sort(r);
	decode_kind(b, NFT_MSG_NEWRULE, decode_rule, r);
	return r;
}

static void expect_round_trip(const struct ruleset *wanted)
{
	struct batch b CLEANUP_BATCH = {0};
	struct ruleset *got CLEANUP_RULESET = NULL;
	struct ruleset_diff d CLEANUP_RULESET_DIFF = {0};
	struct buf text CLEANUP_BUF = BUF_INIT;

	encode_all(&b, wanted);
	got = decode_all(&b, wanted->family);
	ruleset_compare(got, wanted, &d);
	ruleset_diff_print(got, wanted, &d, &text);
	assert_string_equal(buf_text(&text), "");
	assert_int_equal(d.len, 0);
}

static void test_everything(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_full();

	(void)state;
	expect_round_trip(r);
}

/* There, the family is told by the frame's type. */
static void test_family_bridge(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_full();

	(void)state;
	r->family = 7;
	expect_round_trip(r);
}

static void test_many_elements(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_big(5000);

	(void)state;
	expect_round_trip(r);
}

static void test_another_table_is_left_out(void **state)
{
	struct ruleset *wanted CLEANUP_RULESET = sample_full();
	struct ruleset *other CLEANUP_RULESET = ruleset_new("other", 1);
	struct batch b CLEANUP_BATCH = {0};

	(void)state;
	encode_all(&b, wanted);
	decode_kind(&b, NFT_MSG_NEWOBJ, decode_limit, other);
	decode_kind(&b, NFT_MSG_NEWSET, decode_set, other);
	decode_kind(&b, NFT_MSG_NEWCHAIN, decode_chain, other);
	decode_kind(&b, NFT_MSG_NEWRULE, decode_rule, other);
	assert_int_equal(other->nlimits + other->nsets + other->nchains, 0);
}

static void test_comments(void **state)
{
	static const uint8_t notes[] = {1, 4, 1, 0, 0, 0, 0, 3, 'a', 'b', 0};
	char *comment CLEANUP_FREE = decode_comment(notes, sizeof(notes));

	(void)state;
	assert_string_equal(comment, "ab");
	assert_null(decode_comment(notes, sizeof(notes) - 1));
	assert_null(decode_comment(notes, 6));
	assert_null(decode_comment(notes, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_family_bridge),
		cmocka_unit_test(test_many_elements),
		cmocka_unit_test(test_another_table_is_left_out),
		cmocka_unit_test(test_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
