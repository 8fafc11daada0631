#include "node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#define SHOWN_MAX 64 /* bytes of a wrong value that a message repeats */

static const char *type_name(const json_t *json)
{
	if (!json)
		return "nothing";
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value";
	case JSON_NULL:
		break;
	}
	return "null";
}

static const struct node *root_of(const struct node *n)
{
	while (n->parent)
		n = n->parent;
	return n;
}

static bool is_plain_key(const char *key)
{
	return *key && strnlen(key, SHOWN_MAX + 1) <= SHOWN_MAX &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       strlen(key);
}

/* Keys are labels and ids at times, of any bytes: what could disturb a terminal becomes '?'. */
static void print_quoted(const char *text, struct buf *out)
{
	size_t n = 0;

	for (; *text && n < SHOWN_MAX; text++, n++)
		buf_char(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
	if (*text)
		buf_str(out, "...");
}

static void print_path(const struct node *n, struct buf *out)
{
	if (!n->parent)
		return;
	print_path(n->parent, out);
	if (!n->key)
		buf_printf(out, "[%zu]", n->index);
	else if (is_plain_key(n->key))
		buf_printf(out, "%s%s", n->parent->parent ? "." : "", n->key);
	else {
		buf_char(out, '[');
		print_quoted(n->key, out);
		buf_char(out, ']');
	}
}

int node_error(const struct node *n, struct error *err, const char *fmt, ...)
{
	const struct node *root = root_of(n);
	CLEANUP_BUF struct buf path = BUF_INIT;
	CLEANUP_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	print_path(n, &path);
	if (path.len == 0)
		return error_set(err, root->code, "%s: the document %s", root->source, text);
	return error_set(err, root->code, "%s: \"%s\" %s", root->source, buf_text(&path), text);
}

static const char *wanted_name(json_type type)
{
	return type == JSON_OBJECT ? "an object" : "a list";
}

/* jansson refuses a NUL byte in a key and cuts a value at it. But the author of an image can put one into
 * a label, and a document must not become unreadable by that: U+FFFD stands in for it. */
static void replace_nul(char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '\\')
			continue;
		if (len - i >= 6 && !memcmp(text + i, "\\u0000", 6))
			memcpy(text + i, "\\ufffd", 6);
		i++; /* what is escaped, perhaps another backslash */
	}
}

static json_t *load(const char *text, size_t len, json_error_t *where)
{
	CLEANUP_BUF struct buf copy = BUF_INIT;

	if (!memmem(text, len, "\\u0000", 6))
		return json_loadb(text, len, 0, where);
	buf_add(&copy, text, len);
	replace_nul(copy.data, len);
	return json_loadb(copy.data, len, 0, where);
}

int node_parse(const char *source, int code, json_type type, const char *text, size_t len,
	       json_t **ret, struct node *ret_node, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	json_error_t where;
	struct node n = {.source = source, .code = code};

	json = load(text, len, &where);
	if (!json)
		return error_set(err, code, "%s: not valid JSON, at line %d column %d: %s", source,
				 where.line, where.column, where.text);
	n.json = json;
	if (json_typeof(json) != type)
		return node_error(&n, err, "is %s (expected %s)", type_name(json),
				  wanted_name(type));
	*ret = json;
	json = NULL;
	*ret_node = n;
	return 0;
}

struct node node_member(const struct node *n, const char *key)
{
	struct node child = {.parent = n, .key = key};

	child.json = json_is_object(n->json) ? json_object_get(n->json, key) : NULL;
	return child;
}

struct node node_item(const struct node *n, size_t i)
{
	struct node child = {.parent = n, .index = i};

	child.json = json_array_get(n->json, i);
	return child;
}

size_t node_len(const struct node *n)
{
	if (json_is_array(n->json))
		return json_array_size(n->json);
	return json_object_size(n->json);
}

static bool is_absent(const struct node *n)
{
	return !n->json || json_is_null(n->json);
}

static int missing(const struct node *n, struct error *err)
{
	return node_error(n, err, "is missing");
}

static int wrong_type(const struct node *n, const char *wanted, struct error *err)
{
	return node_error(n, err, "is %s (expected %s)", type_name(n->json), wanted);
}

static int container(const struct node *n, const char *key, enum node_need need, json_type type,
		     struct node *ret, struct error *err)
{
	struct node child = node_member(n, key);

	if (is_absent(&child)) {
		if (need == NODE_REQUIRED)
			return missing(&child, err);
		child.json = NULL;
	} else if (json_typeof(child.json) != type) {
		return wrong_type(&child, wanted_name(type), err);
	}
	*ret = child;
	return 0;
}

int node_array(const struct node *n, const char *key, enum node_need need, struct node *ret,
	       struct error *err)
{
	return container(n, key, need, JSON_ARRAY, ret, err);
}

int node_object(const struct node *n, const char *key, enum node_need need, struct node *ret,
		struct error *err)
{
	return container(n, key, need, JSON_OBJECT, ret, err);
}

int node_is_object(const struct node *n, struct error *err)
{
	return json_is_object(n->json) ? 0 : wrong_type(n, "an object", err);
}

int node_text(const struct node *n, char **ret, struct error *err)
{
	if (!json_is_string(n->json))
		return wrong_type(n, "a string", err);
	*ret = mem_strdup(json_string_value(n->json));
	return 0;
}

int node_string(const struct node *n, const char *key, enum node_need need, char **ret,
		struct error *err)
{
	struct node child = node_member(n, key);

	if (!is_absent(&child))
		return node_text(&child, ret, err);
	if (need == NODE_REQUIRED)
		return missing(&child, err);
	*ret = NULL;
	return 0;
}

int node_bool(const struct node *n, const char *key, bool *ret, struct error *err)
{
	struct node child = node_member(n, key);

	if (is_absent(&child))
		return 0;
	if (!json_is_boolean(child.json))
		return wrong_type(&child, "true or false", err);
	*ret = json_is_true(child.json);
	return 0;
}

int node_number(const struct node *n, const char *key, enum node_need need, long long min,
		long long max, long long *ret, struct error *err)
{
	struct node child = node_member(n, key);
	long long value;

	if (is_absent(&child))
		return need == NODE_REQUIRED ? missing(&child, err) : 0;
	if (!json_is_integer(child.json))
		return wrong_type(&child, "a whole number", err);
	value = json_integer_value(child.json);
	if (value < min || value > max)
		return node_error(&child, err, "is %lld (expected %lld to %lld)", value, min, max);
	*ret = value;
	return 0;
}

int node_addr(const struct node *n, const char *key, struct addr *ret, struct error *err)
{
	struct node child = node_member(n, key);
	CLEANUP_FREE char *text = NULL;
	struct addr a = {0};
	int r = node_string(n, key, NODE_OPTIONAL, &text, err);

	if (r < 0)
		return r;
	if (text && *text && addr_parse(text, &a) < 0) {
		CLEANUP_BUF struct buf shown = BUF_INIT;

		print_quoted(text, &shown);
		return node_error(&child, err, "is no address: \"%s\"", buf_text(&shown));
	}
	*ret = a;
	return 0;
}
