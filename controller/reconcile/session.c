/*
 * session: whether a set of policies would cut the session of the administrator who brings it in force.
 *
 * A session with the host's own sshd is never refused, so it takes a container between: sshd in one, reached by a
 * published port, or a VPN or a jump host in one, from which the host is reached. Conntrack tells most exactly what a
 * session is. Without it (who is not root may not read it) SSH_CONNECTION has to do, which does not say by which
 * published port the container was reached.
 */
#include "quaywall/reconcile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/flow.h"
#include "quaywall/mem.h"
#include "cut.h"

#define SSH_PORT     22
#define WARNINGS_MAX 20

/* ---- SSH_CONNECTION ---- */

/* The next word of *AT, which goes behind it. */
static bool take_word(const char **at, char *ret, size_t size)
{
	size_t len;

	*at += strspn(*at, " ");
	len = strcspn(*at, " ");
	if (!len || len >= size)
		return false;
	memcpy(ret, *at, len);
	ret[len] = '\0';
	*at += len;
	return true;
}

static bool take_addr(const char **at, struct addr *ret)
{
	char word[ADDR_TEXT_SIZE + 32];

	if (!take_word(at, word, sizeof(word)))
		return false;
	word[strcspn(word, "%")] = '\0'; /* fe80::1%eth0 */
	return addr_parse(word, ret) == 0;
}

static bool take_port(const char **at, uint16_t *ret)
{
	char word[8], *end;
	unsigned long n;

	if (!take_word(at, word, sizeof(word)))
		return false;
	n = strtoul(word, &end, 10);
	*ret = (uint16_t)n;
	return !*end && n >= 1 && n <= UINT16_MAX;
}

bool reconcile_session_parse(const char *text, struct reconcile_session *ret)
{
	struct reconcile_session s;

	if (!text || !take_addr(&text, &s.client) || !take_port(&text, &s.client_port) ||
	    !take_addr(&text, &s.server) || !take_port(&text, &s.server_port))
		return false;
	if (text[strspn(text, " ")])
		return false;
	*ret = s;
	return true;
}

/* ---- judging ---- */

struct search {
	const struct compiled *c;
	const struct model *m;
	struct cut_view view;
	const struct reconcile_session *own;
	bool found_own; /* conntrack knows it */
	json_t *warnings;
};

static void add_end(struct buf *out, const struct model *m, const struct flow_end *end)
{
	char text[ADDR_TEXT_SIZE];
	size_t c = end->kind == END_ENDPOINT ? m->endpoints[end->endpoint].container : MODEL_NONE;

	if (c != MODEL_NONE)
		model_container_title(&m->containers[c], out);
	else if (end->kind == END_HOST)
		buf_str(out, "the host");
	else
		buf_str(out, addr_format(&end->addr, text));
}

/* "your SSH session from 192.0.2.2:40000 to shop/jump (shop-jump-1), 22/tcp by the host's port 2222, does not survive
 * these policies: shop isolates ingress and no rule allows it (shop.yaml:2)" */
static void add_warning(struct search *s, const struct flow *f, uint16_t client_port, bool own)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct verdict v;

	if (json_array_size(s->warnings) >= WARNINGS_MAX)
		return;
	compile_verdict(s->c, f, &v);
	buf_printf(&text, "%s from ", own ? "your SSH session" : "the SSH session");
	add_end(&text, s->m, &f->from);
	buf_printf(&text, ":%u to ", client_port);
	add_end(&text, s->m, &f->to);
	buf_printf(&text, ", %u/tcp", f->port);
	if (f->published)
		buf_printf(&text, " by the host's port %u", f->published_port);
	buf_str(&text, ", does not survive these policies: ");
	compile_consent_print(v.decided_by, v.decided_by == &v.egress, &text);
	json_array_append_new(s->warnings, reconcile_json_text(buf_text(&text)));
}

static bool is_own(const struct search *s, const struct flow_entry *e)
{
	const struct reconcile_session *own = s->own;

	/* By its client's end, which no translation on this host changes, and either of the server's. */
	return own && addr_equal(&e->orig_src, &own->client) && e->orig_sport == own->client_port &&
	       ((addr_equal(&e->reply_src, &own->server) && e->reply_sport == own->server_port) ||
		(addr_equal(&e->orig_dst, &own->server) && e->orig_dport == own->server_port));
}

/* Never true: nothing is to be cut here. */
static bool look_at(const struct flow_entry *e, void *data)
{
	struct search *s = data;
	bool own = e->protocol == IPPROTO_TCP && is_own(s, e);
	struct flow f;

	s->found_own |= own;
	if (!own && (e->protocol != IPPROTO_TCP || !e->established ||
		     (e->reply_sport != SSH_PORT && e->orig_dport != SSH_PORT)))
		return false;
	if (cut_judge(&s->view, e, &f))
		add_warning(s, &f, e->orig_sport, own);
	return false;
}

/* ---- without conntrack ---- */

static struct flow_entry entry_of(const struct reconcile_session *own)
{
	return (struct flow_entry) {
		.orig_src = own->client,
		.orig_dst = own->server,
		.reply_src = own->server,
		.reply_dst = own->client,
		.protocol = IPPROTO_TCP,
		.orig_sport = own->client_port,
		.orig_dport = own->server_port,
		.reply_sport = own->server_port,
		.reply_dport = own->client_port,
	};
}

/* Who runs in a container, or asks for one, may have come by any port that leads there, or straight. The session is
 * given up only where every way that may be it is refused; where there are ports, straight is none. */
static void judge_own(struct search *s)
{
	struct flow_entry e = entry_of(s->own);
	struct flow_end server = compile_end_of_addr(s->c, &s->own->server);
	size_t c = server.kind == END_ENDPOINT ? s->m->endpoints[server.endpoint].container
					       : MODEL_NONE;
	const struct model_container *container = c == MODEL_NONE ? NULL : &s->m->containers[c];
	bool is_published = false;
	struct flow f;

	for (size_t i = 0; container && i < container->nports; i++) {
		const struct model_port *p = &container->ports[i];

		if (p->protocol != IPPROTO_TCP || p->container_port != s->own->server_port)
			continue;
		e.dnat = is_published = true;
		e.orig_dport = p->host_port;
		if (!cut_judge(&s->view, &e, &f))
			return;
	}
	if (is_published || cut_judge(&s->view, &e, &f))
		add_warning(s, &f, s->own->client_port, true);
}

json_t *reconcile_session_warnings(const struct compiled *c, const struct model *m,
				   struct flow_table *flows, const struct reconcile_session *own)
{
	struct search s = {
		.c = c, .m = m, .view = cut_view_of(c, NULL), .own = own, .warnings = json_array()};
	CLEANUP_FLOW_LIST struct flow_list none = {NULL, 0, 0};

	if (flows)
		flow_find(flows, look_at, &s, &none, NULL);
	if (own && !s.found_own)
		judge_own(&s);
	return s.warnings;
}
