/*
 * overlay: what goes over the wire for Swarm's networks, and who can send it.
 *
 * `encrypted` is a wish: the engine logs it where it fails, and goes on. So what counts is what the kernel has, and what was
 * seen on the wire.
 */
#include "internal.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/addr.h"
#include "quaywall/mem.h"

#define MOBY "moby: libnetwork/drivers/overlay"

static const struct check checks[] = {
	{"overlay-cleartext", "overlay", CHECK_CRITICAL,
	 "clear text of an encrypted network was on the wire",
	 "Who sees the wire reads it, and who can send to the host is in the network.",
	 "CVE-2023-28840, CVE-2023-28841, CVE-2023-28842"},
	{"overlay-no-guard", "overlay", CHECK_MEDIUM,
	 "nothing but the engine's own rules keeps an encrypted network from clear text",
	 "A flush or firewalld's reload takes the engine's rules away, and it does not put them back.",
	 MOBY},
	{"overlay-no-ipsec", "overlay", CHECK_CRITICAL,
	 "a network that is declared encrypted has no IPsec to a peer",
	 "The engine only logs that it failed, and the network looks healthy.", MOBY},
	{"overlay-port-open", "overlay", CHECK_MEDIUM,
	 "the VXLAN port takes datagrams from anybody",
	 "Who sends one with a network's identifier is in that network: VXLAN knows no one.", NULL},
	{"overlay-strangers", "overlay", CHECK_HIGH, "VXLAN came from a host that is no peer",
	 "Somebody sends into a network, or a peer's address is not what the swarm advertises.",
	 NULL},
	{"overlay-swarm-ports", "overlay", CHECK_MEDIUM,
	 "the swarm's own ports listen on every address",
	 "Only nodes of the swarm have business there; every other host has what it takes to attack them.",
	 NULL},
	{"overlay-unencrypted", "overlay", CHECK_LOW, "a network between hosts is not encrypted",
	 "What its containers say to each other can be read and changed on the wire.", NULL},
};

/* ---- addresses ---- */

static bool is_public(const struct addr *a)
{
	static const struct prefix local[] = {
		{{AF_INET, {10}}, 8},	       {{AF_INET, {172, 16}}, 12},
		{{AF_INET, {192, 168}}, 16},   {{AF_INET, {169, 254}}, 16},
		{{AF_INET, {127}}, 8},	       {{AF_INET, {100, 64}}, 10},
		{{AF_INET6, {0xfc}}, 7},       {{AF_INET6, {0xfe, 0x80}}, 10},
		{{AF_INET6, {[15] = 1}}, 128},
	};

	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		if (prefix_contains(&local[i], a))
			return false;
	return true;
}

static const struct model_interface *interface_with(const struct model *m, const struct addr *a)
{
	for (size_t i = 0; i < m->ninterfaces; i++)
		for (size_t n = 0; n < m->interfaces[i].naddrs; n++)
			if (addr_equal(&m->interfaces[i].addrs[n].addr, a))
				return &m->interfaces[i];
	return NULL;
}

/* This host's own among N's peers, which its datagrams come from; NULL where it is none, or not known. */
static const struct addr *own_peer(const struct model *m, const struct model_network *n)
{
	for (size_t i = 0; i < n->npeers; i++)
		if (interface_with(m, &n->peers[i]))
			return &n->peers[i];
	return NULL;
}

static bool is_own(const struct model *m, const struct addr *a)
{
	return interface_with(m, a) != NULL;
}

/* "eth0 (192.0.2.1)" */
static char *carrier(const struct model *m, const struct model_network *n)
{
	const struct addr *own = own_peer(m, n);
	char text[ADDR_TEXT_SIZE];

	return own ? mem_printf("%s (%s)", interface_with(m, own)->name, addr_format(own, text))
		   : mem_strdup("an interface that is not known");
}

static char *subject_of(const struct model_network *n)
{
	return mem_printf("network %s", n->name);
}

/* Has N peers beside this host? */
static bool has_others(const struct model *m, const struct model_network *n)
{
	for (size_t i = 0; i < n->npeers; i++)
		if (!is_own(m, &n->peers[i]))
			return true;
	return false;
}

/* ---- IPsec, as the kernel has it ---- */

static bool has_text(const json_t *object, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];

	return !strcmp(posture_text(object, key), addr_format(a, text));
}

/* A policy that makes this host encrypt what it sends to PEER, or NULL. */
static const json_t *policy_to(const json_t *xfrm, const struct addr *peer)
{
	const json_t *list = json_object_get(xfrm, "policies");
	struct prefix host = {*peer, (uint8_t)(8 * addr_size(peer->family))};
	char text[ADDR_TEXT_SIZE];

	prefix_format(&host, text);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);

		if (!strcmp(posture_text(p, "dir"), "out") &&
		    !strcmp(posture_text(p, "dst"), text) &&
		    json_array_size(json_object_get(p, "templates")) > 0)
			return p;
	}
	return NULL;
}

/* `cipher_null`, and authentication alone, encrypt nothing. */
static bool encrypts(const json_t *state)
{
	const char *cipher = posture_text(state, "cipher");

	return posture_number(state, "protocol") == IPPROTO_ESP &&
	       (*posture_text(state, "aead") || (*cipher && !strstr(cipher, "null")));
}

/* The state that a policy's template leads to, if it encrypts. */
static bool has_state(const json_t *xfrm, const json_t *policy)
{
	const json_t *t = json_array_get(json_object_get(policy, "templates"), 0);
	const json_t *list = json_object_get(xfrm, "states");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);

		if (encrypts(s) && !strcmp(posture_text(s, "dst"), posture_text(t, "dst")) &&
		    posture_number(s, "reqid") == posture_number(t, "reqid") &&
		    (!posture_number(t, "spi") ||
		     posture_number(s, "spi") == posture_number(t, "spi")))
			return true;
	}
	return false;
}

static bool has_state_from(const json_t *xfrm, const struct addr *peer)
{
	const json_t *list = json_object_get(xfrm, "states");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);

		if (encrypts(s) && has_text(s, "src", peer))
			return true;
	}
	return false;
}

/* What is missing of IPsec between this host and PEER, or NULL. */
static const char *missing(const json_t *xfrm, const struct addr *peer)
{
	const json_t *policy = policy_to(xfrm, peer);

	if (!policy)
		return "no policy for what is sent to it: that goes in clear text, if it goes";
	if (!has_state(xfrm, policy))
		return "a policy, and no state with a cipher: nothing can be sent";
	if (!has_state_from(xfrm, peer))
		return "no state with a cipher for what comes from it";
	return NULL;
}

/* Only where the network's device is: elsewhere nothing of it is sent. */
static bool is_here(const json_t *overlay, const struct model_network *n)
{
	const json_t *list = json_object_get(overlay, "vxlan");

	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t v = 0; v < n->nvnis; v++)
			if (posture_number(json_array_get(list, i), "vni") == n->vnis[v])
				return true;
	return false;
}

static void check_ipsec(const struct model *m, const struct model_network *n, const json_t *overlay,
			struct check_report *ret)
{
	const json_t *xfrm = json_object_get(overlay, "xfrm");

	if (!is_here(overlay, n))
		return;
	for (size_t i = 0; i < n->npeers; i++) {
		const char *what = is_own(m, &n->peers[i]) ? NULL : missing(xfrm, &n->peers[i]);
		char text[ADDR_TEXT_SIZE];

		if (!what)
			continue;
		report_take(
			ret, "overlay-no-ipsec", subject_of(n),
			mem_printf("peer %s: %s (XFRM policies and states of the kernel)",
				   addr_format(&n->peers[i], text), what),
			mem_strdup(
				"look for 'xfrm' in the engine's log; the kernel needs "
				"xfrm_user, esp4 and rfc4106(gcm(aes)); restart the engine; and set "
				"overlay: {plaintext: deny-encrypted}"));
	}
}

/* ---- what was seen ---- */

static bool is_count(const json_t *t, const char *kind, const char *way)
{
	return !strcmp(posture_text(t, "kind"), kind) &&
	       (!way || !strcmp(posture_text(t, "way"), way)) && posture_number(t, "packets") > 0;
}

static char *seen_text(const json_t *t, time_t now)
{
	json_int_t last = posture_number(t, "last");
	json_int_t ago = last > 0 && last < now ? (json_int_t)now - last : 0;

	return mem_printf("%lld datagrams (%lld bytes) of VNI %lld %s %s, the last one %lld s ago "
			  "(counted by quaywall's own rules)",
			  (long long)posture_number(t, "packets"),
			  (long long)posture_number(t, "bytes"),
			  (long long)posture_number(t, "vni"),
			  strcmp(posture_text(t, "way"), "in") ? "to" : "from",
			  posture_text(t, "peer"), (long long)ago);
}

static void check_cleartext(const struct check_input *in, const struct model_network *n,
			    const json_t *t, struct check_report *ret)
{
	bool refused = compile_settings(in->compiled)->plaintext != PLAINTEXT_ALERT;
	CLEANUP_FREE char *subject = subject_of(n);
	CLEANUP_FREE char *seen = seen_text(t, in->now);
	CLEANUP_FREE char *evidence =
		mem_printf("%s%s", seen, refused ? "; refused by overlay.plaintext" : "");

	check_report_add(
		ret, "overlay-cleartext", refused ? CHECK_MEDIUM : CHECK_CRITICAL, subject,
		evidence,
		refused ? "restart the engine of the host that sends, so that it makes its "
			  "rules and IPsec anew"
			: "set overlay: {plaintext: deny-encrypted}; then restart the engine, "
			  "so that it makes its rules and IPsec anew");
}

static void check_stranger(const struct check_input *in, const struct model_network *n,
			   const json_t *t, struct check_report *ret)
{
	bool refused = compile_settings(in->compiled)->deny_strangers;
	CLEANUP_FREE char *subject = subject_of(n);
	CLEANUP_FREE char *seen = seen_text(t, in->now);
	CLEANUP_FREE char *evidence =
		mem_printf("%s%s", seen, refused ? "; refused by overlay.strangers" : "");

	check_report_add(ret, "overlay-strangers", refused ? CHECK_MEDIUM : CHECK_HIGH, subject,
			 evidence,
			 refused ? "find out who that is, or filter it at the network's border"
				 : "set overlay: {strangers: deny}, unless the swarm has a "
				   "--data-path-addr");
}

static void check_seen(const struct check_input *in, const json_t *overlay,
		       struct check_report *ret)
{
	const json_t *list = json_object_get(overlay, "traffic");
	const struct model *m = compile_model(in->compiled);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *t = json_array_get(list, i);
		const struct model_network *n =
			model_network_of_vni(m, (uint32_t)posture_number(t, "vni"));

		if (n && n->encrypted && is_count(t, "clear", NULL))
			check_cleartext(in, n, t, ret);
		if (n && is_count(t, "others", "in"))
			check_stranger(in, n, t, ret);
	}
}

/* ---- networks ---- */

static void check_guard(const struct check_input *in, const struct model_network *n,
			struct check_report *ret)
{
	if (compile_settings(in->compiled)->plaintext != PLAINTEXT_ALERT)
		return;
	report_take(ret, "overlay-no-guard", subject_of(n),
		    mem_strdup("the settings' overlay.plaintext is alert"),
		    mem_strdup("set overlay: {plaintext: deny-encrypted}"));
}

static void check_unencrypted(const struct model *m, const struct model_network *n,
			      struct check_report *ret)
{
	const struct addr *own = own_peer(m, n);
	bool open = own && is_public(own);
	CLEANUP_FREE char *subject = subject_of(n);
	CLEANUP_FREE char *by = carrier(m, n);
	CLEANUP_FREE char *evidence =
		mem_printf("no option `encrypted`, %zu peers, carried by %s%s", n->npeers, by,
			   open ? ", a public address" : "");
	CLEANUP_FREE char *remedy = mem_printf(
		"make it anew: docker network create -d overlay --opt encrypted %s; or carry it "
		"on a private network",
		n->name);

	check_report_add(ret, "overlay-unencrypted", open ? CHECK_HIGH : CHECK_LOW, subject,
			 evidence, remedy);
}

/* One for the host: the port is that of all its networks. */
static void check_port(const struct check_input *in, const json_t *overlay,
		       struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	const json_t *list = json_object_get(overlay, "vxlan");

	if (compile_settings(in->compiled)->deny_strangers)
		return;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		const struct model_network *n =
			model_network_of_vni(m, (uint32_t)posture_number(v, "vni"));

		if (!n)
			continue;
		report_take(ret, "overlay-port-open", mem_strdup("host"),
			    mem_printf("UDP port %lld takes VXLAN on every address, for network %s "
				       "among others; the settings' overlay.strangers is alert",
				       (long long)posture_number(v, "port"), n->name),
			    mem_strdup("set overlay: {strangers: deny}"));
		return;
	}
}

static bool has_public_address(const struct model *m)
{
	for (size_t i = 0; i < m->ninterfaces; i++)
		for (size_t a = 0; a < m->interfaces[i].naddrs; a++)
			if (is_public(&m->interfaces[i].addrs[a].addr))
				return true;
	return false;
}

static void check_swarm_ports(const struct check_input *in, struct check_report *ret)
{
	const json_t *list = posture_get(in->posture, "host", "listening", NULL);
	const struct model *m = compile_model(in->compiled);
	bool open = has_public_address(m);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *l = json_array_get(list, i);
		json_int_t port = posture_number(l, "port");
		struct addr a;

		if ((port != 2377 && port != 7946) || addr_parse(posture_text(l, "addr"), &a) < 0 ||
		    !addr_is_unspecified(&a))
			continue;
		CLEANUP_FREE char *subject = mem_printf("host port %lld/%s", (long long)port,
							posture_text(l, "protocol"));
		CLEANUP_FREE char *evidence =
			mem_printf("listens on %s%s", posture_text(l, "addr"),
				   open ? ", and the host has a public address" : "");

		check_report_add(
			ret, "overlay-swarm-ports", open ? CHECK_HIGH : CHECK_MEDIUM, subject,
			evidence,
			"let only the nodes there, by the host's own firewall; or join the "
			"swarm with --listen-addr of a private address");
	}
}

static void check_networks(const struct check_input *in, const json_t *overlay,
			   struct check_report *ret)
{
	const struct model *m = compile_model(in->compiled);
	bool reads = json_is_object(json_object_get(overlay, "xfrm")), gap = false;

	for (size_t i = 0; i < m->nnetworks; i++) {
		const struct model_network *n = &m->networks[i];

		if (!model_network_is_overlay(n))
			continue;
		if (!n->encrypted && has_others(m, n))
			check_unencrypted(m, n, ret);
		if (!n->encrypted)
			continue;
		check_guard(in, n, ret);
		if (reads)
			check_ipsec(m, n, overlay, ret);
		gap |= !reads;
	}
	if (gap)
		check_report_gap_of(ret, "overlay", "overlay-no-ipsec",
				    "whether encrypted networks are encrypted: the kernel's IPsec "
				    "policies and states were not read");
}

static void run(const struct check_input *in, struct check_report *ret)
{
	const json_t *overlay = posture_get(in->posture, "host", "overlay", NULL);
	const struct model *m = compile_model(in->compiled);

	if (!model_has_overlay(m))
		return;
	check_networks(in, overlay, ret);
	check_port(in, overlay, ret);
	check_swarm_ports(in, ret);
	check_seen(in, overlay, ret);
	if (!json_object_get(overlay, "traffic"))
		check_report_gap_of(ret, "overlay", "overlay-cleartext,overlay-strangers",
				    "what is on the wire: the counters were not read");
}

const struct check_group overlay_group = {"overlay", checks, ARRAY_SIZE(checks), run};
