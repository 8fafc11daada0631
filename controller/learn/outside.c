/*
 * outside: addresses outside, as a policy names them. Few stand one by one. Of many public ones nobody knows which the
 * next will be, so they are everywhere. Private ones are merged into blocks, but into none that holds an address of the
 * host or of a container: a block is held against the address that a packet carries, whoever has it.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

void plan_addresses_add(struct plan_addresses *a, const struct learn_end *end)
{
	struct prefix p = {.addr = end->addr, .len = (uint8_t)(8 * addr_size(end->addr.family))};

	if (!addr_is_set(&end->addr)) {
		a->others = true;
		return;
	}
	if (end->block)
		a->blocks = pair_block_of(&end->addr, &p);
	MEM_PUSH(a, p);
}

static int compare(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int r = addr_compare(&x->addr, &y->addr);

	return r ? r : (int)x->len - (int)y->len;
}

/* In order, and nothing within another. */
static void normalise(struct plan_addresses *a)
{
	size_t kept = 0;

	if (a->len)
		qsort(a->items, a->len, sizeof(*a->items), compare);
	for (size_t i = 0; i < a->len; i++)
		if (!kept || !prefix_contains_prefix(&a->items[kept - 1], &a->items[i]))
			a->items[kept++] = a->items[i];
	a->len = kept;
}

static bool is_single(const struct prefix *p)
{
	return p->len == 8 * addr_size(p->addr.family);
}

static size_t count_public(const struct plan_addresses *a)
{
	struct prefix block;
	size_t n = 0;

	for (size_t i = 0; i < a->len; i++)
		n += !pair_block_of(&a->items[i].addr, &block);
	return n;
}

/* ---- whose addresses are within ---- */

static void add_within(const struct prefix *block, const struct prefix *p,
		       struct plan_addresses *ret)
{
	struct prefix masked = prefix_mask(p);

	if (prefix_contains_prefix(block, &masked))
		MEM_PUSH(ret, masked);
	else if (prefix_contains_prefix(&masked, block))
		MEM_PUSH(ret, *block);
}

/* What of BLOCK is containers' or the host's. */
static struct plan_addresses not_outside(const struct model *m, const struct prefix *block)
{
	struct plan_addresses found = {.items = NULL};

	for (size_t i = 0; i < m->nnetworks; i++)
		for (size_t s = 0; s < m->networks[i].nsubnets; s++)
			add_within(block, &m->networks[i].subnets[s], &found);
	for (size_t i = 0; i < m->ninterfaces; i++)
		for (size_t s = 0; s < m->interfaces[i].naddrs; s++) {
			struct prefix own = m->interfaces[i].addrs[s];

			own.len = (uint8_t)(8 * addr_size(own.addr.family));
			add_within(block, &own, &found);
		}
	normalise(&found);
	return found;
}

static bool is_outside(const struct model *m, const struct prefix *block)
{
	struct plan_addresses found = not_outside(m, block);

	free(found.items);
	return !found.len;
}

/* ---- merging ---- */

static struct prefix cover(const struct prefix *a, const struct prefix *b)
{
	struct prefix both = *a;

	while (both.len && !prefix_contains_prefix(&both, b))
		both.len--;
	return prefix_mask(&both);
}

/* Of two neighbours the nearest that may be merged; false: none. */
static bool find_nearest(const struct plan *p, const struct plan_addresses *a, unsigned least4,
			 unsigned least6, size_t *ret_at, struct prefix *ret)
{
	bool found = false;

	for (size_t i = 0; i + 1 < a->len; i++) {
		struct prefix block, both;

		if (a->items[i].addr.family != a->items[i + 1].addr.family ||
		    !pair_block_of(&a->items[i].addr, &block))
			continue;
		both = cover(&a->items[i], &a->items[i + 1]);
		if (both.len < (both.addr.family == AF_INET ? least4 : least6) ||
		    (found && both.len <= ret->len) || !is_outside(p->model, &both))
			continue;
		*ret_at = i;
		*ret = both;
		found = true;
	}
	return found;
}

static void merge(const struct plan *p, struct plan_addresses *a, unsigned least4, unsigned least6)
{
	struct prefix both = {.len = 0};
	size_t at = 0;

	if (a->len <= PLAN_FEW)
		return;
	while (find_nearest(p, a, least4, least6, &at, &both)) {
		a->items[at] = both;
		memmove(&a->items[at + 1], &a->items[at + 2],
			(a->len - at - 2) * sizeof(*a->items));
		a->len--;
		/* A wider one may have swallowed what stood behind. */
		normalise(a);
	}
}

/* ---- as YAML ---- */

static void print_prefix(const struct prefix *p, struct buf *out)
{
	const char *quote = p->addr.family == AF_INET6 ? "\"" : "";
	char text[ADDR_TEXT_SIZE];

	buf_printf(out, "%s%s%s", quote,
		   is_single(p) ? addr_format(&p->addr, text) : prefix_format(p, text), quote);
}

static void print_block(const struct plan *p, const struct prefix *block, struct buf *out)
{
	struct plan_addresses except = {.items = NULL};

	if (!is_single(block))
		except = not_outside(p->model, block);
	if (!except.len) {
		print_prefix(block, out);
		return;
	}
	buf_str(out, "{cidr: ");
	print_prefix(block, out);
	buf_str(out, ", except: [");
	for (size_t i = 0; i < except.len; i++) {
		if (i)
			buf_str(out, ", ");
		print_prefix(&except.items[i], out);
	}
	buf_str(out, "]}");
	free(except.items);
}

char *plan_addresses_print(const struct plan *p, struct plan_addresses *a, const char *anywhere,
			   char **ret_note)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t n, public;

	normalise(a);
	n = a->len;
	public = count_public(a);
	if (a->others || public > PLAN_FEW) {
		*ret_note = a->others ? mem_strdup("more addresses than are kept apart, so "
						   "anywhere")
				      : mem_printf("%zu public addresses, so anywhere", public);
		return mem_strdup(anywhere);
	}
	merge(p, a, 24, 64);
	merge(p, a, 16, 48);
	if (a->blocks)
		*ret_note = mem_strdup("more addresses than are kept apart, so all of their block");
	else
		*ret_note = a->len < n ? mem_printf("%zu addresses", n) : NULL;
	if (a->len != 1)
		buf_char(&out, '[');
	for (size_t i = 0; i < a->len; i++) {
		if (i)
			buf_str(&out, ", ");
		print_block(p, &a->items[i], &out);
	}
	if (a->len != 1)
		buf_char(&out, ']');
	return buf_steal(&out);
}
