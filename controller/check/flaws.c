/*
 * Whether the engine has a known flaw, and the host what it takes for that to matter.
 */
#include "advisories.h"

#include <netinet/in.h>
#include <string.h>

#include "quaywall/mem.h"

struct look {
	const struct check_input *in;
	const struct model *m;
	const json_t *engine;
	struct check_report *report;
};

/* ---- what a flaw needs ---- */

enum presence { ABSENT, PRESENT, UNKNOWN };

/* Has it a container that runs? */
static bool is_used(const struct model *m, size_t network)
{
	for (size_t i = 0; i < m->nendpoints; i++)
		if (m->endpoints[i].network == network && m->endpoints[i].container != MODEL_NONE)
			return true;
	return false;
}

static const char *accepts_ra(const struct look *l, const char *bridge)
{
	CLEANUP_FREE char *name = mem_printf("net/ipv6/conf/%s/accept_ra", bridge);

	return posture_text(posture_get(l->in->posture, "host", "sysctl", NULL), name);
}

/* The engine sets it to 0 from then on, and so can the administrator. */
static enum presence find_bridge_ra(const struct look *l, struct buf *evidence)
{
	enum presence found = ABSENT;

	for (size_t i = 0; i < l->m->nnetworks; i++) {
		const char *bridge = l->m->networks[i].bridge;
		const char *value = bridge ? accepts_ra(l, bridge) : "0";

		if (!strcmp(value, "0"))
			continue;
		buf_truncate(evidence, 0);
		if (*value) {
			buf_printf(evidence, "net.ipv6.conf.%s.accept_ra is %s", bridge, value);
			return PRESENT;
		}
		buf_printf(evidence, "net.ipv6.conf.%s.accept_ra", bridge);
		found = UNKNOWN;
	}
	return found;
}

static enum presence find_encrypted(const struct look *l, struct buf *evidence)
{
	for (size_t i = 0; i < l->m->nnetworks; i++) {
		const struct model_network *n = &l->m->networks[i];

		if (!n->encrypted || !model_network_is_overlay(n))
			continue;
		buf_printf(evidence, "network %s is encrypted", n->name);
		return PRESENT;
	}
	return ABSENT;
}

static enum presence find_resolver(const struct look *l, struct buf *evidence)
{
	const json_t *loopback = posture_get(l->in->posture, "host", "loopback_resolver", NULL);
	size_t i = 0;

	while (i < l->m->nnetworks && !(l->m->networks[i].internal && is_used(l->m, i)))
		i++;
	if (i == l->m->nnetworks || json_is_false(loopback))
		return ABSENT;
	if (!loopback) {
		buf_str(evidence, "whether /etc/resolv.conf names a server in 127.0.0.0/8");
		return UNKNOWN;
	}
	buf_printf(evidence,
		   "network %s is internal, and /etc/resolv.conf names a server in 127.0.0.0/8",
		   l->m->networks[i].name);
	return PRESENT;
}

static bool has_ipv6(const struct model_network *n)
{
	for (size_t i = 0; i < n->nsubnets; i++)
		if (n->subnets[i].addr.family == AF_INET6)
			return true;
	return false;
}

static bool is_on_the_link(const struct model_network *n)
{
	return !strcmp(n->driver, "macvlan") || !strcmp(n->driver, "ipvlan");
}

/* Of those that lead straight to the host's own link one is told first. */
static enum presence find_ipv4_only(const struct look *l, struct buf *evidence,
				    enum check_severity *severity)
{
	const struct model_network *found = NULL;

	for (size_t i = 0; i < l->m->nnetworks; i++) {
		const struct model_network *n = &l->m->networks[i];
		bool link = is_on_the_link(n);

		if ((link || n->bridge) && !has_ipv6(n) && is_used(l->m, i) && (link || !found))
			found = n;
	}
	if (!found)
		return ABSENT;
	if (!is_on_the_link(found))
		*severity = CHECK_LOW;
	buf_printf(evidence, "network %s (%s) has no IPv6", found->name, found->driver);
	return PRESENT;
}

/* What is not there may not have been looked at. */
static bool is_gap(const struct look *l, const char *part)
{
	const json_t *list = json_object_get(l->in->posture, "gaps");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(posture_text(json_array_get(list, i), "part"), part))
			return true;
	return false;
}

/* Which network namespace a program uses cannot always be seen: then none is known to be the engine's. */
static enum presence find_firewalld(const struct look *l, struct buf *evidence)
{
	const json_t *list = posture_get(l->in->posture, "host", "programs", NULL);
	bool sees = false, here = false, somewhere = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);
		bool is_here = json_is_true(json_object_get(p, "here"));

		sees |= is_here && !strcmp(posture_text(p, "program"), "dockerd");
		if (!strcmp(posture_text(p, "program"), "firewalld")) {
			here |= is_here;
			somewhere = true;
		}
	}
	if (here || (somewhere && !sees)) {
		buf_str(evidence, "firewalld runs");
		return PRESENT;
	}
	buf_str(evidence, "whether firewalld runs");
	return json_is_array(list) && !is_gap(l, "programs") ? ABSENT : UNKNOWN;
}

static enum presence find_needs(const struct look *l, enum advisory_needs needs,
				struct buf *evidence, enum check_severity *severity)
{
	switch (needs) {
	case ADVISORY_BRIDGE_RA:
		return find_bridge_ra(l, evidence);
	case ADVISORY_ENCRYPTED_OVERLAY:
		return find_encrypted(l, evidence);
	case ADVISORY_LOOPBACK_RESOLVER:
		return find_resolver(l, evidence);
	case ADVISORY_IPV4_ONLY:
		return find_ipv4_only(l, evidence, severity);
	case ADVISORY_FIREWALLD:
		return find_firewalld(l, evidence);
	}
	return UNKNOWN;
}

/* ---- flaws ---- */

static bool is_guarded(const struct look *l, const struct advisory *a)
{
	return a->needs == ADVISORY_ENCRYPTED_OVERLAY &&
	       compile_settings(l->in->compiled)->plaintext != PLAINTEXT_ALERT;
}

static char *advisory_remedy(const struct advisory *a, const char *fix, bool vendor)
{
	if (!vendor)
		return mem_printf("upgrade the engine to %s or newer", fix);
	return mem_printf("look %s up in the distribution's tracker, whose packages are mended "
			  "without a newer number; if it is open there, upgrade the engine to %s "
			  "or newer",
			  a->id, fix);
}

static void look_at_advisory(const struct look *l, const struct advisory *a,
			     const struct release *r)
{
	const char *fix = advisory_fix(a, r);
	enum check_severity severity = a->severity;
	CLEANUP_BUF struct buf needs = BUF_INIT;
	enum presence found = fix ? find_needs(l, a->needs, &needs, &severity) : ABSENT;
	bool guarded = is_guarded(l, a);

	if (found == ABSENT)
		return;
	if ((r->vendor || guarded) && severity > CHECK_LOW)
		severity = CHECK_LOW;
	CLEANUP_FREE char *subject = mem_printf("host: %s", a->id);
	CLEANUP_FREE char *evidence = mem_printf(
		"%s; the engine is %s, which is before %s; %s%s%s (%s)", a->what,
		posture_text(l->engine, "version"), fix, buf_text(&needs),
		found == UNKNOWN ? " was not read" : "",
		guarded ? ", and the settings' overlay.plaintext refuses the clear text" : "",
		a->source);
	CLEANUP_FREE char *remedy = advisory_remedy(a, fix, r->vendor);

	check_report_add(l->report, "engine-advisory", severity, subject, evidence, remedy);
}

/* Numbers of other engines mean something else. */
static bool is_docker(const struct look *l)
{
	const json_t *list = json_object_get(l->engine, "components");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasestr(posture_text(json_array_get(list, i), "name"), "podman"))
			return false;
	return true;
}

void advisory_check(const struct check_input *in, const json_t *engine, struct check_report *ret)
{
	const struct look look = {in, compile_model(in->compiled), engine, ret};
	const struct look *l = &look;
	const char *version = posture_text(l->engine, "version");
	struct release r;

	if (!is_docker(l) || release_parse(version, &r) < 0) {
		CLEANUP_FREE char *why = mem_printf("the engine's known flaws: \"%.40s\" is no "
						    "release of the Docker Engine",
						    version);

		check_report_gap_of(l->report, "host", "engine-advisory", why);
		return;
	}
	for (size_t i = 0; i < advisories_len; i++)
		look_at_advisory(l, &advisories[i], &r);
}
