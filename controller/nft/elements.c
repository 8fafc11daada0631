#include "quaywall/nft.h"

#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "counted.h"
#include "decode.h"
#include "internal.h"
#include "quaywall/netlink.h"

struct telling {
	void (*each)(const struct nft_element *e, void *data);
	void *data;
};

static uint64_t number(const struct nlattr *attr)
{
	uint64_t n = 0;

	if (mnl_attr_get_payload_len(attr) == sizeof(n))
		memcpy(&n, mnl_attr_get_payload(attr), sizeof(n));
	return be64toh(n);
}

static void read_key(const struct nlattr *nest, struct nft_element *e)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE || len > sizeof(e->key))
			continue;
		memcpy(e->key, mnl_attr_get_payload(attr), len);
		e->len = len;
	}
}

static void read_element(const struct nlattr *item, void *data)
{
	const struct telling *t = data;
	struct nft_element e = {.len = 0};
	const struct nlattr *attr;
	bool counter = false;

	mnl_attr_for_each_nested(attr, item) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
			read_key(attr, &e);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPIRATION)
			e.expires = number(attr);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPR)
			counter = counted_counter(attr, &e.packets, &e.bytes);
	}
	if (e.len && counter)
		t->each(&e, t->data);
}

static int found_elements(const struct nlmsghdr *message, void *data)
{
	return decode_each_element(message, read_element, data);
}

int nft_elements(struct nft *n, const char *table, uint8_t family, const char *set,
		 void (*each)(const struct nft_element *e, void *data), void *data,
		 struct error *err)
{
	_Alignas(struct nlmsghdr) char space[1024];
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(space, NFT_MSG_GETSETELEM, family, 0, 0);
	struct telling telling = {each, data};
	int r;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	r = netlink_dump(n->requests, m, found_elements, &telling);
	/* -EINTR: a transaction came between; what was told is true all the same. */
	if (r < 0 && r != -EINTR && r != -ENOENT)
		return error_set(err, r, "cannot read set %s: %s", set, strerror(-r));
	return 0;
}
