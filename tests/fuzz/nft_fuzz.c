/*
 * What the kernel could answer to a dump of elements: the attributes of one netlink message, into sets
 * of each shape. Elements alone: the rest is read by libnftnl, which takes it for granted that the
 * kernel names each instruction and terminates each string, and crashes otherwise.
 */
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "../../controller/nft/counted.h"
#include "../../controller/nft/decode.h"
#include "quaywall/mem.h"

static const struct {
	const char *name;
	unsigned flags;
	enum ruleset_field fields[RULESET_FIELDS_MAX];
	size_t nfields;
} sets[] = {
	{"q_plain", 0, {FIELD_IPV4}, 1},
	{"q_range", SET_INTERVAL | SET_COUNTER, {FIELD_PORT}, 1},
	{"q_map", SET_VERDICTS, {FIELD_IFNAME, FIELD_IPV4}, 2},
	{"q_range_map", SET_INTERVAL | SET_VERDICTS, {FIELD_IPV4}, 1},
	{"q_ranges", SET_INTERVAL, {FIELD_IPV4, FIELD_PROTOCOL, FIELD_PORT}, 3},
};

static void decode(const struct nlmsghdr *m, struct ruleset_set *s)
{
	struct element_reading reading CLEANUP_ELEMENT_READING = {.set = s};

	decode_elements(m, &reading);
	decode_elements_finish(&reading);
}

static void take_element(const struct counted_element *e, void *data)
{
	if (e->comment)
		buf_str(data, e->comment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ruleset *r CLEANUP_RULESET = ruleset_new("quaywall", 1);
	struct buf text CLEANUP_BUF = BUF_INIT;
	struct nlmsghdr *m CLEANUP_FREE = NULL;

	if (size > 1 << 16)
		return 0;
	/* A message is padded to whole words, which libmnl reads. */
	m = mem_new(1, NLMSG_SPACE(sizeof(struct nfgenmsg)) + NLMSG_ALIGN(size));
	m->nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)) + (uint32_t)size;
	memcpy((char *)m + NLMSG_LENGTH(sizeof(struct nfgenmsg)), data, size);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		decode(m, ruleset_add_set(r, sets[i].name, sets[i].flags, sets[i].fields,
					  sets[i].nfields));
	counted_elements(m, take_element, &text);
	ruleset_sort(r);
	ruleset_print(r, &text);
	return 0;
}
