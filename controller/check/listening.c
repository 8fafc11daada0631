/*
 * listening: what containers listen on that use the host's own network: no port is published there, and no policy
 * governs who comes from outside. What the host's own firewall refuses is not known here.
 */
#include "exposure.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"
#include "quaywall/protocol.h"

#define ADDRS_TOLD 8

struct socket {
	size_t container; /* MODEL_NONE: not known to be one's */
	uint8_t protocol;
	uint16_t port;
	struct addr addr;
	const char *interface; /* the only one, or "" */
	const char *process;   /* or "" */
};

struct sockets {
	struct socket *items;
	size_t len, cap;
};

/* ---- reading ---- */

/* 127.0.0.1 may also be written so that it goes with IPv6 sockets. */
static void unmap(struct addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct addr plain = {.family = AF_INET};

	if (a->family != AF_INET6 || memcmp(a->bytes, mapped, sizeof(mapped)) != 0)
		return;
	memcpy(plain.bytes, a->bytes + sizeof(mapped), addr_size(AF_INET));
	*a = plain;
}

static bool read_socket(const json_t *object, struct socket *ret)
{
	const char *protocol = posture_text(object, "protocol");
	uint8_t number = 0;
	json_int_t port = json_integer_value(json_object_get(object, "port"));

	if (!protocol_parse(protocol, strlen(protocol), &number) ||
	    (number != IPPROTO_TCP && number != IPPROTO_UDP) || port < 1 || port > 65535)
		return false;
	*ret = (struct socket) {
		.container = MODEL_NONE,
		.protocol = number,
		.port = (uint16_t)port,
		.interface = posture_text(object, "interface"),
		.process = posture_text(object, "process"),
	};
	if (addr_parse(posture_text(object, "addr"), &ret->addr) < 0)
		return false;
	unmap(&ret->addr);
	return true;
}

struct range {
	unsigned first, last;
};

/* The ports that a client gets that asks for none. */
static struct range read_range(const json_t *posture)
{
	const json_t *sysctls = posture_get(posture, "host", "sysctl", NULL);
	struct range r;

	if (sscanf(posture_text(sysctls, "net/ipv4/ip_local_port_range"), "%5u %5u", &r.first,
		   &r.last) != 2)
		r = (struct range) {32768, 60999};
	return r;
}

/* A client's UDP socket looks like a server's. */
static bool is_reached(const struct socket *s, const struct range *clients)
{
	if (addr_is_loopback(&s->addr) || !strcmp(s->interface, "lo"))
		return false;
	return s->protocol != IPPROTO_UDP || s->port < clients->first || s->port > clients->last;
}

/* By container, port and address. */
static int compare(const void *a, const void *b)
{
	const struct socket *x = a, *y = b;

	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return addr_compare(&x->addr, &y->addr);
}

/* Returns how many may be anybody's. */
static size_t read_all(const struct check_input *in, const json_t *list, struct sockets *ret)
{
	const struct model *m = compile_model(in->compiled);
	struct range clients = read_range(in->posture);
	size_t unknown = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *object = json_array_get(list, i);
		const json_t *container = json_object_get(object, "container");
		struct socket s;

		if (!read_socket(object, &s) || !is_reached(&s, &clients))
			continue;
		unknown += !container;
		if (json_is_string(container))
			s.container = model_find_container(m, json_string_value(container));
		if (s.container != MODEL_NONE && m->containers[s.container].running)
			MEM_PUSH(ret, s);
	}
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), compare);
	return unknown;
}

/* ---- telling ---- */

/* Sockets of one container and port. */
struct group {
	const struct socket *items;
	size_t len;
};

static bool is_near(const struct group *g)
{
	for (size_t i = 0; i < g->len; i++)
		if (!addr_is_private(&g->items[i].addr))
			return false;
	return true;
}

static enum check_severity severity_of(const struct group *g, const struct service *s)
{
	if (is_near(g))
		return s ? CHECK_MEDIUM : CHECK_LOW;
	return s ? s->severity : CHECK_MEDIUM;
}

static void add_addr(const struct model *m, const struct socket *s, struct buf *out)
{
	char text[ADDR_TEXT_SIZE];

	buf_str(out, addr_format(&s->addr, text));
	if (*s->interface)
		buf_printf(out, " by %s alone", s->interface);
	if (addr_is_unspecified(&s->addr))
		exposure_add_public_addrs(m, s->addr.family, out);
}

static char *evidence_of(const struct model *m, const struct group *g, const struct service *s)
{
	const char *protocol = protocol_name(g->items->protocol);
	struct buf out = BUF_INIT;
	size_t told = 0;

	if (s)
		buf_printf(&out, "%u/%s is %s's: %s (%s); ", s->port, protocol, s->name, s->what,
			   s->source);
	buf_str(&out, "listens on ");
	for (size_t i = 0; i < g->len && told < ADDRS_TOLD; i++) {
		if (i && addr_equal(&g->items[i].addr, &g->items[i - 1].addr))
			continue;
		buf_str(&out, told++ ? " and " : "");
		add_addr(m, &g->items[i], &out);
	}
	buf_printf(&out, ", port %u/%s%s%s (the host's sockets)", g->items->port, protocol,
		   *g->items->process ? ", process " : "", g->items->process);
	return buf_steal(&out);
}

static void tell(const struct model *m, const struct group *g, struct check_report *ret)
{
	const struct service *s = service_find(g->items->protocol, g->items->port);
	const char *protocol = protocol_name(g->items->protocol);
	CLEANUP_BUF struct buf subject = BUF_INIT;
	CLEANUP_FREE char *evidence = evidence_of(m, g, s);
	CLEANUP_FREE char *remedy = mem_printf(
		"take it off the host's network and publish %u/%s, so that policies govern it; or "
		"bind it to 127.0.0.1; or let only who needs it in by the host's own firewall",
		g->items->port, protocol);

	model_container_title(&m->containers[g->items->container], &subject);
	buf_printf(&subject, " %u/%s", g->items->port, protocol);
	check_report_add(ret, "host-network-listens", severity_of(g, s), buf_text(&subject),
			 evidence, remedy);
}

static void tell_all(const struct model *m, const struct sockets *s, struct check_report *ret)
{
	for (size_t i = 0, n; i < s->len; i += n) {
		const struct socket *first = &s->items[i];

		for (n = 1; i + n < s->len && first[n].container == first->container &&
			    first[n].port == first->port && first[n].protocol == first->protocol;)
			n++;
		tell(m, &(struct group) {first, n}, ret);
	}
}

/* ---- all of it ---- */

static bool has_host_network(const struct model *m)
{
	for (size_t i = 0; i < m->ncontainers; i++)
		if (m->containers[i].running && !strcmp(m->containers[i].network_mode, "host"))
			return true;
	return false;
}

/* Why the posture does not hold all sockets, or NULL. */
static const char *cut_short(const json_t *posture)
{
	const json_t *gaps = json_object_get(posture, "gaps");

	for (size_t i = 0; i < json_array_size(gaps); i++)
		if (!strcmp(posture_text(json_array_get(gaps, i), "part"), "listening"))
			return posture_text(json_array_get(gaps, i), "why");
	return NULL;
}

static void tell_gap(const struct check_input *in, const json_t *list, size_t unknown,
		     struct check_report *ret)
{
	const char *cut = json_is_array(list) ? cut_short(in->posture) : "the host was not read";
	CLEANUP_FREE char *why =
		cut ? mem_printf("what containers of the host's network listen on: %s", cut)
		    : mem_printf("whether containers of the host's network listen there: whose %zu "
				 "of the host's ports are was not seen",
				 unknown);

	if (cut || unknown)
		check_report_gap_of(ret, "exposure", "host-network-listens", why);
}

void listening_run(const struct check_input *in, struct check_report *ret)
{
	const json_t *list = posture_get(in->posture, "host", "listening", NULL);
	const struct model *m = compile_model(in->compiled);
	struct sockets s = {NULL, 0, 0};
	size_t unknown = read_all(in, list, &s);

	tell_all(m, &s, ret);
	if (has_host_network(m))
		tell_gap(in, list, unknown, ret);
	free(s.items);
}
