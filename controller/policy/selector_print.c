#include "internal.h"

#include <string.h>

/*
 * A selector as YAML, as written or as resolved. Resolved means: each alternative that gets the project of
 * the document's scope shows it, and groups are spelled out (a group got its project where it is defined).
 * An alternative is named if it names a project itself; in a mapping one named condition is enough.
 */
enum naming { UNNAMED, NAMED, MIXED };

struct printer {
	const struct policy_document *doc;
	bool resolve;
	struct buf *out;
};

static enum naming naming_of(const struct selector *s);

static enum naming naming_of_any(const struct selector *s)
{
	size_t named = 0, unnamed = 0;

	for (size_t i = 0; i < s->nchildren; i++) {
		enum naming naming = naming_of(s->children[i]);
		named += naming != UNNAMED;
		unnamed += naming != NAMED;
	}
	if (named && unnamed)
		return MIXED;
	return named ? NAMED : UNNAMED;
}

static enum naming naming_of_all(const struct selector *s)
{
	enum naming naming = UNNAMED;

	for (size_t i = 0; i < s->nchildren; i++) {
		enum naming child = naming_of(s->children[i]);
		if (child == NAMED)
			return NAMED;
		if (child == MIXED)
			naming = MIXED;
	}
	return naming;
}

static enum naming naming_of(const struct selector *s)
{
	switch (s->kind) {
	case SELECTOR_PROJECT:
	case SELECTOR_GROUP:
		return NAMED;
	case SELECTOR_ANY:
		return naming_of_any(s);
	case SELECTOR_ALL:
		return naming_of_all(s);
	default:
		return UNNAMED;
	}
}

/* Two mixed conditions beside each other would have to be multiplied out to show who gets the project. */
bool selector_is_tangled(const struct selector *s)
{
	size_t mixed = 0;

	for (size_t i = 0; i < s->nchildren; i++) {
		mixed += naming_of(s->children[i]) == MIXED;
		if (selector_is_tangled(s->children[i]))
			return true;
	}
	return s->kind == SELECTOR_ALL && mixed > 1 && naming_of(s) == MIXED;
}

size_t selector_depth(const struct policy_document *doc, const struct selector *s)
{
	size_t deepest = 0;

	if (s->kind == SELECTOR_GROUP)
		return selector_depth(doc, doc->groups[s->group].selector);
	for (size_t i = 0; i < s->nchildren; i++) {
		size_t depth = selector_depth(doc, s->children[i]);
		if (depth > deepest)
			deepest = depth;
	}
	return deepest + 1;
}

/* SCOPED: the alternatives here get the document's project unless they name one. */
static void print_item(const struct printer *p, const struct selector *s, bool scoped);

static void print_items(const struct printer *p, const struct selector *s, bool scoped)
{
	buf_char(p->out, '[');
	for (size_t i = 0; i < s->nchildren; i++) {
		if (i)
			buf_str(p->out, ", ");
		print_item(p, s->children[i], scoped && naming_of(s->children[i]) != NAMED);
	}
	buf_char(p->out, ']');
}

/* Only the mixed item of an `all` decides who gets the project. */
static void print_all_items(const struct printer *p, const struct selector *s, bool scoped)
{
	buf_char(p->out, '[');
	for (size_t i = 0; i < s->nchildren; i++) {
		if (i)
			buf_str(p->out, ", ");
		print_item(p, s->children[i], scoped && naming_of(s->children[i]) == MIXED);
	}
	buf_char(p->out, ']');
}

static const char *key_of(enum selector_kind kind)
{
	static const char *const keys[] = {
		[SELECTOR_ALL] = "all",		[SELECTOR_ANY] = "any",
		[SELECTOR_NOT] = "not",		[SELECTOR_NAME] = "name",
		[SELECTOR_PROJECT] = "project", [SELECTOR_SERVICE] = "service",
		[SELECTOR_IMAGE] = "image",	[SELECTOR_NETWORK] = "network",
		[SELECTOR_LABEL] = "label",	[SELECTOR_GROUP] = "group",
	};
	return keys[kind];
}

static void print_label(const struct printer *p, const struct selector *s)
{
	quote_print(s->key, p->out);
	buf_str(p->out, ": ");
	if (s->pattern)
		quote_print(s->pattern, p->out);
	else
		buf_str(p->out, "true");
}

/* Labels stand together under one key. */
static size_t print_labels(const struct printer *p, const struct selector *s, size_t at)
{
	buf_str(p->out, "label: {");
	for (size_t first = at; at < s->nchildren && s->children[at]->kind == SELECTOR_LABEL;
	     at++) {
		if (at > first)
			buf_str(p->out, ", ");
		print_label(p, s->children[at]);
	}
	buf_char(p->out, '}');
	return at;
}

static void print_key(const struct printer *p, const struct selector *s, bool scoped)
{
	buf_printf(p->out, "%s: ", key_of(s->kind));
	if (s->kind == SELECTOR_ANY)
		print_items(p, s, scoped);
	else if (s->kind == SELECTOR_ALL)
		print_all_items(p, s, scoped);
	else if (s->kind == SELECTOR_NOT)
		print_item(p, s->children[0], false);
	else /* messages also quote what was wrong, and has no pattern */
		quote_print(s->pattern ? s->pattern : "", p->out);
}

/* The scope is a name, not a pattern, where it has no wildcard. */
static void print_scope(const struct printer *p)
{
	struct buf pattern CLEANUP_BUF = BUF_INIT;

	for (const char *c = p->doc->scope; *c; c++) {
		if (strchr("*?[\\", *c))
			buf_char(&pattern, '\\');
		buf_char(&pattern, *c);
	}
	buf_str(p->out, "project: ");
	quote_print(buf_text(&pattern), p->out);
}

static void print_mapping(const struct printer *p, const struct selector *s, bool scoped)
{
	enum naming naming = naming_of(s);
	bool shows = scoped && naming == UNNAMED;

	buf_char(p->out, '{');
	if (shows)
		print_scope(p);
	for (size_t i = 0; i < s->nchildren;) {
		const struct selector *child = s->children[i];
		if (i || shows)
			buf_str(p->out, ", ");
		if (child->kind == SELECTOR_LABEL) {
			i = print_labels(p, s, i);
			continue;
		}
		print_key(p, child, scoped && naming == MIXED && naming_of(child) == MIXED);
		i++;
	}
	buf_char(p->out, '}');
}

static void print_group(const struct printer *p, const struct selector *s)
{
	const struct policy_group *group = &p->doc->groups[s->group];

	if (p->resolve)
		print_item(p, group->selector, p->doc->scope);
	else
		quote_print(group->name, p->out);
}

static void print_item(const struct printer *p, const struct selector *s, bool scoped)
{
	if (s->kind == SELECTOR_GROUP)
		print_group(p, s);
	else if (s->kind == SELECTOR_ANY)
		print_items(p, s, scoped);
	else
		print_mapping(p, s, scoped);
}

void selector_print(const struct policy_document *doc, const struct selector *s, bool resolve,
		    struct buf *out)
{
	struct printer p = {.doc = doc, .resolve = resolve, .out = out};
	print_item(&p, s, resolve && doc->scope && naming_of(s) != NAMED);
}

void policy_selector_print(const struct policy_document *doc, const struct selector *s,
			   struct buf *out)
{
	selector_print(doc, s, false, out);
}
