#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

const char events_filter[] =
	"{\"type\":[\"container\",\"network\"],"
	"\"event\":[\"create\",\"start\",\"restart\",\"die\",\"stop\",\"destroy\",\"rename\","
	"\"update\",\"pause\",\"unpause\",\"connect\",\"disconnect\",\"remove\"]}";

/* ---- lines ---- */

/* BYTES go on with a line that has no end among them. */
static int keep_rest(struct events_lines *l, const char *bytes, size_t len,
		     int (*each)(void *data, const char *line, size_t len), void *data)
{
	if (l->skipping || len == 0)
		return 0;
	if (l->rest.len + len <= EVENTS_LINE_MAX) {
		buf_add(&l->rest, bytes, len);
		return 0;
	}
	l->skipping = true;
	buf_truncate(&l->rest, 0);
	return each(data, NULL, 0);
}

/* BYTES are the end of a line. */
static int end_line(struct events_lines *l, const char *bytes, size_t len,
		    int (*each)(void *data, const char *line, size_t len), void *data)
{
	int r = keep_rest(l, bytes, len, each, data);

	if (r == 0 && !l->skipping && l->rest.len > 0)
		r = each(data, buf_text(&l->rest), l->rest.len);
	l->skipping = false;
	if (l->rest.len > 0)
		buf_truncate(&l->rest, 0);
	return r;
}

int events_feed(struct events_lines *l, const char *bytes, size_t len,
		int (*each)(void *data, const char *line, size_t len), void *data)
{
	const char *end = bytes + len;
	int r = 0;

	while (r == 0 && bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));

		if (!newline)
			return keep_rest(l, bytes, (size_t)(end - bytes), each, data);
		r = end_line(l, bytes, (size_t)(newline - bytes), each, data);
		bytes = newline + 1;
	}
	return r;
}

void events_lines_done(struct events_lines *l)
{
	buf_done(&l->rest);
	l->skipping = false;
}

/* ---- one event ---- */

void event_done(struct event *e)
{
	free(e->id);
	free(e->container);
	*e = (struct event) {0};
}

static int text_of(const struct node *n, const char *key, const char **ret, struct error *err)
{
	struct node child = node_member(n, key);

	if (!child.json)
		return node_error(&child, err, "is missing");
	if (!json_is_string(child.json))
		return node_error(&child, err, "is no string");
	*ret = json_string_value(child.json);
	return 0;
}

static int read_attributes(const struct node *actor, struct event *e, struct error *err)
{
	struct node attributes, type;
	int r = node_object(actor, "Attributes", NODE_OPTIONAL, &attributes, err);

	if (r < 0)
		return r;
	type = node_member(&attributes, "type");
	e->overlay = json_is_string(type.json) && !strcmp(json_string_value(type.json), "overlay");
	return node_string(&attributes, "container", NODE_OPTIONAL, &e->container, err);
}

static enum event_kind kind_of(const char *type, const char *action)
{
	if (!strcmp(type, "container"))
		return strcmp(action, "destroy") ? EVENT_CONTAINER : EVENT_DESTROY;
	if (strcmp(type, "network"))
		return EVENT_OTHER;
	if (!strcmp(action, "connect"))
		return EVENT_CONNECT;
	return strcmp(action, "disconnect") ? EVENT_NETWORK : EVENT_DISCONNECT;
}

static int read_event(const struct node *doc, struct event *e, struct error *err)
{
	const char *type = NULL,
		   *action = NULL; /* for gcc -O3, which does not see that they are set */
	struct node actor, id;
	int r;

	if ((r = text_of(doc, "Type", &type, err)) < 0 ||
	    (r = text_of(doc, "Action", &action, err)) < 0)
		return r;
	e->kind = kind_of(type, action);
	if (e->kind == EVENT_OTHER)
		return 0;
	if ((r = node_object(doc, "Actor", NODE_REQUIRED, &actor, err)) < 0 ||
	    (r = node_string(&actor, "ID", NODE_REQUIRED, &e->id, err)) < 0)
		return r;
	id = node_member(&actor, "ID");
	if (!*e->id)
		return node_error(&id, err, "is empty");
	if (e->kind == EVENT_CONTAINER || e->kind == EVENT_DESTROY)
		return 0;
	return read_attributes(&actor, e, err);
}

int event_read(const char *line, size_t len, struct event *ret, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	struct event e = {0};
	struct node doc;
	int r = node_parse("GET /events", -EPROTO, JSON_OBJECT, line, len, &json, &doc, err);

	if (r < 0)
		return r;
	r = read_event(&doc, &e, err);
	if (r < 0) {
		event_done(&e);
		return r;
	}
	*ret = e;
	return 0;
}
