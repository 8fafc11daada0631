#include "internal.h"

#include <net/if.h>
#include <stdlib.h>

#include "quaywall/mem.h"

#define EXPECT_FORM "{from: …, to: …, port: …, verdict: allow}"

void expect_done(struct policy_expect *e)
{
	peer_done(&e->from.peer);
	peer_done(&e->to.peer);
	free(e->from.interface);
	free(e->to.interface);
	free(e->ports);
}

static void read_verdict(struct policy_problems *p, const struct node *n, struct policy_expect *e)
{
	static const struct choice choices[] = {{"allow", 1}, {"deny", 0}, {NULL, 0}};
	const struct node *verdict = keys_require(p, n, "verdict", "allow or deny");
	int value;

	if (verdict && scalar_choice(p, verdict, "verdict", choices, &value))
		e->allow = value;
}

static void read_ports(struct policy_problems *p, const struct node *n, struct policy_expect *e)
{
	const struct node *port = keys_get(n, "port"), *publish = keys_get(n, "publish");

	if (publish && port)
		problem_error(p, &keys_node(n, "port")->where,
			      "\"port\" beside \"publish\" (expected one of them)");
	e->by_published_port = publish;
	if (publish)
		ports_read(p, publish, "publish", true, &e->ports, &e->nports);
	else if (port)
		ports_read(p, port, "port", false, &e->ports, &e->nports);
}

static bool may_have_interface(const struct policy_end *end)
{
	return end->set && end->peer.kind == PEER_CIDR && !end->interface;
}

/* `interface: NAME` of the whole entry belongs to the end that is an address. */
static void read_interface(struct policy_problems *p, const struct node *n, struct policy_expect *e)
{
	const struct node *interface = keys_get(n, "interface");
	if (!interface)
		return;

	char *name = scalar_words(p, interface, "interface", IFNAMSIZ - 1);
	bool from = may_have_interface(&e->from), to = may_have_interface(&e->to);
	if (from != to) {
		*(from ? &e->from.interface : &e->to.interface) = name;
		return;
	}
	free(name);
	if (from)
		problem_error(
			p, &keys_node(n, "interface")->where,
			"\"interface\" beside two addresses (expected {cidr: …, interface: …} for one)");
	else if (e->from.set && (e->to.set || e->by_published_port))
		problem_error(p, &keys_node(n, "interface")->where,
			      "\"interface\" beside no address (expected it for one outside)");
}

static struct policy_expect read_expect(struct reader *r, const struct node *n)
{
	static const char *const known[] = {"from",	 "to",	    "publish", "port",
					    "interface", "verdict", NULL};
	struct policy_expect e = {.where = n->where};
	const struct node *from = keys_require(r->problems, n, "from", "who begins the flow");
	const struct node *to = keys_get(n, "to");

	keys_check(r->problems, n, known);
	if (from)
		end_read(r, from, "from", &e.from);
	if (to)
		end_read(r, to, "to", &e.to);
	else if (!keys_get(n, "publish"))
		problem_error(r->problems, &n->where, "no \"to\" (expected \"to\" or \"publish\")");
	read_ports(r->problems, n, &e);
	read_interface(r->problems, n, &e);
	read_verdict(r->problems, n, &e);
	return e;
}

void expects_read(struct reader *r, const struct node *n)
{
	struct policy_document *doc = r->doc;

	if (!keys_is_list(r->problems, n, "expect", "a list of " EXPECT_FORM))
		return;
	for (size_t i = 0; i < n->nitems; i++) {
		if (!keys_is_mapping(r->problems, n->items[i], "expect", EXPECT_FORM))
			continue;
		struct policy_expect e = read_expect(r, n->items[i]);
		doc->expects = array_grow(doc->expects, doc->nexpects, sizeof(e));
		doc->expects[doc->nexpects++] = e;
	}
}
