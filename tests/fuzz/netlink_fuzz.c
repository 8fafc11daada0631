/*
 * What the kernel could say of interfaces, addresses and flows: a sequence of messages, each a byte for
 * the kind, one for its length in words, and its bytes. Never a crash; and the same interfaces come out
 * whether their messages are taken once or twice, as a listing and notifications overlap.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#include "../../controller/flow/decode.h"
#include "../../controller/host/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint16_t kinds[] = {
	RTM_NEWLINK,
	RTM_DELLINK,
	RTM_NEWADDR,
	RTM_DELADDR,
	RTM_NEWROUTE,
	NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
	NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
};

/* The next message of what is left, on the heap so that a byte read beyond its end is seen. NULL at the end. */
static struct nlmsghdr *next_message(const uint8_t **data, size_t *len)
{
	struct nlmsghdr *m;
	size_t size;

	if (*len < 2)
		return NULL;
	size = (size_t)(*data)[1] * 4;
	if (size > *len - 2)
		size = (*len - 2) & ~(size_t)3;
	m = mem_new(1, NLMSG_SPACE(size));
	m->nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	m->nlmsg_type = kinds[(*data)[0] % ARRAY_SIZE(kinds)];
	memcpy(NLMSG_DATA(m), *data + 2, size);
	*data += size + 2;
	*len -= size + 2;
	return m;
}

static void take(struct links *l, const struct nlmsghdr *m)
{
	const struct nlattr *name;
	struct flow_entry entry;
	struct flow_event event;

	if (m->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK) {
		bool whole = decode_entry(m, &entry, &name);

		if ((whole && !name) || decode_event(m, &event) != whole)
			abort();
		return;
	}
	links_apply(l, m);
	/* Twice changes nothing. */
	if (links_apply(l, m))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP_LINKS struct links l = {0};
	CLEANUP_MODEL struct model *m = model_new();

	for (;;) {
		CLEANUP_FREE struct nlmsghdr *message = next_message(&data, &len);

		if (!message)
			break;
		take(&l, message);
	}
	links_list(&l, m);
	model_sort_interfaces(m);
	for (size_t i = 1; i < l.len; i++)
		if (l.items[i - 1].index >= l.items[i].index)
			abort();
	return 0;
}
