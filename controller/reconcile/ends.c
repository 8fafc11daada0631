#include "ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

void ends_done(struct ends *e)
{
	free(e->items);
	*e = (struct ends) {NULL, 0, 0};
}

void ends_add_container(struct ends *e, const struct model *m, size_t c)
{
	size_t owner = model_netns_owner(m, c);

	if (owner == MODEL_NONE)
		return;
	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *ep = &m->endpoints[i];
		struct flow_end end = {.kind = END_ENDPOINT, .endpoint = i};

		if (ep->container == owner && model_network_is_managed(&m->networks[ep->network]))
			MEM_PUSH(e, end);
	}
}

static bool is_service(const struct model_container *c, const char *text)
{
	const char *project = model_container_project(c);
	const char *service = model_container_service(c);
	size_t len = project ? strlen(project) : 0;

	return project && service && !strncmp(text, project, len) && text[len] == '/' &&
	       !strcmp(text + len + 1, service);
}

static bool is_name(const struct model_container *c, const char *text)
{
	return !strcmp(c->name, text);
}

static bool is_id(const struct model_container *c, const char *text)
{
	return !strncmp(c->id, text, strlen(text));
}

/* Adds every container that IS matches. How many there were; *RET_LAST is the last of them. */
static size_t add_matching(struct ends *e, const struct model *m, const char *text,
			   bool (*is)(const struct model_container *, const char *),
			   size_t *ret_last)
{
	size_t n = 0;

	for (size_t i = 0; i < m->ncontainers; i++) {
		if (!is(&m->containers[i], text))
			continue;
		n++;
		*ret_last = i;
		ends_add_container(e, m, i);
	}
	return n;
}

static int no_endpoint(const struct model *m, size_t c, const char *text, struct error *err)
{
	const struct model_container *container = &m->containers[c];

	if (!container->running)
		return error_set(err, -EINVAL, "'%s' does not run, so it has no address", text);
	if (!strcmp(container->network_mode, "host"))
		return error_set(
			err, -EINVAL,
			"'%s' uses the host's network: its traffic is the host's (say host)", text);
	return error_set(err, -EINVAL, "'%s' has no address on a bridge network", text);
}

static int resolve_container(const struct model *m, const char *text, struct ends *ret,
			     struct error *err)
{
	size_t last = 0;
	size_t n = add_matching(ret, m, text, is_name, &last);

	if (!n)
		n = add_matching(ret, m, text, is_service, &last);
	if (!n) {
		n = add_matching(ret, m, text, is_id, &last);
		if (n > 1)
			return error_set(err, -EINVAL, "'%s' is how %zu container ids begin", text,
					 n);
	}
	if (!n)
		return error_set(err, -EINVAL,
				 "nothing is called '%s' (expected a container's name or id, "
				 "PROJECT/SERVICE, an address, or host)",
				 text);
	return ret->len ? 0 : no_endpoint(m, last, text, err);
}

int ends_resolve(const struct compiled *c, const struct model *m, const char *text,
		 struct ends *ret, struct error *err)
{
	struct flow_end end = {.kind = END_HOST};
	struct addr a;

	if (!*text)
		return error_set(err, -EINVAL, "an end has no name");
	if (!strcmp(text, "host")) {
		MEM_PUSH(ret, end);
		return 0;
	}
	if (addr_parse(text, &a) == 0) {
		end = compile_end_of_addr(c, &a);
		MEM_PUSH(ret, end);
		return 0;
	}
	return resolve_container(m, text, ret, err);
}

struct addr ends_in_family(const struct model *m, const struct flow_end *end, uint8_t family,
			   bool *ret_has)
{
	struct addr none = {.family = 0};
	struct addr a = end->addr;

	if (end->kind == END_ENDPOINT && !addr_is_set(&a)) {
		const struct model_endpoint *e = &m->endpoints[end->endpoint];

		a = family == AF_INET ? e->addr4 : e->addr6;
	}
	*ret_has = a.family == family || (end->kind == END_HOST && !addr_is_set(&a));
	return a.family == family ? a : none;
}
