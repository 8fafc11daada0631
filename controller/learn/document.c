/*
 * document: the table as JSON, and back. What comes back may have been written by anybody: it is checked for all that
 * learn_table_add() takes care of.
 */
#include "internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

#define COUNT_MAX (INT64_C(1) << 60)	/* room for more in 64 bits */
#define TIME_MAX  INT64_C(253402300799) /* the last second of 9999 */

static const char *const kinds[] = {
	[LEARN_CONTAINER] = "container",
	[LEARN_HOST] = "host",
	[LEARN_OUTSIDE] = "outside",
};

/* ---- out ---- */

static void set_text(json_t *j, const char *key, const char *text)
{
	if (text)
		json_object_set_new(j, key, json_string(text));
}

static json_t *end_json(const struct learn_end *e)
{
	json_t *j = json_pack("{s:s}", "kind", kinds[e->kind]);
	char text[ADDR_TEXT_SIZE];
	struct prefix block;

	set_text(j, "project", e->project);
	set_text(j, "service", e->service);
	set_text(j, "name", e->name);
	if (e->kind == LEARN_OUTSIDE && e->block && pair_block_of(&e->addr, &block))
		set_text(j, "address", prefix_format(&block, text));
	else if (e->kind == LEARN_OUTSIDE && addr_is_set(&e->addr))
		set_text(j, "address", addr_format(&e->addr, text));
	return j;
}

static json_t *protocol_json(uint8_t protocol)
{
	const char *name = protocol_name(protocol);

	return name ? json_string(name) : json_integer(protocol);
}

static json_t *time_json(time_t at)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_time(&text, at);
	return json_string(buf_text(&text));
}

static json_t *pair_json(const struct learn_pair *p)
{
	json_t *j = json_pack("{s:o, s:o, s:o}", "from", end_json(&p->from), "to", end_json(&p->to),
			      "protocol", protocol_json(p->protocol));

	if (protocol_has_ports(p->protocol))
		json_object_set_new(j, "port", json_integer(p->port));
	if (p->range)
		json_object_set_new(j, "port_last", json_integer(p->port_last));
	if (p->published_port)
		json_object_set_new(j, "published", json_integer(p->published_port));
	json_object_set_new(j, "allowed", json_integer((json_int_t)p->allowed));
	json_object_set_new(j, "audited", json_integer((json_int_t)p->audited));
	json_object_set_new(j, "refused", json_integer((json_int_t)p->refused));
	json_object_set_new(j, "unanswered", json_integer((json_int_t)p->unanswered));
	json_object_set_new(j, "first", time_json(p->first));
	json_object_set_new(j, "last", time_json(p->last));
	return j;
}

static int compare(const void *a, const void *b)
{
	const struct learn_pair *const *x = a, *const *y = b;

	return learn_pair_compare(*x, *y);
}

json_t *learn_table_json(const struct learn_table *t)
{
	size_t n = learn_table_len(t);
	CLEANUP_FREE const struct learn_pair **pairs = mem_new(n, sizeof(*pairs));
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		pairs[i] = learn_table_pair(t, i);
	qsort(pairs, n, sizeof(*pairs), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, pair_json(pairs[i]));
	return json_pack("{s:o, s:I}", "pairs", list, "left_out",
			 (json_int_t)learn_table_left_out(t));
}

/* ---- out, in pieces ---- */

static int append(const char *text, size_t len, void *data)
{
	buf_add(data, text, len);
	return 0;
}

static void print_pair(const struct learn_pair *p, struct buf *out)
{
	json_t *j = pair_json(p);

	json_dump_callback(j, append, out, JSON_COMPACT);
	json_decref(j);
}

size_t learn_table_print(const struct learn_table *t, size_t from, size_t n, struct buf *out)
{
	for (; n && from < learn_table_len(t); n--, from++) {
		if (from)
			buf_char(out, ',');
		print_pair(learn_table_pair(t, from), out);
	}
	return from;
}

/* ---- back ---- */

static bool take_number(const json_t *j, int64_t least, int64_t most, int64_t *ret)
{
	if (!json_is_integer(j) || json_integer_value(j) < least || json_integer_value(j) > most)
		return false;
	*ret = json_integer_value(j);
	return true;
}

/* Absent: what *RET is already. */
static bool take_port(const json_t *j, uint16_t *ret)
{
	int64_t port;

	if (!j)
		return true;
	if (!take_number(j, 0, UINT16_MAX, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool take_name(const json_t *j, const char **ret)
{
	*ret = json_string_value(j);
	return !j || (*ret && json_string_length(j) == strlen(*ret) && pair_name_fits(*ret));
}

static bool take_names(const json_t *j, struct learn_end *ret)
{
	const char *project, *service, *name;

	if (!take_name(json_object_get(j, "project"), &project) ||
	    !take_name(json_object_get(j, "service"), &service) ||
	    !take_name(json_object_get(j, "name"), &name))
		return false;
	/* The table copies them. */
	ret->project = (char *)project;
	ret->service = (char *)service;
	ret->name = (char *)name;
	return service ? project && !name : name != NULL;
}

static bool take_address(const char *text, struct learn_end *ret)
{
	struct prefix p, block;

	if (!text || prefix_parse(text, &p) < 0)
		return false;
	ret->addr = p.addr;
	ret->block = strchr(text, '/') != NULL;
	return !ret->block || (pair_block_of(&p.addr, &block) && p.len == block.len &&
			       addr_equal(&p.addr, &block.addr));
}

static bool take_end(const json_t *j, struct learn_end *ret)
{
	const char *kind = json_string_value(json_object_get(j, "kind"));
	const json_t *address = json_object_get(j, "address");

	for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kind, kinds[i]) != 0)
			continue;
		ret->kind = (enum learn_end_kind)i;
		if (ret->kind == LEARN_CONTAINER)
			return take_names(j, ret);
		if (ret->kind == LEARN_HOST || !address)
			return true;
		return take_address(json_string_value(address), ret);
	}
	return false;
}

static bool take_protocol(const json_t *j, uint8_t *ret)
{
	const char *name = json_string_value(j);
	int64_t number;

	if (name && protocol_parse(name, strlen(name), ret))
		return true;
	if (!take_number(j, 1, UINT8_MAX, &number) || number == IPPROTO_ICMPV6)
		return false;
	*ret = (uint8_t)number;
	return true;
}

static bool take_time(const json_t *j, time_t *ret)
{
	struct tm tm = {0};
	const char *end = json_is_string(j)
				  ? strptime(json_string_value(j), "%Y-%m-%dT%H:%M:%SZ", &tm)
				  : NULL;
	time_t at = end ? timegm(&tm) : -1;

	if (!end || *end || at < 0 || at > TIME_MAX)
		return false;
	*ret = at;
	return true;
}

static bool take_counts(const json_t *j, struct learn_pair *p)
{
	const json_t *silent = json_object_get(j, "unanswered");
	int64_t allowed, audited, refused, unanswered = 0;

	if (!take_number(json_object_get(j, "allowed"), 0, COUNT_MAX, &allowed) ||
	    !take_number(json_object_get(j, "audited"), 0, COUNT_MAX, &audited) ||
	    !take_number(json_object_get(j, "refused"), 0, COUNT_MAX, &refused) ||
	    (silent && !take_number(silent, 0, allowed + audited, &unanswered)) ||
	    !take_time(json_object_get(j, "first"), &p->first) ||
	    !take_time(json_object_get(j, "last"), &p->last) || p->last < p->first)
		return false;
	p->allowed = (uint64_t)allowed;
	p->audited = (uint64_t)audited;
	p->refused = (uint64_t)refused;
	p->unanswered = (uint64_t)unanswered;
	return p->allowed || p->audited || p->refused;
}

static bool take_ports(const json_t *j, struct learn_pair *p)
{
	const json_t *last = json_object_get(j, "port_last");

	if (!take_port(json_object_get(j, "port"), &p->port))
		return false;
	p->range = last != NULL;
	p->port_last = p->port;
	return take_port(last, &p->port_last) &&
	       take_port(json_object_get(j, "published"), &p->published_port) &&
	       p->port_last >= p->port && (protocol_has_ports(p->protocol) || !p->port_last);
}

static bool makes_sense(const struct learn_pair *p)
{
	if (p->from.kind != LEARN_CONTAINER && p->to.kind != LEARN_CONTAINER)
		return false;
	return !p->published_port ||
	       (p->from.kind == LEARN_OUTSIDE && !p->range && protocol_has_ports(p->protocol));
}

static bool take_pair(const json_t *j, struct learn_pair *ret)
{
	return take_end(json_object_get(j, "from"), &ret->from) &&
	       take_end(json_object_get(j, "to"), &ret->to) &&
	       take_protocol(json_object_get(j, "protocol"), &ret->protocol) &&
	       take_ports(j, ret) && take_counts(j, ret) && makes_sense(ret);
}

int learn_table_read(const json_t *document, size_t max, struct learn_table **ret,
		     struct error *err)
{
	const json_t *list = json_object_get(document, "pairs");
	CLEANUP_LEARN_TABLE struct learn_table *t = learn_table_new(max);
	int64_t left_out;
	json_t *item;
	size_t i;

	if (!json_is_array(list) ||
	    !take_number(json_object_get(document, "left_out"), 0, COUNT_MAX, &left_out))
		return error_set(err, -EBADMSG, "no list of pairs");
	json_array_foreach(list, i, item) {
		struct learn_pair p = {.protocol = 0};

		if (!take_pair(item, &p))
			return error_set(err, -EBADMSG, "pair %zu makes no sense", i);
		if (!table_restore(t, &p))
			return error_set(err, -EBADMSG, "pair %zu is there twice, or too many are",
					 i);
	}
	table_set_left_out(t, (uint64_t)left_out);
	*ret = t;
	t = NULL;
	return 0;
}
