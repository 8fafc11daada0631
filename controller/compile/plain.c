#include "plain.h"

#include <fnmatch.h>
#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

char *plain_text(const char *pattern)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (const char *p = pattern; *p; p++) {
		if (strchr("*?[", *p))
			return NULL;
		if (*p == '\\' && p[1])
			p++;
		buf_char(&text, *p);
	}
	return buf_steal(&text);
}

/* Behind the ']' that ends the bracket expression at P; a ']' that comes first does not end it. */
static const char *bracket_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	while (*p && *p != ']')
		p++;
	return *p ? p + 1 : p;
}

char *plain_example(const char *glob)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	for (const char *p = glob; *p;) {
		if (*p == '[') {
			p = bracket_end(p);
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '*' || *p == '?') {
			p++;
			continue;
		}
		buf_char(&text, *p++);
	}
	/* A project has a name: of "*" nothing would be left. */
	if (!text.len)
		buf_str(&text, "example");
	return fnmatch(glob, buf_text(&text), 0) ? NULL : buf_steal(&text);
}

/* ---- reading ---- */

/* Asks for VALUE (taken over; NULL: not plain) in FIELD; false where it asks for another already. */
static bool ask(char **field, char *value)
{
	bool same = value && (!*field || !strcmp(*field, value));

	if (*field || !same) {
		free(value);
		return same;
	}
	*field = value;
	return true;
}

static struct plain_label *label_at(struct plain *p, const char *key)
{
	size_t at = 0;

	while (at < p->nlabels && strcmp(p->labels[at].key, key) < 0)
		at++;
	if (at < p->nlabels && !strcmp(p->labels[at].key, key))
		return &p->labels[at];
	p->labels = mem_grow(p->labels, &p->cap, p->nlabels + 1, sizeof(*p->labels));
	memmove(&p->labels[at + 1], &p->labels[at], (p->nlabels - at) * sizeof(*p->labels));
	p->labels[at] = (struct plain_label) {.key = mem_strdup(key)};
	p->nlabels++;
	return &p->labels[at];
}

/* 'Has it' is met by any value, so by one that another condition asks for. */
static bool read_label(const struct selector *s, struct plain *ret)
{
	struct plain_label *label = label_at(ret, s->key);

	return s->pattern ? ask(&label->value, plain_text(s->pattern)) : true;
}

static bool read_project(const struct selector *s, struct plain *ret)
{
	ret->names_project = true;
	if (!strcmp(s->pattern, "*"))
		return true;
	return ask(&ret->project, plain_text(s->pattern));
}

static bool read(const struct policy_document *doc, const struct selector *s, const char *scope,
		 struct plain *ret);

/* A group has its own scope, so it is read for itself and then joined. */
static bool read_group(const struct policy_document *doc, const struct selector *s,
		       const char *scope, struct plain *ret)
{
	CLEANUP_PLAIN struct plain group = {0};
	bool fine = plain_read(doc, doc->groups[s->group].selector, scope, &group);
	struct {
		char **to;
		const char *from;
	} fields[] = {
		{&ret->name, group.name},	{&ret->project, group.project},
		{&ret->service, group.service}, {&ret->image, group.image},
		{&ret->network, group.network},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].from)
			fine = ask(fields[i].to, mem_strdup(fields[i].from)) && fine;
	for (size_t i = 0; i < group.nlabels; i++) {
		struct plain_label *label = label_at(ret, group.labels[i].key);

		if (group.labels[i].value)
			fine = ask(&label->value, mem_strdup(group.labels[i].value)) && fine;
	}
	ret->names_project = ret->names_project || group.names_project;
	return fine;
}

static bool read_children(const struct policy_document *doc, const struct selector *s,
			  const char *scope, struct plain *ret)
{
	for (size_t i = 0; i < s->nchildren; i++)
		if (!read(doc, s->children[i], scope, ret))
			return false;
	return true;
}

static bool read(const struct policy_document *doc, const struct selector *s, const char *scope,
		 struct plain *ret)
{
	switch (s->kind) {
	case SELECTOR_ALL:
		return read_children(doc, s, scope, ret);
	case SELECTOR_ANY:
		return s->nchildren == 1 && read_children(doc, s, scope, ret);
	case SELECTOR_NOT:
		return false;
	case SELECTOR_NAME:
		return ask(&ret->name, plain_text(s->pattern));
	case SELECTOR_PROJECT:
		return read_project(s, ret);
	case SELECTOR_SERVICE:
		return ask(&ret->service, plain_text(s->pattern));
	case SELECTOR_IMAGE:
		return ask(&ret->image, plain_text(s->pattern));
	case SELECTOR_NETWORK:
		return ask(&ret->network, plain_text(s->pattern));
	case SELECTOR_LABEL:
		return read_label(s, ret);
	case SELECTOR_GROUP:
		return read_group(doc, s, scope, ret);
	}
	return false;
}

bool plain_read(const struct policy_document *doc, const struct selector *s, const char *scope,
		struct plain *ret)
{
	if (!read(doc, s, scope, ret))
		return false;
	if (!ret->names_project && scope)
		return ask(&ret->project, mem_strdup(scope));
	return true;
}

/* ---- the rest ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool plain_equal(const struct plain *a, const struct plain *b)
{
	if (!same_text(a->name, b->name) || !same_text(a->project, b->project) ||
	    !same_text(a->service, b->service) || !same_text(a->image, b->image) ||
	    !same_text(a->network, b->network) || a->nlabels != b->nlabels)
		return false;
	for (size_t i = 0; i < a->nlabels; i++)
		if (!same_text(a->labels[i].key, b->labels[i].key) ||
		    !same_text(a->labels[i].value, b->labels[i].value))
			return false;
	return true;
}

void plain_done(struct plain *p)
{
	for (size_t i = 0; i < p->nlabels; i++) {
		free(p->labels[i].key);
		free(p->labels[i].value);
	}
	free(p->labels);
	free(p->name);
	free(p->project);
	free(p->service);
	free(p->image);
	free(p->network);
	*p = (struct plain) {0};
}
