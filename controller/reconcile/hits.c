#include "hits.h"

#include <ctype.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define NO_VERDICT COMPILE_COUNTED

struct hits_counter {
	char *key;	     /* where it is, and what it counts: "…\nCOMMENT" */
	const char *comment; /* in the key; NULL: none */
	bool is_set, egress;
	enum hits_action action;
	size_t verdict; /* of COMPILE_COUNTED, or NO_VERDICT */
	uint64_t packets, bytes;
};

/* ---- what a counter counts ---- */

static bool begins(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

/* The names of chains and sets say whose flows they judge: those that a container begins, or that come to one. */
static bool is_egress(const struct nft_count *c)
{
	const char *place = c->set ? c->set : c->chain;

	return c->family == NFPROTO_BRIDGE || begins(place, "from_") || begins(place, "host_") ||
	       begins(place, "containers_send") || begins(place, "containers_to_host");
}

/* "from_shop/web.allow_port4": an identity's name may hold dots, too. */
static enum hits_action action_of_set(const char *set)
{
	const char *kind = strrchr(set, '.');

	if (begins(kind, ".deny"))
		return HITS_REFUSE;
	return begins(kind, ".audit") ? HITS_AUDIT : HITS_ALLOW;
}

/* A rule that counts and decides nothing is an audited deny with a log of its own. */
static enum hits_action action_of(const struct nft_count *c)
{
	if (c->set)
		return action_of_set(c->set);
	if (c->verdict == VERDICT_DROP || begins(c->target, "refuse"))
		return HITS_REFUSE;
	if (c->verdict == VERDICT_NONE || begins(c->target, "audit"))
		return HITS_AUDIT;
	return HITS_ALLOW;
}

static size_t verdict_of_chain(uint8_t family, const char *chain)
{
	for (size_t i = 0; i < COMPILE_COUNTED; i++) {
		const struct compile_counted *counted = compile_counted_chain(i);

		if (counted->family == family && !strcmp(counted->chain, chain))
			return i;
	}
	return NO_VERDICT;
}

/* Packets of rules with `log: true` do not come to the chains that count for all: they count as if they did. */
static size_t verdict_of(const struct nft_count *c)
{
	if (c->set)
		return NO_VERDICT;
	if (!c->comment)
		return verdict_of_chain(c->family, c->chain);
	if (c->verdict == VERDICT_NONE)
		return verdict_of_chain(c->family, "audit");
	if (begins(c->target, "refuse") && strstr(c->target, "_quietly"))
		return verdict_of_chain(c->family, "refuse");
	return NO_VERDICT;
}

/* ---- a reading ---- */

static void reading_clear(struct hits_reading *r)
{
	for (size_t i = 0; i < r->len; i++)
		free(r->items[i].key);
	r->len = 0;
}

void hits_begin(struct hits *h)
{
	reading_clear(&h->now);
	h->left_out = 0;
}

static struct hits_counter counter_of(const struct nft_count *c)
{
	struct hits_counter counter = {
		.is_set = c->set,
		.egress = is_egress(c),
		.action = action_of(c),
		.verdict = verdict_of(c),
		.packets = c->packets,
		.bytes = c->bytes,
	};

	counter.key = mem_printf("%u %s %s %d %s\n%s", c->family, c->set ? "set" : "chain",
				 c->set ? c->set : c->chain, (int)c->verdict,
				 c->target ? c->target : "", c->comment ? c->comment : "");
	counter.comment = c->comment ? strchr(counter.key, '\n') + 1 : NULL;
	return counter;
}

void hits_add(struct hits *h, const struct nft_count *count)
{
	if (h->now.len == HITS_COUNTERS_MAX)
		h->left_out++;
	else
		MEM_PUSH(&h->now, counter_of(count));
}

static int compare_counters(const void *a, const void *b)
{
	const struct hits_counter *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* Rules of one line and one place, as for IPv4 and IPv6, are one. */
static void merge_equals(struct hits_reading *r)
{
	size_t kept = 0;

	if (r->len)
		qsort(r->items, r->len, sizeof(*r->items), compare_counters);
	for (size_t i = 0; i < r->len; i++) {
		struct hits_counter *last = kept ? &r->items[kept - 1] : NULL;

		if (!last || strcmp(last->key, r->items[i].key)) {
			r->items[kept++] = r->items[i];
			continue;
		}
		last->packets += r->items[i].packets;
		last->bytes += r->items[i].bytes;
		free(r->items[i].key);
	}
	r->len = kept;
}

/* ---- sums ---- */

static int compare_rule(const struct hits_rule *r, const struct hits_counter *c)
{
	int order = strcmp(r->comment, c->comment);

	if (!order)
		order = (int)r->egress - (int)c->egress;
	return order ? order : (int)r->action - (int)c->action;
}

/* NULL: there are too many. */
static struct hits_rule *rule_of(struct hits *h, const struct hits_counter *c)
{
	size_t low = 0, high = h->rules.len;
	struct hits_rule fresh = {.egress = c->egress, .action = c->action};

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_rule(&h->rules.items[middle], c) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < h->rules.len && !compare_rule(&h->rules.items[low], c))
		return &h->rules.items[low];
	if (h->rules.len == HITS_RULES_MAX)
		return NULL;
	fresh.comment = mem_strdup(c->comment);
	MEM_PUSH(&h->rules, fresh);
	memmove(h->rules.items + low + 1, h->rules.items + low,
		(h->rules.len - low - 1) * sizeof(fresh));
	h->rules.items[low] = fresh;
	return &h->rules.items[low];
}

static uint64_t grown(const struct hits_counter *c, uint64_t before, uint64_t now)
{
	if (now >= before)
		return now - before;
	/* A container went, or a rule was set anew. */
	return c->is_set ? 0 : now;
}

/* BEFORE may be NULL: it is new, and began with 0 unless this is the first reading. */
static void count(struct hits *h, const struct hits_counter *c, const struct hits_counter *before)
{
	struct hits_rule *rule = c->comment ? rule_of(h, c) : NULL;
	uint64_t packets = h->began ? grown(c, before ? before->packets : 0, c->packets) : 0;
	uint64_t bytes = h->began ? grown(c, before ? before->bytes : 0, c->bytes) : 0;

	if (c->verdict != NO_VERDICT)
		h->verdicts[c->verdict] += packets;
	if (c->comment && !rule)
		h->left_out++;
	if (!rule)
		return;
	rule->present = true;
	rule->packets += packets;
	rule->bytes += bytes;
	rule->counted += c->packets;
}

static void count_all(struct hits *h)
{
	size_t b = 0;

	for (size_t i = 0; i < h->now.len; i++) {
		const struct hits_counter *c = &h->now.items[i];

		while (b < h->before.len && strcmp(h->before.items[b].key, c->key) < 0)
			b++;
		if (b < h->before.len && !strcmp(h->before.items[b].key, c->key))
			count(h, c, &h->before.items[b]);
		else
			count(h, c, NULL);
	}
}

/* Lines that no rule is from any more. */
static void drop_absent(struct hits *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->rules.len; i++) {
		if (h->rules.items[i].present)
			h->rules.items[kept++] = h->rules.items[i];
		else
			free(h->rules.items[i].comment);
	}
	h->rules.len = kept;
}

void hits_end(struct hits *h)
{
	struct hits_reading before = h->before;

	merge_equals(&h->now);
	for (size_t i = 0; i < h->rules.len; i++) {
		h->rules.items[i].present = false;
		h->rules.items[i].counted = 0;
	}
	count_all(h);
	drop_absent(h);
	reading_clear(&before);
	h->before = h->now;
	h->now = before;
	h->began = true;
}

void hits_done(struct hits *h)
{
	reading_clear(&h->before);
	reading_clear(&h->now);
	free(h->before.items);
	free(h->now.items);
	for (size_t i = 0; i < h->rules.len; i++)
		free(h->rules.items[i].comment);
	free(h->rules.items);
	*h = (struct hits) {.began = false};
}

/* ---- comments ---- */

const char *hits_place(const char *comment, char **ret_file, char **ret_line)
{
	for (const char *colon = strchr(comment, ':'); colon; colon = strchr(colon + 1, ':')) {
		const char *end = colon + 1;

		while (isdigit((unsigned char)*end))
			end++;
		if (end == colon + 1 || (*end && *end != ' '))
			continue;
		*ret_file = mem_strndup(comment, (size_t)(colon - comment));
		*ret_line = mem_strndup(colon + 1, (size_t)(end - colon - 1));
		return *end ? end + 1 : end;
	}
	*ret_file = mem_strdup("");
	*ret_line = mem_strdup("");
	return comment;
}
