/* Sets and their elements from messages. */
#include "decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"
#include "quaywall/mem.h"

/* ---- declarations ---- */

/* A number of nft's has no size but by the whole key's. */
static void tell_numbers_apart(enum ruleset_field *fields, size_t n, uint32_t len)
{
	struct ruleset_set s = {.nfields = n};

	memcpy(s.fields, fields, n * sizeof(*fields));
	if (len >= (n > 1 ? ruleset_key_size(&s) : ruleset_field_size(fields[0])))
		return;
	for (size_t i = 0; i < n; i++)
		if (fields[i] == FIELD_ND_TARGET)
			fields[i] = FIELD_VNI;
}

/* The fields of a key of LEN bytes, of whose types the last is in the lowest bits. Returns their number, 0 if one is
 * unknown. */
static size_t read_fields(uint32_t type, uint32_t len,
			  enum ruleset_field fields[static RULESET_FIELDS_MAX])
{
	const uint32_t mask = (1u << KIND_TYPE_BITS) - 1;
	size_t n = 0;

	for (uint32_t rest = type; rest != 0; rest >>= KIND_TYPE_BITS)
		n++;
	if (!n || n > RULESET_FIELDS_MAX)
		return 0;
	for (size_t i = n; i-- > 0; type >>= KIND_TYPE_BITS)
		if (!kind_field(type & mask, &fields[i]))
			return 0;
	tell_numbers_apart(fields, n, len);
	return n;
}

static bool is_verdict_map(const struct nftnl_set *s)
{
	return nftnl_set_get_u32(s, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT;
}

/* False: a flag that we never set, or a map of data. */
static bool read_flags(const struct nftnl_set *s, unsigned *ret)
{
	uint32_t flags = nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
	const uint32_t known =
		NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_TIMEOUT | NFT_SET_EVAL | NFT_SET_CONCAT;

	if ((flags & ~known) || ((flags & NFT_SET_MAP) && !is_verdict_map(s)))
		return false;
	if ((flags & NFT_SET_TIMEOUT) && !(flags & NFT_SET_EVAL))
		return false;
	*ret = (flags & NFT_SET_INTERVAL ? SET_INTERVAL : 0) |
	       (flags & NFT_SET_MAP ? SET_VERDICTS : 0) | (flags & NFT_SET_EVAL ? SET_DYNAMIC : 0);
	return true;
}

struct expressions {
	size_t counters, others;
};

static int count_expression(struct nftnl_expr *e, void *data)
{
	struct expressions *count = data;

	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "counter") == 0)
		count->counters++;
	else
		count->others++;
	return 0;
}

static bool read_expressions(const struct nftnl_set *s, unsigned *flags)
{
	struct expressions count = {0};

	if (nftnl_set_is_set(s, NFTNL_SET_EXPR) || nftnl_set_is_set(s, NFTNL_SET_EXPRESSIONS))
		nftnl_set_expr_foreach(s, count_expression, &count);
	if (count.others > 0 || count.counters > 1)
		return false;
	*flags |= count.counters > 0 ? SET_COUNTER : 0;
	return true;
}

static bool read_timeout(const struct nftnl_set *s, uint32_t *ret)
{
	uint64_t timeout = nftnl_set_get_u64(s, NFTNL_SET_TIMEOUT);

	*ret = (uint32_t)(timeout / 1000);
	return timeout % 1000 == 0 && timeout / 1000 <= UINT32_MAX;
}

static void add_set(struct ruleset *r, const struct nftnl_set *s)
{
	enum ruleset_field fields[RULESET_FIELDS_MAX];
	size_t n = read_fields(nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE),
			       nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN), fields);
	const char *name = nftnl_set_get_str(s, NFTNL_SET_NAME);
	uint32_t timeout = 0;
	unsigned flags = 0;
	struct ruleset_set *set;

	if (n == 0 || !read_flags(s, &flags) || !read_expressions(s, &flags) ||
	    !read_timeout(s, &timeout)) {
		ruleset_add_set(r, name, 0, NULL, 0)->unknown = true;
		return;
	}
	set = ruleset_add_set(r, name, flags, fields, n);
	set->timeout = timeout;
	set->size = nftnl_set_get_u32(s, NFTNL_SET_DESC_SIZE);
}

int decode_set(const struct nlmsghdr *message, struct ruleset *r)
{
	struct nftnl_set *s = nftnl_set_alloc();
	int result = nftnl_set_nlmsg_parse(message, s) < 0 ? -EBADMSG : 0;
	const char *table = nftnl_set_get_str(s, NFTNL_SET_TABLE);

	if (result == 0 && table && strcmp(table, r->table) == 0 &&
	    nftnl_set_is_set(s, NFTNL_SET_NAME))
		add_set(r, s);
	nftnl_set_free(s);
	return result;
}

/* ---- elements ---- */

static size_t key_length(const struct ruleset_set *s)
{
	return s->nfields > 1 ? ruleset_key_size(s) : ruleset_field_size(s->fields[0]);
}

static bool read_key(const struct nlattr *attr, size_t size, uint8_t ret[static RULESET_KEY_MAX])
{
	const struct nlattr *value;

	mnl_attr_for_each_nested(value, attr) {
		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE)
			continue;
		if (mnl_attr_get_payload_len(value) != size)
			return false;
		memset(ret, 0, RULESET_KEY_MAX);
		memcpy(ret, mnl_attr_get_payload(value), size);
		return true;
	}
	return false;
}

bool decode_verdict(int32_t code, enum ruleset_verdict *ret)
{
	switch (code) {
	case NF_ACCEPT:
		*ret = VERDICT_ACCEPT;
		return true;
	case NF_DROP:
		*ret = VERDICT_DROP;
		return true;
	case NFT_RETURN:
		*ret = VERDICT_RETURN;
		return true;
	case NFT_JUMP:
		*ret = VERDICT_JUMP;
		return true;
	case NFT_GOTO:
		*ret = VERDICT_GOTO;
		return true;
	default:
		return false;
	}
}

/* E's chain is the message's own string. */
static bool read_verdict(const struct nlattr *data, struct ruleset_element *e)
{
	const struct nlattr *outer, *attr;
	bool known = false;

	mnl_attr_for_each_nested(outer, data) {
		if (mnl_attr_get_type(outer) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(attr, outer) {
			if (mnl_attr_get_type(attr) == NFTA_VERDICT_CODE &&
			    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				known = decode_verdict((int32_t)ntohl(mnl_attr_get_u32(attr)),
						       &e->verdict);
			else if (mnl_attr_get_type(attr) == NFTA_VERDICT_CHAIN &&
				 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
				e->chain = mnl_attr_get_str(attr);
		}
	}
	return known &&
	       (e->chain != NULL) == (e->verdict == VERDICT_JUMP || e->verdict == VERDICT_GOTO);
}

/* What one element's message says, read but not owned but for the comment. */
struct raw_element {
	struct ruleset_element element; /* without its keys and comment */
	uint8_t first[RULESET_KEY_MAX], last[RULESET_KEY_MAX];
	char *comment;
	bool key, key_end, data, end, counter;
	bool known;
};

static void read_attribute(const struct nlattr *attr, const struct ruleset_set *s,
			   struct raw_element *raw)
{
	switch (mnl_attr_get_type(attr)) {
	case NFTA_SET_ELEM_KEY:
		raw->key = read_key(attr, key_length(s), raw->first);
		return;
	case NFTA_SET_ELEM_KEY_END:
		raw->key_end = read_key(attr, key_length(s), raw->last);
		return;
	case NFTA_SET_ELEM_DATA:
		raw->data = read_verdict(attr, &raw->element);
		return;
	case NFTA_SET_ELEM_FLAGS:
		raw->end = mnl_attr_validate(attr, MNL_TYPE_U32) == 0 &&
			   ntohl(mnl_attr_get_u32(attr)) == NFT_SET_ELEM_INTERVAL_END;
		raw->known &= raw->end;
		return;
	case NFTA_SET_ELEM_USERDATA:
		if (!raw->comment)
			raw->comment = decode_comment(mnl_attr_get_payload(attr),
						      mnl_attr_get_payload_len(attr));
		return;
	case NFTA_SET_ELEM_EXPR:
		raw->counter = true;
		return;
	case NFTA_SET_ELEM_PAD:
		return;
	default: /* a timeout, an object, several expressions */
		raw->known = false;
	}
}

/* Does what was read fit the declaration of the set? */
static bool fits(const struct raw_element *raw, const struct ruleset_set *s)
{
	bool ranges = (s->flags & SET_INTERVAL) && s->nfields > 1;

	if (!raw->known || !raw->key || (raw->end && (ranges || !(s->flags & SET_INTERVAL))))
		return false;
	return raw->end || (raw->data == ((s->flags & SET_VERDICTS) != 0) &&
			    (!raw->counter || (s->flags & SET_COUNTER)) && raw->key_end == ranges);
}

static void add_boundary(struct element_reading *r, const struct raw_element *raw)
{
	struct boundary b = {.end = raw->end,
			     .verdict = raw->element.verdict,
			     .chain = mem_strdup(raw->element.chain),
			     .comment = mem_strdup(raw->comment)};

	memcpy(b.key, raw->first, sizeof(b.key));
	MEM_PUSH(&r->boundaries, b);
}

static void add_element(struct ruleset_set *s, const struct raw_element *raw)
{
	struct ruleset_element e = raw->element;

	e.key = raw->first;
	e.key_end = raw->last;
	e.comment = raw->comment;
	ruleset_add_element(s, &e);
}

static void read_element(const struct nlattr *list, void *data)
{
	struct element_reading *r = data;
	struct raw_element raw = {.known = true};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, list) {
		read_attribute(attr, r->set, &raw);
	}
	if (!fits(&raw, r->set))
		r->set->unknown = true;
	else if ((r->set->flags & SET_INTERVAL) && r->set->nfields == 1)
		add_boundary(r, &raw);
	else
		add_element(r->set, &raw);
	free(raw.comment);
}

int decode_each_element(const struct nlmsghdr *message,
			void (*each)(const struct nlattr *element, void *data), void *data)
{
	const struct nlattr *attr, *item;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(item, attr) {
			each(item, data);
		}
	}
	return 0;
}

int decode_elements(const struct nlmsghdr *message, struct element_reading *r)
{
	return decode_each_element(message, read_element, r);
}

/* By key; of one key, the end of what came before is first. */
static int compare_boundaries(const void *a, const void *b)
{
	const struct boundary *x = a, *y = b;
	int order = memcmp(x->key, y->key, RULESET_KEY_MAX);

	return order != 0 ? order : (int)y->end - (int)x->end;
}

static void previous_key(const uint8_t *key, size_t size, uint8_t *ret)
{
	memcpy(ret, key, size);
	for (size_t i = size; i-- > 0;)
		if (ret[i]-- != 0)
			return;
}

static void end_range(struct element_reading *r, const struct boundary *begin,
		      const struct boundary *next)
{
	uint8_t last[RULESET_KEY_MAX] = {0};
	size_t size = key_length(r->set);
	struct ruleset_element e = {.key = begin->key,
				    .key_end = last,
				    .verdict = begin->verdict,
				    .chain = begin->chain,
				    .comment = begin->comment};

	if (next)
		previous_key(next->key, size, last);
	else
		memset(last, 0xff, size);
	ruleset_add_element(r->set, &e);
}

void decode_elements_finish(struct element_reading *r)
{
	const struct boundary *begin = NULL;

	if (r->boundaries.len == 0)
		return;
	qsort(r->boundaries.items, r->boundaries.len, sizeof(struct boundary), compare_boundaries);
	for (size_t i = 0; i < r->boundaries.len; i++) {
		const struct boundary *b = &r->boundaries.items[i];

		if (begin)
			end_range(r, begin, b);
		begin = b->end ? NULL : b;
	}
	if (begin)
		end_range(r, begin, NULL);
}

void decode_elements_done(struct element_reading *r)
{
	for (size_t i = 0; i < r->boundaries.len; i++) {
		free(r->boundaries.items[i].chain);
		free(r->boundaries.items[i].comment);
	}
	free(r->boundaries.items);
	*r = (struct element_reading) {0};
}
