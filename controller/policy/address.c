#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define DOCKER_FORMS "unix:///PATH or tcp://HOST:PORT"

static bool is_port(const char *text)
{
	uint32_t port;
	return number_parse(text, strlen(text), UINT16_MAX, &port) == 0 && port > 0;
}

/* HOST:PORT with the host as a name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || !is_port(colon + 1))
		return false;

	char *host CLEANUP_FREE = mem_strndup(text, (size_t)(colon - text));
	size_t len = strlen(host);
	struct addr addr;
	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return false;
		host[len - 1] = '\0';
		return addr_parse(host + 1, &addr) == 0 && addr.family == AF_INET6;
	}
	return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
	       len;
}

static const char *skip_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static void read_url(struct policy_problems *p, const struct node *n, struct settings *s)
{
	char word[CLIP_SIZE];
	char *url CLEANUP_FREE = NULL;

	if (!keys_is_text(p, n, "docker", DOCKER_FORMS))
		return;
	url = scalar_words(p, n, "docker", 4096);
	if (!url)
		return;
	const char *path = skip_prefix(url, "unix://"), *host = skip_prefix(url, "tcp://");
	if (!(path && path[0] == '/') && !(host && is_host_port(host))) {
		problem_error(p, &n->where, "\"docker\" is \"%s\" (expected " DOCKER_FORMS ")",
			      clip(url, word));
		return;
	}
	free(s->docker);
	s->docker = mem_strdup(url);
}

static void read_tls(struct policy_problems *p, const struct node *n, struct settings *s)
{
	static const char *const known[] = {"ca", "cert", "key", NULL};
	const char *form = "{ca: FILE, cert: FILE, key: FILE}";

	if (!keys_is_mapping(p, n, "tls", form))
		return;
	keys_check(p, n, known);
	path_read(p, n, "ca", s->file, &s->tls_ca);
	path_read(p, n, "cert", s->file, &s->tls_cert);
	path_read(p, n, "key", s->file, &s->tls_key);
	if (!keys_get(n, "ca"))
		problem_error(p, &n->where, "\"tls\" without \"ca\" (expected %s)", form);
	if (!keys_get(n, "cert") != !keys_get(n, "key"))
		problem_error(p, &n->where,
			      "\"tls\" with one of \"cert\" and \"key\" (expected both or none)");
}

void docker_read(struct policy_problems *p, const struct node *root, struct settings *s)
{
	static const char *const known[] = {"url", "tls", NULL};
	const struct node *docker = keys_get(root, "docker"), *tls = keys_get(root, "tls");

	if (docker && docker->kind == NODE_MAPPING) {
		const struct node *inner = keys_get(docker, "tls");
		const struct node *url = keys_require(p, docker, "url", DOCKER_FORMS);
		keys_check(p, docker, known);
		if (inner && tls)
			problem_error(p, &keys_node(docker, "tls")->where,
				      "a second \"tls\" (expected one, here or beside \"docker\")");
		tls = inner ? inner : tls;
		docker = url;
	}
	if (docker)
		read_url(p, docker, s);
	if (!tls)
		return;
	read_tls(p, tls, s);
	if (!skip_prefix(s->docker, "tcp://"))
		problem_error(p, &tls->where,
			      "\"tls\" for a unix socket (expected docker: tcp://HOST:PORT)");
}

/* "/etc/quaywall/" of "/etc/quaywall/quaywall.yaml". */
static int folder_len(const char *file)
{
	const char *slash = strrchr(file, '/');
	return slash ? (int)(slash - file + 1) : 0;
}

char *path_of(const char *text, const char *file)
{
	return text[0] == '/' ? mem_strdup(text)
			      : mem_printf("%.*s%s", folder_len(file), file, text);
}

void path_read(struct policy_problems *p, const struct node *map, const char *key, const char *file,
	       char **ret)
{
	const struct node *n = keys_get(map, key);
	if (!n || !keys_is_text(p, n, key, "a path"))
		return;

	char *path CLEANUP_FREE = scalar_words(p, n, key, 4096);
	if (!path)
		return;
	free(*ret);
	*ret = path_of(path, file);
}

/* Of "127.0.0.1:9469" or "[::1]:9469". */
static bool is_loopback(const char *text)
{
	static const struct prefix loopback4 = {{AF_INET, {127}}, 8};
	static const struct prefix loopback6 = {{AF_INET6, {[15] = 1}}, 128};
	bool brackets = text[0] == '[';
	const char *end = strchr(text, brackets ? ']' : ':');
	CLEANUP_FREE char *host = NULL;
	struct addr a;

	if (!end)
		return false;
	host = mem_strndup(text + brackets, (size_t)(end - text) - brackets);
	return addr_parse(host, &a) == 0 &&
	       (prefix_contains(&loopback4, &a) || prefix_contains(&loopback6, &a));
}

char *listen_read(struct policy_problems *p, const struct node *n)
{
	const char *forms = "ADDRESS:PORT or unix:PATH";
	char word[CLIP_SIZE];

	if (!keys_is_text(p, n, "listen", forms))
		return NULL;
	char *text = scalar_words(p, n, "listen", 4096);
	if (!text)
		return NULL;
	const char *path = skip_prefix(text, "unix:");
	bool form = path ? path[0] == '/' : is_host_port(text);
	if (path ? form : form && is_loopback(text))
		return text;
	if (form)
		problem_error(p, &n->where,
			      "\"listen\" is \"%s\", which is no loopback address (expected "
			      "127.0.0.1:PORT, [::1]:PORT or unix:PATH)",
			      clip(text, word));
	else
		problem_error(p, &n->where, "\"listen\" is \"%s\" (expected %s)", clip(text, word),
			      forms);
	free(text);
	return NULL;
}
