#include "yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "internal.h"
#include "quaywall/mem.h"

struct anchor {
	char *name;
	const struct node *node; /* NULL while it is being built */
};

struct builder {
	yaml_parser_t parser;
	yaml_event_t event; /* the one at hand */
	const char *file;
	struct policy_problems *problems;
	struct node *dropped; /* what aliases may still mean, though it is in no document */
	size_t start;	      /* the document's first character */
	size_t copies;
	struct {
		struct anchor *items;
		size_t len, cap;
	} anchors;
};

static struct node *build(struct builder *b, unsigned depth);

static struct policy_where where_of(const struct builder *b, const yaml_mark_t *mark)
{
	return (struct policy_where) {b->file, (unsigned)mark->line + 1,
				      (unsigned)mark->column + 1};
}

/* Always NULL, so that a builder can return it. */
static struct node *refuse(struct builder *b, const char *text)
{
	struct policy_where where = where_of(b, &b->event.start_mark);
	problem_error(b->problems, &where, "%s", text);
	return NULL;
}

/* libyaml's words, and what a person should do about it. */
static const struct {
	const char *problem, *text;
} syntax[] = {
	{"mapping values are not allowed in this context",
	 "a \": \" where no key can stand (expected quotes around a text that holds it, or less indentation)"},
	{"found unexpected ':'",
	 "a \":\" that nothing follows (expected a value, or quotes around the text)"},
	{"could not find expected ':'", "a key without \":\" (expected KEY: VALUE)"},
	{"did not find expected key",
	 "a line that belongs to nothing (expected a key, indented like its neighbours)"},
	{"did not find expected '-' indicator",
	 "a line that belongs to no list (expected \"- \", indented like its neighbours)"},
	{"did not find expected ',' or ']'", "a list that is not closed (expected \",\" or \"]\")"},
	{"did not find expected ',' or '}'",
	 "a mapping that is not closed (expected \",\" or \"}\")"},
	{"did not find expected node content",
	 "nothing where a value must stand (expected one, in quotes if it begins with \":\")"},
	{"did not find expected <document start>",
	 "a second value in one document (expected \"---\" before it)"},
	{"block sequence entries are not allowed in this context",
	 "a \"- \" where no list can begin (expected it on a line of its own)"},
	{"block mapping entries are not allowed in this context",
	 "a mapping where none can begin (expected it on a line of its own)"},
	{"mapping keys are not allowed in this context",
	 "a \"? \" where no key can stand (expected KEY: VALUE)"},
	{"found unexpected end of stream",
	 "a quote that is not closed (expected the closing quote)"},
	{"found unexpected document indicator",
	 "a quote that is not closed (expected the closing quote)"},
	{"found character that cannot start any token",
	 "a character that begins no value (expected quotes around the text, spaces for tabs)"},
	{"did not find expected alphabetic or numeric character",
	 "a \"*\" or \"&\" that names no anchor (expected quotes around a text with \"*\")"},
	{"found unknown escape character",
	 "an unknown escape in double quotes (expected single quotes around a text with \"\\\")"},
};

static const char *syntax_text(const char *problem)
{
	for (size_t i = 0; problem && i < ARRAY_SIZE(syntax); i++)
		if (strcmp(problem, syntax[i].problem) == 0)
			return syntax[i].text;
	return NULL;
}

/* libyaml notices an open quote at the end of the file; a person looks for where it begins. */
static const yaml_mark_t *mark_of(const yaml_parser_t *y)
{
	bool open_quote = y->context && strcmp(y->context, "while scanning a quoted scalar") == 0;
	return open_quote && y->problem && strncmp(y->problem, "found unexpected", 16) == 0
		       ? &y->context_mark
		       : &y->problem_mark;
}

static void report_syntax(struct builder *b)
{
	const yaml_parser_t *y = &b->parser;
	struct policy_where where = where_of(b, mark_of(y));
	const char *text = syntax_text(y->problem);

	if (text)
		problem_error(b->problems, &where, "%s", text);
	else
		problem_error(b->problems, &where, "not valid YAML: %s%s%s",
			      y->context ? y->context : "", y->context ? ", " : "",
			      y->problem ? y->problem : "unknown error");
}

/* Fetches the next event. False at a mistake in the YAML. */
static bool next(struct builder *b)
{
	yaml_event_delete(&b->event);
	if (!yaml_parser_parse(&b->parser, &b->event)) {
		report_syntax(b);
		return false;
	}
	if (b->event.type == YAML_DOCUMENT_START_EVENT)
		b->start = b->event.start_mark.index;
	if (b->event.end_mark.index - b->start > YAML_DOCUMENT_MAX &&
	    b->event.type != YAML_STREAM_END_EVENT) {
		refuse(b, "the document is over 1 MiB (expected a smaller one)");
		return false;
	}
	return true;
}

static struct node *node_new(struct builder *b, enum node_kind kind)
{
	struct node *n = mem_new(1, sizeof(*n));
	n->kind = kind;
	n->where = where_of(b, &b->event.start_mark);
	return n;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->nitems; i++)
		node_free(n->items[i]);
	free(n->items);
	free(n->text);
	free(n);
}

static void cleanup_node(struct node **n)
{
	node_free(*n);
}

static struct node *steal(struct node **n)
{
	struct node *stolen = *n;
	*n = NULL;
	return stolen;
}

static void add_item(struct node *n, struct node *item)
{
	n->items = array_grow(n->items, n->nitems, sizeof(struct node *));
	n->items[n->nitems++] = item;
}

/* The anchor and the tag of the event at hand; any may be NULL. */
static void properties(const yaml_event_t *e, const char **ret_anchor, const char **ret_tag)
{
	*ret_anchor = *ret_tag = NULL;
	if (e->type == YAML_SCALAR_EVENT) {
		*ret_anchor = (const char *)e->data.scalar.anchor;
		*ret_tag = (const char *)e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		*ret_anchor = (const char *)e->data.sequence_start.anchor;
		*ret_tag = (const char *)e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		*ret_anchor = (const char *)e->data.mapping_start.anchor;
		*ret_tag = (const char *)e->data.mapping_start.tag;
	}
}

static struct node *build_scalar(struct builder *b)
{
	const char *text = (const char *)b->event.data.scalar.value;
	size_t len = b->event.data.scalar.length;

	if (memchr(text, 0, len))
		return refuse(b, "a NUL byte (expected text)");

	struct node *n = node_new(b, NODE_SCALAR);
	n->text = mem_strndup(text, len);
	n->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return n;
}

static struct node *build_collection(struct builder *b, enum node_kind kind, unsigned depth)
{
	yaml_event_type_t end =
		kind == NODE_MAPPING ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	struct node *n __attribute__((cleanup(cleanup_node))) = node_new(b, kind);

	while (next(b)) {
		if (b->event.type == end) {
			if (kind == NODE_MAPPING) {
				mapping_check_keys(n, b->problems);
				mapping_merge(n, b->problems, b->dropped);
			}
			return steal(&n);
		}
		struct node *item = build(b, depth + 1);
		if (!item)
			return NULL;
		add_item(n, item);
	}
	return NULL;
}

static struct node *copy(struct builder *b, const struct node *from, unsigned depth)
{
	if (depth > YAML_DEPTH_MAX)
		return refuse(b, "nested over 32 levels (expected less)");
	if (++b->copies > YAML_COPIES_MAX)
		return refuse(b, "the document's aliases expand to over 10000 values (expected "
				 "fewer; this looks like an anchor bomb)");

	struct node *n __attribute__((cleanup(cleanup_node))) = mem_new(1, sizeof(*n));
	n->kind = from->kind;
	n->where = from->where;
	n->text = mem_strdup(from->text);
	n->plain = from->plain;
	for (size_t i = 0; i < from->nitems; i++) {
		struct node *item = copy(b, from->items[i], depth + 1);
		if (!item)
			return NULL;
		add_item(n, item);
	}
	return steal(&n);
}

static struct node *build_alias(struct builder *b, unsigned depth)
{
	const char *name = (const char *)b->event.data.alias.anchor;
	struct policy_where where = where_of(b, &b->event.start_mark);
	char word[CLIP_SIZE];

	for (size_t i = b->anchors.len; i-- > 0;) {
		if (strcmp(b->anchors.items[i].name, name) != 0)
			continue;
		if (b->anchors.items[i].node)
			return copy(b, b->anchors.items[i].node, depth);
		problem_error(
			b->problems, &where,
			"the alias *%s stands inside its own anchor (expected one that is complete)",
			clip(name, word));
		return NULL;
	}
	problem_error(
		b->problems, &where,
		"unknown alias *%s (expected an anchor &%s before it; quotes for a text with \"*\")",
		clip(name, word), word);
	return NULL;
}

static struct node *build_value(struct builder *b, unsigned depth)
{
	switch (b->event.type) {
	case YAML_SCALAR_EVENT:
		return build_scalar(b);
	case YAML_SEQUENCE_START_EVENT:
		return build_collection(b, NODE_SEQUENCE, depth);
	case YAML_MAPPING_START_EVENT:
		return build_collection(b, NODE_MAPPING, depth);
	default:
		return build_alias(b, depth);
	}
}

/* Builds the value that the event at hand begins; NULL once the rest of the file cannot be read. */
static struct node *build(struct builder *b, unsigned depth)
{
	const char *anchor, *tag;

	if (depth > YAML_DEPTH_MAX)
		return refuse(b, "nested over 32 levels (expected less)");
	properties(&b->event, &anchor, &tag);
	if (tag)
		return refuse(b,
			      "a tag (expected none: every value is a text, a list or a mapping)");
	if (!anchor)
		return build_value(b, depth);
	if (b->anchors.len >= YAML_ANCHORS_MAX)
		return refuse(b, "over 1000 anchors in a document (expected fewer)");

	size_t slot = b->anchors.len;
	struct anchor item = {.name = mem_strdup(anchor)};
	MEM_PUSH(&b->anchors, item);
	struct node *n = build_value(b, depth);
	b->anchors.items[slot].node = n;
	if (n)
		n->anchored = true;
	return n;
}

static void forget_anchors(struct builder *b)
{
	for (size_t i = 0; i < b->anchors.len; i++)
		free(b->anchors.items[i].name);
	free(b->anchors.items);
	memset(&b->anchors, 0, sizeof(b->anchors));
	b->copies = 0;
	node_free(b->dropped);
	b->dropped = NULL;
}

/* Reads the document that begins here. False once the rest of the file cannot be read. */
static bool read_document(struct builder *b, struct yaml_documents *ret)
{
	if (!next(b))
		return false;
	b->dropped = node_new(b, NODE_SEQUENCE);
	struct node *n = build(b, 1);
	forget_anchors(b);
	if (!n)
		return false;
	if (!next(b)) { /* the end of the document */
		node_free(n);
		return false;
	}
	if (node_is_empty(n))
		node_free(n);
	else
		MEM_PUSH(ret, n);
	return true;
}

static void read_stream(struct builder *b, struct yaml_documents *ret)
{
	while (next(b) && b->event.type != YAML_STREAM_END_EVENT)
		if (b->event.type == YAML_DOCUMENT_START_EVENT && !read_document(b, ret))
			return;
}

void yaml_read(const char *file, const char *text, size_t len, struct policy_problems *p,
	       struct yaml_documents *ret)
{
	if (!text_check(file, text, len, p))
		return;

	struct builder b = {.file = file, .problems = p};
	if (!yaml_parser_initialize(&b.parser))
		abort();
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	read_stream(&b, ret);
	forget_anchors(&b);
	yaml_event_delete(&b.event);
	yaml_parser_delete(&b.parser);
}

void yaml_documents_done(struct yaml_documents *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->len; i++)
		node_free(d->items[i]);
	free(d->items);
	*d = (struct yaml_documents) {0};
}

const char *node_kind_name(const struct node *n)
{
	static const char *const names[] = {
		[NODE_SCALAR] = "a text", [NODE_SEQUENCE] = "a list", [NODE_MAPPING] = "a mapping"};
	return names[n->kind];
}

bool node_is_empty(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain && n->text[0] == '\0';
}
