/*
 * api: who may tell the engine what to do. Whoever may is root on its host.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "exposure.h"
#include "quaywall/mem.h"

#define ATTACK_SURFACE "Docker: Docker daemon attack surface"

static const struct check checks[] = {
	{"api-no-authorization", "api", CHECK_INFO,
	 "whoever reaches the engine's API may do everything by it",
	 "The engine itself knows no rights: a plugin can refuse some requests, by user.",
	 "Docker: Access authorization plugin"},
	{"api-socket-group", "api", CHECK_LOW, "members of a group are root by the engine's socket",
	 "Whoever may write to the socket starts a privileged container.", ATTACK_SURFACE},
	{"api-socket-open", "api", CHECK_CRITICAL,
	 "every user of the host is root by the engine's socket",
	 "Whoever may write to the socket starts a privileged container.", ATTACK_SURFACE},
	{"api-tcp-open", "api", CHECK_CRITICAL, "the engine's API is served without TLS",
	 "Whoever reaches that port is root on the host, and scanners look for it all day.",
	 "Docker: Protect the Docker daemon socket"},
	{"api-tls-unverified", "api", CHECK_CRITICAL,
	 "the engine's API is served to clients without a certificate",
	 "TLS without tlsverify keeps others from listening, and nobody from being root.",
	 "Docker: Protect the Docker daemon socket"},
	{"registry-insecure", "api", CHECK_MEDIUM,
	 "images come from a registry that is not authenticated",
	 "Who is on the way to it gives this host other images, which it runs.",
	 "Docker: Daemon configuration, insecure registries"},
};

#define OF_TCP	  "api-tcp-open,api-tls-unverified"
#define OF_SOCKET "api-socket-group,api-socket-open"
#define OF_ENGINE "api-no-authorization,registry-insecure," OF_TCP

/* ---- addresses that it is served at ---- */

#define PLACES_MAX 64 /* a posture can claim any number */

struct place {
	char *addr; /* "0.0.0.0:2375" */
	bool tls;
	struct buf evidence;
};

struct places {
	struct place items[PLACES_MAX];
	size_t len;
};

static void places_done(struct places *p)
{
	for (size_t i = 0; i < p->len; i++) {
		free(p->items[i].addr);
		buf_done(&p->items[i].evidence);
	}
}

/* One that several sources tell of is one. */
static void add_place(struct places *p, const char *addr, size_t len, bool tls, const char *source)
{
	size_t i = 0;

	while (i < p->len &&
	       (strlen(p->items[i].addr) != len || memcmp(p->items[i].addr, addr, len) != 0))
		i++;
	if (i == PLACES_MAX)
		return;
	if (i == p->len)
		p->items[p->len++] = (struct place) {mem_strndup(addr, len), tls, {.data = NULL}};
	buf_printf(&p->items[i].evidence, "%s%s", p->items[i].evidence.len ? ", " : "", source);
}

/* The engine's own words, in /info: "API is accessible on http://0.0.0.0:2375 without encryption". */
static void add_warnings(const struct check_input *in, struct places *p)
{
	static const char before[] = "API is accessible on http",
			  source[] = "the engine warns of it (GET /info)";
	const json_t *list = posture_get(in->posture, "engine", "warnings", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		const char *at = text ? strstr(text, before) : NULL;
		bool tls;

		if (!at)
			continue;
		at += sizeof(before) - 1;
		tls = *at == 's';
		at += tls;
		if (!strncmp(at, "://", 3))
			add_place(p, at + 3, strcspn(at + 3, " "), tls, source);
	}
}

/* ---- how it was started ---- */

struct serving {
	struct places *places;
	bool tls, verifies;
	bool activated; /* systemd opens its sockets */
};

/* "tcp://0.0.0.0:2375"; without a scheme it is TCP, too. */
static void add_host(const char *value, struct serving *s)
{
	static const char tcp[] = "tcp://";

	s->activated |= !strncmp(value, "fd://", 5);
	if (!strncmp(value, tcp, sizeof(tcp) - 1))
		value += sizeof(tcp) - 1;
	else if (strstr(value, "://"))
		return;
	if (!s->verifies)
		add_place(s->places, value, strlen(value), s->tls, "dockerd's option hosts has it");
}

static bool is_port(const struct places *p, json_int_t port)
{
	for (size_t i = 0; i < p->len; i++) {
		const char *colon = strrchr(p->items[i].addr, ':');

		if (colon && strtoll(colon + 1, NULL, 10) == port)
			return true;
	}
	return false;
}

/* What systemd opened for it stands in no option of its own. */
static void add_activated(const struct check_input *in, const struct serving *s)
{
	const json_t *list = posture_get(in->posture, "host", "listening", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *l = json_array_get(list, i);
		const char *process = posture_text(l, "process"), *addr = posture_text(l, "addr");
		json_int_t port = posture_number(l, "port");

		if ((port != 2375 && port != 2376) ||
		    strcmp(posture_text(l, "protocol"), "tcp") != 0 ||
		    (strcmp(process, "dockerd") != 0 && strcmp(process, "systemd") != 0) ||
		    is_port(s->places, port))
			continue;
		CLEANUP_FREE char *at = mem_printf(strchr(addr, ':') ? "[%s]:%lld" : "%s:%lld",
						   addr, (long long)port);

		add_place(s->places, at, strlen(at), s->tls,
			  "it listens there, by socket activation");
	}
}

static void add_hosts(const json_t *list, struct serving *s)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_is_string(json_array_get(list, i)))
			add_host(json_string_value(json_array_get(list, i)), s);
}

static void add_started(const struct check_input *in, struct places *p, struct check_report *ret)
{
	const json_t *program = posture_engine_here(in->posture);
	int tls = posture_engine_switch(in->posture, "tls");
	int verify = posture_engine_switch(in->posture, "tlsverify");
	/* tlsverify switches TLS on, even where it is false. */
	struct serving s = {p, tls > 0 || verify >= 0, verify > 0, false};

	if (!program) {
		check_report_gap_of(
			ret, "api", OF_TCP,
			"the options that the engine was started with were not seen; it "
			"warns of what it serves itself, not of what systemd opens for it");
		return;
	}
	add_hosts(posture_get(program, "flags", "host", NULL), &s);
	add_hosts(posture_get(program, "config", "hosts", NULL), &s);
	if (s.activated && !s.verifies)
		add_activated(in, &s);
}

/* ---- TCP ---- */

/* Without an address the engine takes localhost. */
static bool is_on_loopback(const char *at)
{
	const char *colon = strrchr(at, ':');
	size_t len = colon ? (size_t)(colon - at) : strlen(at);
	bool brackets = *at == '[' && len > 1 && at[len - 1] == ']';
	CLEANUP_FREE char *host = mem_strndup(at + brackets, len - 2 * (size_t)brackets);
	struct addr a;

	if (!*host || !strcmp(host, "localhost"))
		return true;
	return addr_parse(host, &a) == 0 && addr_is_loopback(&a);
}

static void check_tcp(const struct check_input *in, struct check_report *ret)
{
	struct places p = {.len = 0};

	add_warnings(in, &p);
	add_started(in, &p, ret);
	for (size_t i = 0; i < p.len; i++) {
		const struct place *at = &p.items[i];
		bool near = is_on_loopback(at->addr);
		CLEANUP_FREE char *subject = mem_printf("tcp://%s", at->addr);
		CLEANUP_FREE char *evidence = mem_printf(
			"%s%s", buf_text(&at->evidence),
			near ? "; who runs anything on this host, or in its network, reaches it"
			     : "");

		check_report_add(ret, at->tls ? "api-tls-unverified" : "api-tcp-open",
				 near ? CHECK_HIGH : CHECK_CRITICAL, subject, evidence,
				 "take it out of dockerd's hosts (or docker.socket), and use "
				 "DOCKER_HOST=ssh://…; or set \"tlsverify\": true with tlscacert, "
				 "tlscert and tlskey");
	}
	places_done(&p);
}

/* ---- the socket ---- */

static char *list_names(const json_t *members)
{
	struct listing names = LISTING_INIT;

	for (size_t i = 0; i < json_array_size(members); i++) {
		const char *name = json_string_value(json_array_get(members, i));

		listing_add(&names, "%s", name ? name : "?");
	}
	return listing_steal(&names);
}

static void check_socket(const struct check_input *in, struct check_report *ret)
{
	const json_t *socket = posture_get(in->posture, "host", "socket", NULL);
	const json_t *members = json_object_get(socket, "members");
	const char *path = posture_text(socket, "path"), *group = posture_text(socket, "group");
	json_int_t mode = posture_number(socket, "mode");

	if (mode & 02)
		report_take(
			ret, "api-socket-open", mem_strdup(path),
			mem_printf("its mode is %04llo", (unsigned long long)(mode & 07777)),
			mem_printf("chmod 0660 %s, and SocketMode=0660 in docker.socket", path));
	if (!(mode & 020) || !json_array_size(members))
		return;
	CLEANUP_FREE char *names = list_names(members);

	report_take(ret, "api-socket-group", mem_strdup(path),
		    mem_printf("its mode is %04llo, its group %s (%lld) with %s (/etc/group, "
			       "/etc/passwd)",
			       (unsigned long long)(mode & 07777), group,
			       (long long)posture_number(socket, "gid"), names),
		    mem_printf("gpasswd -d USER %s, of each who is not meant to be root", group));
}

/* ---- authorization, registries ---- */

static void check_authorization(const json_t *engine, struct check_report *ret)
{
	if (json_array_size(json_object_get(engine, "authorization_plugins")))
		return;
	report_take(ret, "api-no-authorization", mem_strdup("engine"),
		    mem_strdup("GET /info has no Plugins.Authorization"),
		    mem_strdup("none, if all who reach the API are meant to be root; else "
			       "\"authorization-plugins\": [NAME]"));
}

static bool is_private(const struct prefix *p)
{
	struct addr_range r = prefix_range(p);

	return addr_is_private(&r.first) && addr_is_private(&r.last);
}

/* "registry.example:5000", "10.1.2.3:5000", "10.0.0.0/8" */
static void tell_registry(const char *name, struct check_report *ret)
{
	const char *colon = strchr(name, ':') == strrchr(name, ':') ? strchr(name, ':') : NULL;
	CLEANUP_FREE char *host = mem_strndup(name, colon ? (size_t)(colon - name) : strlen(name));
	struct prefix p;
	bool near = prefix_parse(host, &p) == 0 && is_private(&p);

	if (is_on_loopback(name) || (prefix_parse(host, &p) == 0 && addr_is_loopback(&p.addr)))
		return;
	CLEANUP_FREE char *subject =
		mem_printf("%s %s", strchr(name, '/') ? "registries in" : "registry", name);

	check_report_add(ret, "registry-insecure", near ? CHECK_LOW : CHECK_MEDIUM, subject,
			 "GET /info has it in RegistryConfig as insecure",
			 "give the registry a certificate, its authority into "
			 "/etc/docker/certs.d/HOST/ca.crt, and take it out of insecure-registries");
}

static void check_registries(const json_t *engine, struct check_report *ret)
{
	static const char *const keys[] = {"insecure_registries", "insecure_networks"};

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		const json_t *list = json_object_get(engine, keys[k]);

		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *name = json_string_value(json_array_get(list, i));

			if (name)
				tell_registry(name, ret);
		}
	}
}

/* ---- all ---- */

static void run(const struct check_input *in, struct check_report *ret)
{
	static const struct {
		const char *part, *ids;
	} parts[] = {
		{"engine", OF_ENGINE}, {"host", OF_TCP "," OF_SOCKET},
		{"programs", OF_TCP},  {"owners", OF_TCP},
		{"config", OF_TCP},    {"listening", OF_TCP},
		{"socket", OF_SOCKET},
	};
	const json_t *engine = posture_get(in->posture, "engine", NULL);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		posture_tell_gaps(in->posture, parts[i].part, "api", parts[i].ids, ret);
	check_tcp(in, ret);
	check_socket(in, ret);
	if (!json_is_object(engine))
		return;
	check_authorization(engine, ret);
	check_registries(engine, ret);
}

const struct check_group api_group = {"api", checks, ARRAY_SIZE(checks), run};
