#include "internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

#define PORT_FORMS "5432, 53/udp, 53/tcp+udp, 8000-8100, tcp, udp, sctp or icmp"

struct protocol_list {
	uint8_t items[3]; /* all that have ports */
	size_t len;
};

static bool has_protocol(const struct protocol_list *list, uint8_t protocol)
{
	return memchr(list->items, protocol, list->len);
}

static int parse_protocols(const char *text, struct protocol_list *ret, struct error *err)
{
	char word[CLIP_SIZE];

	for (;;) {
		size_t len = strcspn(text, "+");
		uint8_t protocol;

		if (!protocol_parse(text, len, &protocol) || !protocol_has_ports(protocol))
			return error_set(err, -EINVAL,
					 "unknown protocol \"%s\" (expected tcp, udp or sctp)",
					 clip(text, word));
		if (has_protocol(ret, protocol))
			return error_set(err, -EINVAL, "%s stands twice (expected it once)",
					 protocol_name(protocol));
		ret->items[ret->len++] = protocol;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

static int parse_number(const char *text, size_t len, uint16_t *ret)
{
	uint32_t value;

	if (number_parse(text, len, UINT16_MAX, &value) < 0 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	*ret = (uint16_t)value;
	return 0;
}

/* "8000" or "8000-8100", the LEN bytes before the protocol. */
static int parse_numbers(const char *text, size_t len, struct policy_ports *ret)
{
	const char *dash = memchr(text, '-', len);
	size_t first_len = dash ? (size_t)(dash - text) : len;

	if (parse_number(text, first_len, &ret->first) < 0)
		return -EINVAL;
	ret->last = ret->first;
	return dash ? parse_number(dash + 1, len - first_len - 1, &ret->last) : 0;
}

static int parse_range(const char *text, size_t len, struct policy_ports *ret, struct error *err)
{
	char word[CLIP_SIZE];

	if (parse_numbers(text, len, ret) < 0)
		return error_set(err, -EINVAL,
				 "\"%s\" is no port (expected numbers from 1 to 65535)",
				 clip(text, word));
	if (ret->first == 0 || ret->last == 0)
		return error_set(err, -EINVAL, "port 0 (expected a number from 1 to 65535)");
	if (ret->last < ret->first)
		return error_set(err, -EINVAL, "%u-%u runs backwards (expected %u-%u)", ret->first,
				 ret->last, ret->last, ret->first);
	return 0;
}

static void append(struct policy_ports item, struct policy_ports **ret, size_t *ret_len)
{
	*ret = array_grow(*ret, *ret_len, sizeof(item));
	(*ret)[(*ret_len)++] = item;
}

static int parse_whole(const char *text, struct policy_ports **ret, size_t *ret_len,
		       struct error *err)
{
	struct protocol_list list = {0};
	char word[CLIP_SIZE];

	if (strcmp(text, "icmp") == 0) {
		append((struct policy_ports) {IPPROTO_ICMP, 0, UINT16_MAX}, ret, ret_len);
		return 0;
	}
	if (parse_protocols(text, &list, NULL) < 0)
		return error_set(err, -EINVAL, "\"%s\" is no port (expected %s)", clip(text, word),
				 PORT_FORMS);
	for (size_t i = 0; i < list.len; i++)
		append((struct policy_ports) {list.items[i], 0, UINT16_MAX}, ret, ret_len);
	return 0;
}

int policy_ports_parse(const char *text, struct policy_ports **ret, size_t *ret_len,
		       struct error *err)
{
	struct protocol_list list = {.items = {IPPROTO_TCP}, .len = 1};
	struct policy_ports range = {0};

	if (*text < '0' || *text > '9')
		return parse_whole(text, ret, ret_len, err);

	size_t len = strcspn(text, "/");
	int r = parse_range(text, len, &range, err);
	if (r < 0)
		return r;
	if (text[len] == '/') {
		list.len = 0;
		if (strcmp(text + len, "/icmp") == 0)
			return error_set(err, -EINVAL, "icmp has no ports (expected icmp alone)");
		r = parse_protocols(text + len + 1, &list, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < list.len; i++) {
		range.protocol = list.items[i];
		append(range, ret, ret_len);
	}
	return 0;
}

static void read_one(struct policy_problems *p, const struct node *n, const char *label,
		     bool published, struct policy_ports **ret, size_t *ret_len)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;

	if (!keys_is_text(p, n, label, PORT_FORMS))
		return;
	if (published && strcmp(n->text, "icmp") == 0)
		problem_error(p, &n->where, "icmp is not published (expected tcp, udp or sctp)");
	else if (policy_ports_parse(n->text, ret, ret_len, &err) < 0)
		problem_error(p, &n->where, "%s", error_text(&err));
}

void ports_read(struct policy_problems *p, const struct node *n, const char *label, bool published,
		struct policy_ports **ret, size_t *ret_len)
{
	if (n->kind != NODE_SEQUENCE) {
		read_one(p, n, label, published, ret, ret_len);
		return;
	}
	if (!keys_is_list(p, n, label, PORT_FORMS))
		return;
	for (size_t i = 0; i < n->nitems; i++)
		read_one(p, n->items[i], label, published, ret, ret_len);
}

void policy_ports_print(const struct policy_ports *ports, struct buf *out)
{
	const char *protocol = protocol_name(ports->protocol);

	if (ports->first == 0)
		buf_str(out, protocol);
	else if (ports->first == ports->last)
		buf_printf(out, "%u/%s", ports->first, protocol);
	else
		buf_printf(out, "%u-%u/%s", ports->first, ports->last, protocol);
}
