/*
 * Other programs' rules, and other engines.
 *
 * Of other tables only their base chains are known, not the rules. In nftables an accept ends its own base chain alone
 * and a drop is final, so filter chains of others, wherever they stand, never let pass what quaywall refuses: what can is
 * that a packet is changed, handed elsewhere or taken from conntrack first.
 */
#include "bypass.h"

#include <string.h>

#include "quaywall/mem.h"

#define CONNTRACK_PRIORITY (-200)

/* ---- nftables ---- */

static bool is_in(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

static bool is_own(const json_t *table)
{
	const char *family = posture_text(table, "family");

	return !strcmp(posture_text(table, "name"), QUAYWALL_TABLE) &&
	       (!strcmp(family, "inet") || !strcmp(family, "bridge"));
}

/* Those of the engine and of iptables, which it works by, and of two tools that stand beside it everywhere. */
static bool is_known(const json_t *table)
{
	static const char *const ip[] = {"filter",
					 "nat",
					 "raw",
					 "mangle",
					 "security",
					 "docker-bridges",
					 "docker-overlay",
					 "libvirt_network",
					 "firewalld",
					 NULL};
	static const char *const inet[] = {"firewalld", NULL};
	const char *family = posture_text(table, "family"), *name = posture_text(table, "name");

	if (!strcmp(family, "ip") || !strcmp(family, "ip6"))
		return is_in(name, ip);
	return !strcmp(family, "inet") && is_in(name, inet);
}

/* What a chain there could do to a packet before a policy sees it; NULL: nothing. */
static const char *effect_of(const json_t *table, const json_t *chain)
{
	const char *hook = posture_text(chain, "hook"), *type = posture_text(chain, "type");
	bool first = !strcmp(hook, "prerouting") || !strcmp(hook, "output");

	if (!strcmp(posture_text(table, "family"), "netdev") || !strcmp(hook, "ingress"))
		return "may hand packets to another device";
	if (first && !strcmp(type, "nat"))
		return "may change the destination";
	if (first && posture_number(chain, "priority") < CONNTRACK_PRIORITY)
		return "may take packets from conntrack, or change them";
	return NULL;
}

static void check_rules(const json_t *table, const char *subject, struct check_report *ret)
{
	const json_t *chains = json_object_get(table, "chains");
	CLEANUP_BUF struct buf found = BUF_INIT;

	for (size_t i = 0; i < json_array_size(chains); i++) {
		const json_t *c = json_array_get(chains, i);
		const char *effect = effect_of(table, c);

		if (effect)
			buf_printf(&found, "%schain %s (type %s, hook %s, priority %lld) %s",
				   found.len ? "; " : "", posture_text(c, "name"),
				   posture_text(c, "type"), posture_text(c, "hook"),
				   (long long)posture_number(c, "priority"), effect);
	}
	if (found.len)
		report_take(ret, "tool-rules", mem_strdup(subject),
			    mem_printf("%s; its rules were not read", buf_text(&found)),
			    mem_printf("look at what it does: nft list %s", subject));
}

static void check_flowtables(const json_t *table, const char *subject, struct check_report *ret)
{
	const json_t *list = json_object_get(table, "flowtables");
	CLEANUP_BUF struct buf names = BUF_INIT;

	for (size_t i = 0; i < json_array_size(list); i++)
		buf_printf(&names, "%s%s", i ? ", " : "",
			   json_is_string(json_array_get(list, i))
				   ? json_string_value(json_array_get(list, i))
				   : "?");
	if (names.len)
		report_take(ret, "tool-flowtable", mem_strdup(subject),
			    mem_printf("flowtable %s; which flows its rules add was not read",
				       buf_text(&names)),
			    mem_printf("let its rules leave out the engine's bridges: nft list %s",
				       subject));
}

static void check_tables(const struct check_input *in, struct check_report *ret)
{
	const json_t *list = posture_get(in->posture, "host", "nftables", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *table = json_array_get(list, i);

		if (is_own(table))
			continue;
		CLEANUP_FREE char *subject = mem_printf(
			"table %s %s", posture_text(table, "family"), posture_text(table, "name"));

		check_flowtables(table, subject, ret);
		if (!is_known(table))
			check_rules(table, subject, ret);
	}
}

/* ---- iptables of old ---- */

static bool has_iptables(const struct check_input *in)
{
	static const char *const names[] = {"filter", "nat", "raw", "mangle", "security", NULL};
	const json_t *list = posture_get(in->posture, "host", "nftables", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *table = json_array_get(list, i);
		const char *family = posture_text(table, "family");

		if ((!strcmp(family, "ip") || !strcmp(family, "ip6")) &&
		    is_in(posture_text(table, "name"), names))
			return true;
	}
	return false;
}

static void add_legacy(const json_t *list, const char *tool, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		buf_printf(out, "%s%s -t %s", out->len ? ", " : "", tool, name ? name : "?");
	}
}

/* On a host that has the old kind alone nothing is hidden. */
static void check_legacy(const struct check_input *in, struct check_report *ret)
{
	CLEANUP_BUF struct buf found = BUF_INIT;

	add_legacy(posture_get(in->posture, "host", "iptables_legacy", NULL), "iptables-legacy",
		   &found);
	add_legacy(posture_get(in->posture, "host", "ip6tables_legacy", NULL), "ip6tables-legacy",
		   &found);
	if (found.len && has_iptables(in))
		report_take(
			ret, "iptables-legacy", mem_strdup("host"),
			mem_printf("the kernel has tables of %s, and of iptables-nft",
				   buf_text(&found)),
			mem_strdup("move what iptables-legacy-save and ip6tables-legacy-save show "
				   "over to iptables-nft, and empty the old tables"));
}

/* ---- other engines ---- */

enum place { HERE, ANYWHERE };

struct other {
	const char *program; /* as /proc/PID/comm has it */
	enum place place;
	bool user; /* somebody else's than root */
	size_t expected;
	const char *what;
	size_t found;
};

static bool is_one(const struct other *o, const json_t *program)
{
	bool here = json_is_true(json_object_get(program, "here"));

	return !strcmp(posture_text(program, "program"), o->program) &&
	       (here || o->place == ANYWHERE) && (posture_number(program, "uid") != 0) == o->user;
}

static void tell_other(const struct other *o, struct check_report *ret)
{
	CLEANUP_FREE char *subject = mem_printf("%s%s", o->user ? "rootless " : "", o->program);
	CLEANUP_FREE char *evidence =
		mem_printf("%zu processes %s%s: %s", o->found, o->program,
			   o->place == HERE ? " in this network namespace" : "", o->what);

	check_report_add(ret, "engine-other", o->user ? CHECK_LOW : CHECK_MEDIUM, subject, evidence,
			 o->user ? "let only those start containers whom you would let use the "
				   "host's network unseen"
				 : "run its containers by the engine that quaywall follows, or on "
				   "another host");
}

static void check_others(const struct check_input *in, struct check_report *ret)
{
	static const char kubernetes[] = "Kubernetes starts pods here";
	struct other others[] = {
		{"dockerd", HERE, false, 1, "an engine more than the one that quaywall follows", 0},
		{"podman", HERE, false, 0, "Podman runs containers here", 0},
		{"crio", HERE, false, 0, kubernetes, 0},
		{"kubelet", HERE, false, 0, kubernetes, 0},
		{"k3s-server", HERE, false, 0, kubernetes, 0},
		{"k3s-agent", HERE, false, 0, kubernetes, 0},
		{"k0s", HERE, false, 0, kubernetes, 0},
		{"rke2", HERE, false, 0, kubernetes, 0},
		{"lxd", HERE, false, 0, "LXD runs containers and machines here", 0},
		{"incusd", HERE, false, 0, "Incus runs containers and machines here", 0},
		{"dockerd", ANYWHERE, true, 0, "its containers' packets are a user's process's", 0},
		{"podman", ANYWHERE, true, 0, "its containers' packets are a user's process's", 0},
	};
	const json_t *list = posture_get(in->posture, "host", "programs", NULL);

	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t o = 0; o < ARRAY_SIZE(others); o++)
			others[o].found += is_one(&others[o], json_array_get(list, i));
	for (size_t o = 0; o < ARRAY_SIZE(others); o++)
		if (others[o].found > others[o].expected)
			tell_other(&others[o], ret);
}

void bypass_tools(const struct check_input *in, struct check_report *ret)
{
	check_tables(in, ret);
	check_legacy(in, ret);
	check_others(in, ret);
}
