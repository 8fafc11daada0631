#include "version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#include "quaywall/docker.h"
#include "quaywall/mem.h"

void version_done(struct version *v)
{
	free(v->engine_name);
	free(v->engine_version);
	free(v->api_version);
	*v = (struct version) {0};
}

/* "1.41" as 1041; -EINVAL for anything else. */
static int parse(const char *text)
{
	char *dot, *end;
	unsigned long major, minor;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	major = strtoul(text, &dot, 10);
	if (*dot != '.' || dot[1] < '0' || dot[1] > '9')
		return -EINVAL;
	minor = strtoul(dot + 1, &end, 10);
	if (*end || major > 1000 || minor > 999)
		return -EINVAL;
	return (int)(major * 1000 + minor);
}

static int read_number(const struct node *doc, const char *key, enum node_need need,
		       char **ret_text, int *ret, struct error *err)
{
	struct node child = node_member(doc, key);
	int r = node_string(doc, key, need, ret_text, err);

	if (r < 0 || !*ret_text)
		return r;
	r = parse(*ret_text);
	if (r < 0)
		return node_error(&child, err, "is no version: \"%.40s\"", *ret_text);
	*ret = r;
	return 0;
}

/* The lower of the server's highest and ours, where that is one that both speak. No fixed version will
 * do: 20.10 ends at 1.41, and 29.0 begins at 1.44. */
static int choose(const struct node *doc, const struct version *v, char **ret, struct error *err)
{
	int ours_min = parse(DOCKER_API_MIN), ours_max = parse(DOCKER_API_MAX);
	CLEANUP_FREE char *max_text = NULL;
	CLEANUP_FREE char *min_text = NULL;
	int max = 0, min = 0, r;

	r = read_number(doc, "ApiVersion", NODE_REQUIRED, &max_text, &max, err);
	if (r < 0)
		return r;
	r = read_number(doc, "MinAPIVersion", NODE_OPTIONAL, &min_text, &min, err);
	if (r < 0)
		return r;
	if (max < ours_min)
		return error_set(
			err, -ENOTSUP,
			"%.40s %.40s is too old: it speaks the API up to version %s, quaywall "
			"needs %s (Docker 20.10)",
			v->engine_name, v->engine_version, max_text, DOCKER_API_MIN);
	if (min > ours_max)
		return error_set(
			err, -ENOTSUP,
			"%.40s %.40s is too new: it speaks the API from version %s on, quaywall "
			"up to %s",
			v->engine_name, v->engine_version, min_text, DOCKER_API_MAX);
	*ret = mem_strdup(max < ours_max ? max_text : DOCKER_API_MAX);
	return 0;
}

/* The name of the component that is the engine: the first one of the list. Docker's is just "Engine". */
static int read_name(const struct node *doc, char **ret, struct error *err)
{
	CLEANUP_FREE char *name = NULL;
	struct node list, first;
	int r = node_array(doc, "Components", NODE_OPTIONAL, &list, err);

	if (r < 0)
		return r;
	if (node_len(&list) == 0) {
		*ret = mem_strdup("Docker Engine");
		return 0;
	}
	first = node_item(&list, 0);
	if ((r = node_is_object(&first, err)) < 0 ||
	    (r = node_string(&first, "Name", NODE_REQUIRED, &name, err)) < 0)
		return r;
	*ret = mem_strdup(strcmp(name, "Engine") ? name : "Docker Engine");
	return 0;
}

static int read_version(const struct node *doc, bool libpod, struct version *v, struct error *err)
{
	int r = read_name(doc, &v->engine_name, err);

	if (r < 0)
		return r;
	r = node_string(doc, "Version", NODE_REQUIRED, &v->engine_version, err);
	if (r < 0)
		return r;
	if (libpod || strcasestr(v->engine_name, "podman"))
		return error_set(err, -ENOTSUP,
				 "this is Podman (%.40s %.40s): quaywall governs the Docker Engine "
				 "alone",
				 v->engine_name, v->engine_version);
	return choose(doc, v, &v->api_version, err);
}

int version_read(const char *text, size_t len, bool libpod, struct version *ret, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	struct version v = {0};
	struct node doc;
	int r = node_parse("GET /version", -EPROTO, JSON_OBJECT, text, len, &json, &doc, err);

	if (r < 0)
		return r;
	r = read_version(&doc, libpod, &v, err);
	if (r < 0) {
		version_done(&v);
		return r;
	}
	*ret = v;
	return 0;
}

static int check_security(const struct node *doc, struct error *err)
{
	struct node list;
	int r = node_array(doc, "SecurityOptions", NODE_OPTIONAL, &list, err);

	for (size_t i = 0; r == 0 && i < node_len(&list); i++) {
		struct node item = node_item(&list, i);
		CLEANUP_FREE char *option = NULL;

		r = node_text(&item, &option, err);
		if (r == 0 && !strncmp(option, "name=rootless", strlen("name=rootless")))
			return error_set(err, -ENOTSUP,
					 "the engine is rootless: its networks live in a namespace "
					 "of its own, where the host's firewall sees nothing");
	}
	return r;
}

int version_read_info(const char *text, size_t len, char **ret_id, struct error *err)
{
	CLEANUP_JSON json_t *json = NULL;
	struct node doc;
	int r = node_parse("GET /info", -EPROTO, JSON_OBJECT, text, len, &json, &doc, err);

	if (r < 0)
		return r;
	r = check_security(&doc, err);
	return r < 0 ? r : node_string(&doc, "ID", NODE_REQUIRED, ret_id, err);
}
