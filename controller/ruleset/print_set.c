/* Sets and their elements as nft text. */
#include "text.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "rule.h"

static const char *const field_names[] = {
	[FIELD_IFNAME] = "ifname",     [FIELD_IPV4] = "ipv4_addr",
	[FIELD_IPV6] = "ipv6_addr",    [FIELD_PROTOCOL] = "inet_proto",
	[FIELD_PORT] = "inet_service", [FIELD_ICMPV6_TYPE] = "icmpv6_type",
	[FIELD_ETHER] = "ether_addr",  [FIELD_ND_TARGET] = "@nh,384,128",
	[FIELD_VNI] = "@th,96,24",
};

/* By a packet's part, where one of a set's fields has no name otherwise. */
static const char *const field_examples[] = {
	[FIELD_IFNAME] = "iifname", [FIELD_IPV4] = "ip saddr",
	[FIELD_IPV6] = "ip6 saddr", [FIELD_PROTOCOL] = NULL,
	[FIELD_PORT] = NULL,	    [FIELD_ICMPV6_TYPE] = NULL,
	[FIELD_ETHER] = NULL,	    [FIELD_ND_TARGET] = "@nh,384,128",
	[FIELD_VNI] = "@th,96,24",
};

/* Names of interfaces may hold what would end nft's quotes, or stand for other names in them. The text
 * is for people; what enforces are the bytes. */
static void add_ifname(const uint8_t *key, struct buf *out)
{
	buf_char(out, '"');
	for (size_t i = 0; i < 16 && key[i]; i++)
		buf_char(out, isgraph(key[i]) && !strchr("\"*", key[i]) ? (char)key[i] : '?');
	buf_char(out, '"');
}

static struct addr address_of(enum ruleset_field f, const uint8_t *key)
{
	struct addr a = {.family = f == FIELD_IPV4 ? AF_INET : AF_INET6};

	memcpy(a.bytes, key, addr_size(a.family));
	return a;
}

/* The length of the prefix that is FIRST to LAST, or -1. */
static int prefix_of(const struct addr *first, const struct addr *last)
{
	size_t bits = 8 * addr_size(first->family), len = 0;
	struct prefix p = {.addr = *first};
	struct addr_range whole;

	while (len < bits &&
	       ((first->bytes[len / 8] ^ last->bytes[len / 8]) & 0x80 >> len % 8) == 0)
		len++;
	p.len = (uint8_t)len;
	whole = prefix_range(&p);
	return addr_equal(&whole.first, first) && addr_equal(&whole.last, last) ? (int)len : -1;
}

static void add_addresses(enum ruleset_field f, const uint8_t *key, const uint8_t *end,
			  struct buf *out)
{
	struct addr first = address_of(f, key), last = address_of(f, end);
	char text[ADDR_TEXT_SIZE];
	int len;

	buf_str(out, addr_format(&first, text));
	if (addr_equal(&first, &last))
		return;
	len = prefix_of(&first, &last);
	if (len >= 0)
		buf_printf(out, "/%d", len);
	else
		buf_printf(out, "-%s", addr_format(&last, text));
}

static void add_ports(const uint8_t *key, const uint8_t *end, struct buf *out)
{
	buf_printf(out, "%u", key[0] << 8 | key[1]);
	if (memcmp(key, end, 2) != 0)
		buf_printf(out, "-%u", end[0] << 8 | end[1]);
}

static void add_protocols(const uint8_t *key, const uint8_t *end, struct buf *out)
{
	if (*key == *end)
		text_protocol(*key, out);
	else
		buf_printf(out, "%u-%u", *key, *end);
}

/* nft's names of the types differ between its versions; its numbers do not. */
static void add_types(const uint8_t *key, const uint8_t *end, struct buf *out)
{
	buf_printf(out, "%u", *key);
	if (*key != *end)
		buf_printf(out, "-%u", *end);
}

static void add_mac(const uint8_t *key, struct buf *out)
{
	char text[ADDR_TEXT_SIZE];

	buf_str(out, mac_format(key, text));
}

/* A number: nft knows nothing better of what it has no name for. */
static void add_number(const uint8_t *key, size_t size, struct buf *out)
{
	size_t i = 0;

	while (i < size - 1 && key[i] == 0)
		i++;
	buf_printf(out, "0x%x", key[i]);
	while (++i < size)
		buf_printf(out, "%02x", key[i]);
}

static void add_numbers(const uint8_t *key, const uint8_t *end, size_t size, struct buf *out)
{
	add_number(key, size, out);
	if (memcmp(key, end, size) == 0)
		return;
	buf_char(out, '-');
	add_number(end, size, out);
}

static void add_field(enum ruleset_field f, const uint8_t *key, const uint8_t *end, struct buf *out)
{
	switch (f) {
	case FIELD_IFNAME:
		add_ifname(key, out);
		return;
	case FIELD_IPV4:
	case FIELD_IPV6:
		add_addresses(f, key, end, out);
		return;
	case FIELD_PROTOCOL:
		add_protocols(key, end, out);
		return;
	case FIELD_PORT:
		add_ports(key, end, out);
		return;
	case FIELD_ICMPV6_TYPE:
		add_types(key, end, out);
		return;
	case FIELD_ETHER:
		add_mac(key, out);
		return;
	case FIELD_ND_TARGET:
	case FIELD_VNI:
		add_numbers(key, end, ruleset_field_size(f), out);
	}
}

void text_element(const struct ruleset_set *s, const struct ruleset_element *e, struct buf *out)
{
	size_t offset;

	for (size_t i = 0; i < s->nfields; i++) {
		offset = ruleset_field_offset(s, i);
		buf_str(out, i > 0 ? " . " : "");
		add_field(s->fields[i], e->key + offset, e->key_end + offset, out);
	}
	if (s->flags & SET_COUNTER)
		buf_str(out, " counter");
	if (e->comment)
		buf_printf(out, " comment \"%s\"", e->comment);
	if (s->flags & SET_VERDICTS) {
		buf_str(out, " : ");
		text_verdict(e->verdict, e->chain, out);
	}
}

static bool needs_typeof(const struct ruleset_set *s)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (s->fields[i] == FIELD_ND_TARGET || s->fields[i] == FIELD_VNI)
			return true;
	return false;
}

static void add_type(const struct ruleset_set *s, const char *indent, struct buf *out)
{
	bool by_example = needs_typeof(s);

	buf_printf(out, "%s%s ", indent, by_example ? "typeof" : "type");
	for (size_t i = 0; i < s->nfields; i++)
		buf_printf(out, "%s%s", i > 0 ? " . " : "",
			   by_example && field_examples[s->fields[i]] ? field_examples[s->fields[i]]
								      : field_names[s->fields[i]]);
	buf_str(out, s->flags & SET_VERDICTS ? " : verdict\n" : "\n");
}

static void add_timeout(uint32_t seconds, const char *indent, struct buf *out)
{
	static const struct {
		uint32_t seconds;
		char name;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

	buf_printf(out, "%stimeout ", indent);
	for (size_t i = 0; i < 4; i++) {
		if (seconds >= units[i].seconds)
			buf_printf(out, "%u%c", seconds / units[i].seconds, units[i].name);
		seconds %= units[i].seconds;
	}
	buf_char(out, '\n');
}

void text_set_lines(const struct ruleset_set *s, const char *indent, struct buf *out)
{
	if (s->unknown) {
		buf_printf(out, "%s# a set of someone else\n", indent);
		return;
	}
	add_type(s, indent, out);
	if (s->size > 0)
		buf_printf(out, "%ssize %u\n", indent, s->size);
	if (s->flags & SET_INTERVAL)
		buf_printf(out, "%sflags interval\n", indent);
	if (s->flags & SET_DYNAMIC)
		buf_printf(out, "%sflags dynamic%s\n", indent, s->timeout > 0 ? ",timeout" : "");
	if (s->timeout > 0)
		add_timeout(s->timeout, indent, out);
	if (s->flags & SET_COUNTER)
		buf_printf(out, "%scounter\n", indent);
}
