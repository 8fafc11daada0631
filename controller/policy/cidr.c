#include "internal.h"

#include <string.h>

#include "quaywall/mem.h"

#define CIDR_FORMS "an address or a block, as in 192.0.2.1, 10.20.0.0/16 or 2001:db8::/32"

/* ::ffff:0:0/96: the kernel shows such packets as IPv4, so a rule for the block would never match. */
static bool is_mapped(const struct prefix *prefix)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return prefix->addr.family == AF_INET6 && prefix->len >= 96 &&
	       memcmp(prefix->addr.bytes, mapped, sizeof(mapped)) == 0;
}

static struct prefix unmap(const struct prefix *mapped)
{
	struct prefix v4 = {.addr = {.family = AF_INET}, .len = mapped->len - 96};
	memcpy(v4.addr.bytes, mapped->addr.bytes + 12, 4);
	return v4;
}

/* As people write it: an address without its full length. */
static const char *show(const struct prefix *prefix, char buf[static ADDR_TEXT_SIZE])
{
	if (prefix->len == 8 * addr_size(prefix->addr.family))
		return addr_format(&prefix->addr, buf);
	return prefix_format(prefix, buf);
}

bool cidr_read(struct policy_problems *p, const struct node *n, const char *label,
	       struct prefix *ret)
{
	char word[CLIP_SIZE], right[ADDR_TEXT_SIZE];
	struct prefix prefix;

	if (!keys_is_text(p, n, label, CIDR_FORMS))
		return false;
	if (prefix_parse(n->text, &prefix) < 0) {
		problem_error(p, &n->where, "\"%s\" is no address (expected %s)",
			      clip(n->text, word), CIDR_FORMS);
		return false;
	}
	struct prefix masked = prefix_mask(&prefix);
	if (is_mapped(&masked)) {
		struct prefix v4 = unmap(&masked);
		problem_error(p, &n->where, "%s is an IPv4-mapped block (expected %s)",
			      clip(n->text, word), show(&v4, right));
		return false;
	}
	if (!addr_equal(&masked.addr, &prefix.addr)) {
		problem_error(p, &n->where, "%s has host bits set (expected %s)",
			      clip(n->text, word), show(&masked, right));
		return false;
	}
	*ret = prefix;
	return true;
}

static bool check_except(struct policy_problems *p, const struct node *n, const struct prefix *cidr,
			 const struct prefix *except)
{
	char outer[ADDR_TEXT_SIZE], inner[ADDR_TEXT_SIZE];

	show(cidr, outer);
	show(except, inner);
	if (except->addr.family != cidr->addr.family)
		problem_error(p, &n->where,
			      "%s is of another family than %s (expected an %s block)", inner,
			      outer, cidr->addr.family == AF_INET ? "IPv4" : "IPv6");
	else if (!prefix_contains_prefix(cidr, except))
		problem_error(p, &n->where, "%s is outside %s (expected a block inside it)", inner,
			      outer);
	else if (except->len == cidr->len)
		problem_error(p, &n->where,
			      "\"except\" %s leaves nothing of %s (expected a smaller block)",
			      inner, outer);
	else
		return true;
	return false;
}

static void read_one(struct policy_problems *p, const struct node *n, const struct prefix *cidr,
		     struct prefix **ret, size_t *ret_len)
{
	struct prefix except;

	if (!cidr_read(p, n, "except", &except) || (cidr && !check_except(p, n, cidr, &except)))
		return;
	*ret = array_grow(*ret, *ret_len, sizeof(**ret));
	(*ret)[(*ret_len)++] = except;
}

void cidr_read_except(struct policy_problems *p, const struct node *n, const struct prefix *cidr,
		      struct prefix **ret, size_t *ret_len)
{
	if (n->kind == NODE_SCALAR && !node_is_empty(n)) {
		read_one(p, n, cidr, ret, ret_len);
		return;
	}
	if (!keys_is_list(p, n, "except", "a list of blocks"))
		return;
	for (size_t i = 0; i < n->nitems; i++)
		read_one(p, n->items[i], cidr, ret, ret_len);
}
