#include "internal.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define RULE_FORMS    "a selector, a group, any, containers, world, host, an address or {cidr: …}"
#define OUTSIDE_FORMS "any, world, an address, {cidr: …} or {interface: …}"

static const struct {
	const char *word;
	enum policy_peer_kind kind;
} words[] = {{"any", PEER_ANY},
	     {"containers", PEER_CONTAINERS},
	     {"world", PEER_WORLD},
	     {"host", PEER_HOST}};

static bool find_word(const char *text, enum policy_peer_kind *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i].word) == 0) {
			*ret = words[i].kind;
			return true;
		}
	}
	return false;
}

bool peer_is_word(const char *text)
{
	enum policy_peer_kind kind;
	return find_word(text, &kind);
}

/* Four numbers and dots may be followed by anything: `10.0.0.1-10.0.0.9` was meant as an address. */
static bool begins_with_ipv4(const char *text)
{
	for (int dots = 0; dots < 4; dots++) {
		size_t digits = strspn(text, "0123456789");
		if (!digits)
			return false;
		text += digits;
		if (dots < 3 && *text++ != '.')
			return false;
	}
	return true;
}

bool peer_looks_like_address(const char *text)
{
	return strpbrk(text, ":/") || text[strspn(text, "0123456789.")] == '\0' ||
	       begins_with_ipv4(text);
}

void peer_done(struct policy_peer *peer)
{
	selector_free(peer->selector);
	free(peer->except);
	free(peer->interface);
}

static char *read_interface(struct policy_problems *p, const struct node *n)
{
	char word[CLIP_SIZE];
	char *name = scalar_pattern(p, n, "interface");

	if (name && !pattern_has_wildcard(name) && strlen(name) >= IFNAMSIZ) {
		problem_error(p, &n->where, "\"%s\" is no interface (expected at most %d bytes)",
			      clip(name, word), IFNAMSIZ - 1);
		free(name);
		return NULL;
	}
	return name;
}

/* The literal that the mapping N is, or NULL for a selector. */
static const char *literal_key(const struct node *n)
{
	static const char *const keys[] = {"cidr", "interface", "dns", "dns-resolvers", "except"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys_get(n, keys[i]))
			return keys[i];
	return NULL;
}

static bool read_cidr(struct reader *r, const struct node *n, struct policy_peer *ret)
{
	static const char *const known[] = {"cidr", "except", NULL};
	const struct node *cidr = keys_get(n, "cidr"), *except = keys_get(n, "except");

	keys_check(r->problems, n, known);
	ret->kind = PEER_CIDR;
	bool good = cidr_read(r->problems, cidr, "cidr", &ret->cidr);
	if (except)
		cidr_read_except(r->problems, except, good ? &ret->cidr : NULL, &ret->except,
				 &ret->nexcept);
	return good;
}

static bool read_literal(struct reader *r, const struct node *n, const char *key,
			 struct policy_peer *ret)
{
	static const char *const known[] = {"interface", NULL};

	if (strcmp(key, "cidr") == 0)
		return read_cidr(r, n, ret);
	if (strcmp(key, "interface") == 0) {
		keys_check(r->problems, n, known);
		ret->kind = PEER_INTERFACE;
		ret->interface = read_interface(r->problems, keys_get(n, key));
		return ret->interface;
	}
	if (strcmp(key, "except") == 0)
		problem_error(r->problems, &n->where,
			      "\"except\" without \"cidr\" (expected both)");
	else
		problem_error(
			r->problems, &keys_node(n, key)->where,
			"{%s: …} is not supported yet (expected addresses or blocks in this version)",
			key);
	return false;
}

static bool read_selector(struct reader *r, const struct node *n, const char *label,
			  struct policy_peer *ret)
{
	ret->kind = PEER_SELECTOR;
	ret->selector = selector_read(r, n, label, false);
	return ret->selector;
}

static bool read_text(struct reader *r, const struct node *n, const char *label,
		      struct policy_peer *ret)
{
	if (find_word(n->text, &ret->kind))
		return true;
	if (!peer_looks_like_address(n->text))
		return read_selector(r, n, label, ret);
	ret->kind = PEER_CIDR;
	return cidr_read(r->problems, n, label, &ret->cidr);
}

static bool read_peer(struct reader *r, const struct node *n, const char *label,
		      struct policy_peer *ret)
{
	ret->where = n->where;
	if (n->kind == NODE_MAPPING) {
		const char *key = literal_key(n);
		return key ? read_literal(r, n, key, ret) : read_selector(r, n, label, ret);
	}
	if (n->kind == NODE_SEQUENCE)
		return read_selector(r, n, label, ret);
	return keys_is_text(r->problems, n, label, RULE_FORMS) && read_text(r, n, label, ret);
}

static bool may_stand(const struct policy_peer *peer, enum peer_place place)
{
	switch (place) {
	case PLACE_PUBLISH_TO:
		return peer->kind == PEER_SELECTOR;
	case PLACE_PUBLISH_FROM:
		return peer->kind == PEER_ANY || peer->kind == PEER_WORLD ||
		       peer->kind == PEER_CIDR || peer->kind == PEER_INTERFACE;
	default:
		return true;
	}
}

static void check_place(struct reader *r, const struct policy_peer *peer, enum peer_place place)
{
	struct buf text CLEANUP_BUF = BUF_INIT;
	char word[CLIP_SIZE];

	if (may_stand(peer, place))
		return;
	policy_peer_print(r->doc, peer, &text);
	clip(buf_text(&text), word);
	if (place == PLACE_PUBLISH_TO)
		problem_error(r->problems, &peer->where,
			      "%s as \"to\" of publish (expected a selector or a group)", word);
	else
		problem_error(r->problems, &peer->where,
			      "%s as \"from\" of publish (expected who is outside: %s)", word,
			      OUTSIDE_FORMS);
}

static void read_into(struct reader *r, const struct node *n, const char *label,
		      enum peer_place place, struct policy_peer **ret, size_t *ret_len)
{
	struct policy_peer peer = {0};

	if (!read_peer(r, n, label, &peer)) {
		peer_done(&peer);
		return;
	}
	check_place(r, &peer, place);
	*ret = array_grow(*ret, *ret_len, sizeof(peer));
	(*ret)[(*ret_len)++] = peer;
}

static const char *forms(enum peer_place place)
{
	switch (place) {
	case PLACE_PUBLISH_TO:
		return "a selector or a group";
	case PLACE_PUBLISH_FROM:
		return OUTSIDE_FORMS;
	default:
		return RULE_FORMS;
	}
}

void peers_read(struct reader *r, const struct node *n, const char *label, enum peer_place place,
		struct policy_peer **ret, size_t *ret_len)
{
	if (node_is_empty(n)) {
		keys_is_text(r->problems, n, label, forms(place));
		return;
	}
	if (n->kind != NODE_SEQUENCE) {
		read_into(r, n, label, place, ret, ret_len);
		return;
	}
	if (!keys_is_list(r->problems, n, label, forms(place)))
		return;
	for (size_t i = 0; i < n->nitems; i++)
		read_into(r, n->items[i], label, place, ret, ret_len);
}

/* {cidr: ADDRESS, interface: NAME}: an address outside, and by which interface it comes. */
static bool read_end_mapping(struct reader *r, const struct node *n, struct policy_end *ret)
{
	static const char *const known[] = {"cidr", "interface", NULL};
	const struct node *cidr = keys_get(n, "cidr"), *interface = keys_get(n, "interface");

	if (!cidr) {
		const char *key = literal_key(n);
		problem_error(
			r->problems, &keys_node(n, key)->where,
			"{%s: …} as an end of expect (expected an address, with \"interface\" beside it at most)",
			key);
		return false;
	}
	keys_check(r->problems, n, known);
	ret->peer.kind = PEER_CIDR;
	if (interface)
		ret->interface = scalar_words(r->problems, interface, "interface", IFNAMSIZ - 1);
	return cidr_read(r->problems, cidr, "cidr", &ret->peer.cidr);
}

/* A list is one selector here, as every pair must have the verdict. */
static bool check_end_list(struct reader *r, const struct node *n)
{
	char word[CLIP_SIZE];
	bool good = true;

	for (size_t i = 0; i < n->nitems; i++) {
		const struct node *item = n->items[i];
		const char *what = NULL;
		if (item->kind == NODE_MAPPING)
			what = literal_key(item);
		else if (item->kind == NODE_SCALAR &&
			 (peer_is_word(item->text) || peer_looks_like_address(item->text)))
			what = item->text;
		if (!what || node_is_empty(item))
			continue;
		problem_error(r->problems, &item->where,
			      "\"%s\" in a list of expect (expected selectors and groups alone)",
			      clip(what, word));
		good = false;
	}
	return good;
}

bool end_read(struct reader *r, const struct node *n, const char *label, struct policy_end *ret)
{
	char word[CLIP_SIZE];
	struct policy_peer *peer = &ret->peer;

	peer->where = n->where;
	if (n->kind == NODE_MAPPING && literal_key(n))
		return ret->set = read_end_mapping(r, n, ret);
	if (n->kind == NODE_SEQUENCE && !check_end_list(r, n))
		return false;
	if (!read_peer(r, n, label, peer))
		return false;
	if (peer->kind != PEER_SELECTOR && peer->kind != PEER_HOST && peer->kind != PEER_CIDR) {
		problem_error(
			r->problems, &n->where,
			"\"%s\" is \"%s\" in expect (expected a selector, a group, an address or host)",
			label, clip(n->text, word));
		return false;
	}
	ret->set = true;
	return true;
}
