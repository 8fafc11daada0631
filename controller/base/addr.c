#include "quaywall/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(a.family, text, a.bytes) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

char *addr_format(const struct addr *a, char buf[static ADDR_TEXT_SIZE])
{
	if (!addr_is_set(a))
		snprintf(buf, ADDR_TEXT_SIZE, "none");
	else if (!inet_ntop(a->family, a->bytes, buf, ADDR_TEXT_SIZE))
		snprintf(buf, ADDR_TEXT_SIZE, "family-%u", a->family);
	return buf;
}

bool addr_is_link_local(const struct addr *a)
{
	if (a->family == AF_INET)
		return a->bytes[0] == 169 && a->bytes[1] == 254;
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool addr_is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (a->family == AF_INET)
		return (a->bytes[0] & 0xf0) == 0xe0 || memcmp(a->bytes, broadcast, 4) == 0;
	return a->family == AF_INET6 && a->bytes[0] == 0xff;
}

bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return addr_is_set(a) && memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

struct addr addr_link_local(const uint8_t mac[static 6])
{
	/* The universal/local bit is inverted, ff:fe stands in the middle. */
	return (struct addr) {
		.family = AF_INET6,
		.bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe,
			  mac[3], mac[4], mac[5]},
	};
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, uint8_t ret[static 6])
{
	uint8_t mac[6];

	/* Six times two digits and what parts them: exactly 17 characters. */
	if (strlen(text) != 17)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i == 5 ? '\0' : ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

char *mac_format(const uint8_t mac[static 6], char buf[static ADDR_TEXT_SIZE])
{
	snprintf(buf, ADDR_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return buf;
}
