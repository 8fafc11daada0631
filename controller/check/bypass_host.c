/*
 * Networks past the host's hooks, and what of the host and its engine changes what the rules see.
 */
#include "bypass.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- networks ---- */

struct count {
	size_t n, one; /* containers that run, and one of them */
};

/* By network. The caller frees it. */
static struct count *count_containers(const struct model *m)
{
	struct count *counts = mem_new(m->nnetworks, sizeof(*counts));

	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		if (e->container == MODEL_NONE || !m->containers[e->container].running)
			continue;
		counts[e->network].n++;
		counts[e->network].one = e->container;
	}
	return counts;
}

/* `host` is told by container, and `null` has no packets. */
static bool is_driver(const struct model_network *n, const char *name)
{
	return n->driver && !strcmp(n->driver, name);
}

static void tell_network(const struct model *m, const struct model_network *n,
			 const struct count *count, struct check_report *ret)
{
	bool overlay = model_network_is_overlay(n);
	CLEANUP_FREE char *subject = mem_printf("network %s", n->name);
	CLEANUP_BUF struct buf evidence = BUF_INIT;

	buf_printf(&evidence, "driver %s; %zu containers on it, ",
		   n->driver ? n->driver : "unknown", count->n);
	model_container_title(&m->containers[count->one], &evidence);
	buf_str(&evidence, " among them");
	check_report_add(
		ret, "network-ungoverned", overlay ? CHECK_LOW : CHECK_MEDIUM, subject,
		buf_text(&evidence),
		overlay ? "put only those on it that may say everything to one another: "
			  "more networks, with less on each"
			: "use a network of the driver bridge, or let a firewall of the LAN "
			  "decide");
}

void bypass_networks(const struct check_input *in, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	CLEANUP_FREE struct count *counts = count_containers(m);

	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		if (counts[i].n && !model_network_is_managed(n) && !is_driver(n, "host") &&
		    !is_driver(n, "null"))
			tell_network(m, n, &counts[i], ret);
	}
}

/* Whether a container runs on a network that is governed; with SIX: has an IPv6 address there. */
static bool has_governed(const struct model *m, bool six)
{
	for (size_t i = 0; i < m->nendpoints; i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		if (e->container != MODEL_NONE && m->containers[e->container].running &&
		    model_network_is_managed(&m->networks[e->network]) &&
		    (!six || addr_is_set(&e->addr6)))
			return true;
	}
	return false;
}

/* ---- switches ---- */

struct switches {
	const struct check_input *in;
	const struct model *m;
	const json_t *all; /* the posture's "sysctl" */
	struct check_report *ret;
};

static bool is_value(const struct switches *s, const char *name, const char *value)
{
	return !strcmp(posture_text(s->all, name), value);
}

/* "absent" is that the module is not loaded. */
static const char *value_of(const struct switches *s, const char *name)
{
	const char *text = posture_text(s->all, name);

	return *text ? text : "absent";
}

static bool is_off(const char *value)
{
	return !strcmp(value, "0") || !strcmp(value, "absent");
}

/* What is not as bad as that a policy is not enforced; NULL: it is. */
static const char *mild(const struct switches *s, bool four)
{
	if (!compile_enforces(s->in->compiled))
		return "; audit mode refuses nothing, and does not see them either";
	if (four && !has_governed(s->m, true))
		return "; no container has an IPv6 address but link-local ones";
	return NULL;
}

/* The daemon switches both on where it can, and `status` says where it cannot. */
static void check_bridge_filter(const struct switches *s)
{
	const char *four = value_of(s, "net/bridge/bridge-nf-call-iptables");
	const char *six = value_of(s, "net/bridge/bridge-nf-call-ip6tables");
	const char *but = mild(s, !is_off(four));

	if (!compile_needs_bridge_filter(s->in->compiled) || (!is_off(four) && !is_off(six)))
		return;
	CLEANUP_FREE char *evidence = mem_printf("net.bridge.bridge-nf-call-iptables is %s, "
						 "net.bridge.bridge-nf-call-ip6tables is %s%s",
						 four, six, but ? but : "");

	check_report_add(
		s->ret, "bridge-filter-off", but ? CHECK_MEDIUM : CHECK_HIGH, "host", evidence,
		"start the daemon, which switches both on ('quaywall status' says why not); "
		"where they are missing: modprobe br_netfilter");
}

static void check_forwarding(const struct switches *s)
{
	bool four = is_value(s, "net/ipv4/ip_forward", "0") && has_governed(s->m, false);
	bool six = is_value(s, "net/ipv6/conf/all/forwarding", "0") && has_governed(s->m, true);

	if (!four && !six)
		return;
	report_take(s->ret, "forwarding-off", mem_strdup("host"),
		    mem_printf("%s%s%s", four ? "net.ipv4.ip_forward is 0" : "",
			       four && six ? ", " : "",
			       six ? "net.ipv6.conf.all.forwarding is 0" : ""),
		    mem_strdup(four ? "sysctl -w net.ipv4.ip_forward=1, and in /etc/sysctl.d"
				    : "sysctl -w net.ipv6.conf.all.forwarding=1, and in "
				      "/etc/sysctl.d"));
}

/* The interface of "net/ipv4/conf/NAME/route_localnet"; the caller frees it. NULL: it is another switch. */
static char *localnet_of(const char *name)
{
	static const char before[] = "net/ipv4/conf/", behind[] = "/route_localnet";
	size_t len = strlen(name), around = sizeof(before) - 1 + sizeof(behind) - 1;

	if (len <= around || strncmp(name, before, sizeof(before) - 1) != 0 ||
	    strcmp(name + len - (sizeof(behind) - 1), behind) != 0)
		return NULL;
	return mem_strndup(name + sizeof(before) - 1, len - around);
}

static bool is_bridge(const struct switches *s, const char *name)
{
	const json_t *list = posture_get(s->in->posture, "host", "interfaces", NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *link = json_array_get(list, i);

		if (!strcmp(posture_text(link, "name"), name))
			return !strcmp(posture_text(link, "kind"), "bridge");
	}
	return false;
}

/* On the engine's bridges its `userland-proxy: false` does it, and only containers send there. */
static void check_localnet(const struct switches *s)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	bool outside = false;
	const char *name;
	json_t *value;

	/* The rule for 127.0.0.0/8 comes before. */
	if (compile_enforces(s->in->compiled))
		return;
	json_object_foreach((json_t *)s->all, name, value) {
		CLEANUP_FREE char *interface = localnet_of(name);

		if (!interface || !strcmp(interface, "lo") || !json_is_string(value) ||
		    is_off(json_string_value(value)))
			continue;
		buf_printf(&names, "%s%s", names.len ? ", " : "", interface);
		outside |= !is_bridge(s, interface);
	}
	if (!names.len)
		return;
	CLEANUP_FREE char *evidence = mem_printf(
		"net.ipv4.conf.*.route_localnet is on for %s; no policy or default enforces, so "
		"quaywall's own rule for 127.0.0.0/8 is not there",
		buf_text(&names));

	check_report_add(
		s->ret, "route-localnet", outside ? CHECK_HIGH : CHECK_MEDIUM, "host", evidence,
		"enforce a policy (any: the rule comes with it), or switch it off; for the "
		"engine's bridges remove `userland-proxy: false` from its configuration");
}

static void check_switches(const struct check_input *in, struct check_report *ret)
{
	struct switches s = {.in = in,
			     .m = compile_model(in->compiled),
			     .all = posture_get(in->posture, "host", "sysctl", NULL),
			     .ret = ret};

	/* Every kernel has that one. */
	if (!*posture_text(s.all, "net/ipv4/ip_forward")) {
		check_report_gap_of(ret, "bypass", BYPASS_OF_SWITCHES,
				    "the kernel's switches (/proc/sys/net) were not read");
		return;
	}
	check_bridge_filter(&s);
	check_forwarding(&s);
	check_localnet(&s);
}

/* ---- the engine's own firewall ---- */

#define FIREWALL_REMEDY \
	"remove \"iptables\": false from the engine's configuration; or let defaults: {containers: deny, publish: deny} refuse what no policy allows"

/* Before 27 it makes none for IPv6 unless it is told to. */
static void check_ip6tables(const struct check_input *in, struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	int on = posture_engine_switch(in->posture, "ip6tables");

	if (!has_governed(m, true) || on > 0 || (on < 0 && !engine_is_before(m, 27)))
		return;
	check_report_add(
		ret, "engine-firewall-off", on == 0 ? CHECK_HIGH : CHECK_MEDIUM, "engine",
		on == 0 ? "dockerd's ip6tables is false, and containers have IPv6 addresses"
			: "dockerd's ip6tables is not set, which is off before 27, and "
			  "containers have IPv6 addresses",
		"set \"ip6tables\": true in the engine's configuration (before 27 with "
		"\"experimental\": true); or isolate the containers for ingress by policies");
}

static void check_engine(const struct check_input *in, struct check_report *ret)
{
	const char *forward = posture_text(posture_get(in->posture, "host", "sysctl", NULL),
					   "net/ipv4/ip_forward");

	if (posture_engine_switch(in->posture, "iptables") != 0) {
		check_ip6tables(in, ret);
		return;
	}
	report_take(ret, "engine-firewall-off", mem_strdup("engine"),
		    mem_printf("dockerd's iptables is false%s",
			       !strcmp(forward, "1") ? ", and net.ipv4.ip_forward is 1" : ""),
		    mem_strdup(FIREWALL_REMEDY));
}

static bool is_whole(const json_t *posture, const char *part)
{
	const json_t *gaps = json_object_get(posture, "gaps");

	for (size_t i = 0; i < json_array_size(gaps); i++)
		if (!strcmp(posture_text(json_array_get(gaps, i), "part"), part))
			return false;
	return true;
}

/* Whether there is none of the tables in which engines have their rules for IPv4, whatever they make them by. */
static bool has_no_tables(const struct check_input *in)
{
	static const char *const names[] = {"filter", "nat", "docker-bridges"};
	const json_t *list = posture_get(in->posture, "host", "nftables", NULL);
	const json_t *legacy = posture_get(in->posture, "host", "iptables_legacy", NULL);

	if (!json_is_array(list) || !json_is_array(legacy) || json_array_size(legacy) ||
	    !is_whole(in->posture, "nftables") || !is_whole(in->posture, "iptables"))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t n = 0; n < ARRAY_SIZE(names); n++)
			if (!strcmp(posture_text(json_array_get(list, i), "family"), "ip") &&
			    !strcmp(posture_text(json_array_get(list, i), "name"), names[n]))
				return false;
	return true;
}

/* Its options are hidden from a daemon that is confined; that it has no rules at all shows. */
static void check_hidden_engine(const struct check_input *in, struct check_report *ret)
{
	if (has_no_tables(in) && has_governed(compile_model(in->compiled), false))
		report_take(ret, "engine-firewall-off", mem_strdup("engine"),
			    mem_strdup("neither nftables nor iptables of old has a table that it "
				       "could have its rules in"),
			    mem_strdup(FIREWALL_REMEDY));
	else
		check_report_gap_of(ret, "bypass", "engine-firewall-off",
				    "the options that the engine was started with were not seen");
}

void bypass_host(const struct check_input *in, struct check_report *ret)
{
	check_switches(in, ret);
	if (posture_engine_here(in->posture))
		check_engine(in, ret);
	else
		check_hidden_engine(in, ret);
}
