#include "quaywall/addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned family_bits(uint8_t family)
{
	return (unsigned)addr_size(family) * 8;
}

/* 0 to MAX, decimal, without sign, space or leading zero; -EINVAL otherwise. */
static int parse_len(const char *text, unsigned max)
{
	unsigned len = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		len = len * 10 + (unsigned)(*text - '0');
		if (len > max)
			return -EINVAL;
	}
	return (int)len;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchr(text, '/');
	char addr[ADDR_TEXT_SIZE];
	struct prefix p;
	int len;

	if (slash && (size_t)(slash - text) >= sizeof(addr))
		return -EINVAL;
	if (slash) {
		memcpy(addr, text, (size_t)(slash - text));
		addr[slash - text] = '\0';
		text = addr;
	}
	if (addr_parse(text, &p.addr) < 0)
		return -EINVAL;
	len = slash ? parse_len(slash + 1, family_bits(p.addr.family))
		    : (int)family_bits(p.addr.family);
	if (len < 0)
		return len;
	p.len = (uint8_t)len;
	*ret = p;
	return 0;
}

char *prefix_format(const struct prefix *p, char buf[static ADDR_TEXT_SIZE])
{
	size_t len;

	addr_format(&p->addr, buf);
	len = strlen(buf);
	snprintf(buf + len, ADDR_TEXT_SIZE - len, "/%u", p->len);
	return buf;
}

/* The bits of byte I that belong to a prefix of LEN bits. */
static uint8_t byte_mask(size_t i, unsigned len)
{
	if (len >= (i + 1) * 8)
		return 0xff;
	if (len <= i * 8)
		return 0;
	return (uint8_t)(0xff << (8 - (len - i * 8)));
}

struct prefix prefix_mask(const struct prefix *p)
{
	struct prefix masked = *p;

	for (size_t i = 0; i < sizeof(masked.addr.bytes); i++)
		masked.addr.bytes[i] &= byte_mask(i, p->len);
	return masked;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	if (p->addr.family != a->family)
		return false;
	for (size_t i = 0; i < addr_size(a->family); i++)
		if ((p->addr.bytes[i] ^ a->bytes[i]) & byte_mask(i, p->len))
			return false;
	return true;
}

bool prefix_contains_prefix(const struct prefix *outer, const struct prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

struct addr_range prefix_range(const struct prefix *p)
{
	struct addr first = prefix_mask(p).addr, last = first;

	for (size_t i = 0; i < addr_size(last.family); i++)
		last.bytes[i] |= (uint8_t)~byte_mask(i, p->len);
	return (struct addr_range) {first, last};
}
