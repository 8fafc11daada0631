#include "bridge.h"
#include "overlay.h"

#include <linux/netfilter.h>

#include "quaywall/mem.h"

static const struct compile_counted chains[] = {
	{NFPROTO_INET, CHAIN_REFUSE, "refused"},
	{NFPROTO_INET, CHAIN_REFUSE_LOCAL, "refused"},
	{NFPROTO_INET, CHAIN_REFUSE_UNKNOWN, "unknown"},
	{NFPROTO_INET, CHAIN_AUDIT, "audit"},
	{NFPROTO_INET, CHAIN_AUDIT_UNKNOWN, "audit unknown"},
	{NFPROTO_INET, CHAIN_REFUSE_CLEAR, "cleartext"},
	{NFPROTO_INET, CHAIN_REFUSE_STRANGER, "stranger"},
	{NFPROTO_BRIDGE, CHAIN_SPOOFED, "spoofed"},
	{NFPROTO_BRIDGE, CHAIN_AUDITED, "audit spoofed"},
};

_Static_assert(ARRAY_SIZE(chains) == COMPILE_COUNTED, "as the door says");

const struct compile_counted *compile_counted_chain(size_t i)
{
	return i < ARRAY_SIZE(chains) ? &chains[i] : NULL;
}
