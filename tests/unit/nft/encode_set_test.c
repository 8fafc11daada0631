#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>

#include "../../../controller/nft/encode.h"
#include "../ruleset/sample.h"
#include "quaywall/mem.h"

static const struct target target = {.table = "quaywall", .family = 1};

static void encode(struct batch *b, const struct ruleset *r, const char *set,
		   enum ruleset_change_kind kind)
{
	struct ruleset_change c = {.kind = kind, .set = ruleset_find_set(r, set)};
	struct nft n = {0};

	for (size_t i = 0; i < c.set->len; i++) {
		c.elements =
			mem_grow(c.elements, &c.cap, c.len + 1, sizeof(struct ruleset_element *));
		c.elements[c.len++] = &c.set->elements[i];
	}
	batch_begin(b, &n);
	encode_elements(b, &target, &c);
	free(c.elements);
}

static const struct nlmsghdr *message(const struct batch *b, size_t i)
{
	return (const struct nlmsghdr *)(b->data + b->sent.items[i].offset);
}

static size_t count_attributes(const struct nlmsghdr *m)
{
	const struct nlattr *attr, *item;
	size_t n = 0;

	mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(item, attr) {
			n++;
		}
	}
	return n;
}

/* An attribute that is longer than 16 bits can say is cut, and the kernel reads nonsense. */
static void test_lists_are_split(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_big(5000);
	struct batch b CLEANUP_BATCH = {0};
	size_t n = 0;

	(void)state;
	encode(&b, r, "q_big", CHANGE_ADD_ELEMENTS);
	assert_true(b.sent.len > 3);
	for (size_t i = 1; i < b.sent.len; i++) {
		assert_true(message(&b, i)->nlmsg_len < 65536);
		assert_int_equal(count_attributes(message(&b, i)), b.sent.items[i].origin.len);
		n += b.sent.items[i].origin.len;
	}
	assert_int_equal(n, 5000);
}

/* Each of the two ranges with an end, the last address without. */
static void test_ranges_have_ends(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_full();
	struct batch b CLEANUP_BATCH = {0};

	(void)state;
	encode(&b, r, "q_subnets4", CHANGE_ADD_ELEMENTS);
	assert_int_equal(count_attributes(message(&b, 1)), 3 * 2 + 1);
}

static void test_deleting_takes_keys_alone(void **state)
{
	struct ruleset *r CLEANUP_RULESET = sample_full();
	struct batch add CLEANUP_BATCH = {0}, delete CLEANUP_BATCH = {0};

	(void)state;
	encode(&add, r, "endpoints_out4", CHANGE_ADD_ELEMENTS);
	encode(&delete, r, "endpoints_out4", CHANGE_DELETE_ELEMENTS);
	assert_true(message(&delete, 1)->nlmsg_len < message(&add, 1)->nlmsg_len);
	assert_int_equal(count_attributes(message(&delete, 1)), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_are_split),
		cmocka_unit_test(test_ranges_have_ends),
		cmocka_unit_test(test_deleting_takes_keys_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
