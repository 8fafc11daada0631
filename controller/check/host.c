/*
 * host: the engine's release, what it is set to, and the kernel below it.
 */
#include "advisories.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

#define WARNINGS_MAX 32

static const struct check checks[] = {
	{"engine-advisory", "host", CHECK_MEDIUM, "the engine has a known flaw in its networking",
	 "How to use it is public, and so is how to look for engines that have it.",
	 "the flaw's own, as the evidence has it"},
	{"engine-cgroup-v1", "host", CHECK_INFO, "the host has control groups of version 1",
	 "Engines and systemd give them up: what limits containers there is no longer looked after.",
	 "Docker: Deprecated features, cgroup v1"},
	{"engine-data-root", "host", CHECK_LOW,
	 "the engine keeps its files where everybody may make some",
	 "Cleaners of such folders delete what is old, and with it what containers live on.", NULL},
	{"engine-experimental", "host", CHECK_LOW, "the engine's experimental features are on",
	 "They are for trying, change without notice, and are more to attack.",
	 "Docker: dockerd, --experimental"},
	{"engine-icc", "host", CHECK_INFO, "containers of the default bridge reach each other",
	 "Everything that is started without a network lands there, whatever it belongs to.",
	 "Docker: Bridge network driver, the default bridge"},
	{"engine-live-restore", "host", CHECK_INFO, "containers end with the engine",
	 "An upgrade of the engine is put off where it stops everything.", "Docker: Live restore"},
	{"engine-userns-remap", "host", CHECK_INFO, "root of a container is root of the host",
	 "Who gets out of a container as root has the host.",
	 "Docker: Isolate containers with a user namespace"},
	{"engine-warning", "host", CHECK_INFO, "the engine warns of what the host lacks",
	 "What needs it is set and does nothing.", NULL},
	{"kernel-table-owner", "host", CHECK_INFO,
	 "the kernel lets other programs change quaywall's rules",
	 "What they change is undone at once, but not before a few packets may have passed.",
	 "README: Beside other programs"},
};

struct look {
	const struct check_input *in;
	const struct model *m;
	const json_t *engine;
	struct check_report *report;
	struct buf missing; /* of the engine's document, by commas */
};

/* ---- what the engine is set to ---- */

static void note_missing(struct look *l, const char *key)
{
	buf_printf(&l->missing, "%s%s", l->missing.len ? ", " : "", key);
}

/* -1: it is not there. */
static int flag(struct look *l, const char *key)
{
	const json_t *value = json_object_get(l->engine, key);

	if (json_is_boolean(value))
		return json_is_true(value);
	note_missing(l, key);
	return -1;
}

static void look_at_experimental(struct look *l)
{
	if (flag(l, "experimental") == 1)
		report_take(l->report, "engine-experimental", mem_strdup("host"),
			    mem_strdup("ExperimentalBuild is true (GET /info)"),
			    mem_strdup("remove \"experimental\": true from the engine's "
				       "daemon.json, and restart it"));
}

/* A node of a swarm cannot have it. */
static void look_at_live_restore(struct look *l)
{
	const char *swarm = posture_text(l->engine, "swarm_state");

	if (flag(l, "live_restore") != 0 || (*swarm && strcmp(swarm, "inactive") != 0))
		return;
	report_take(l->report, "engine-live-restore", mem_strdup("host"),
		    mem_strdup("LiveRestoreEnabled is false (GET /info)"),
		    mem_strdup("set \"live-restore\": true in the engine's daemon.json, and "
			       "reload it"));
}

static bool has_option(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *option = json_string_value(json_array_get(list, i));

		if (option && !strncmp(option, name, strlen(name)))
			return true;
	}
	return false;
}

static void look_at_userns(struct look *l)
{
	const json_t *options = json_object_get(l->engine, "security_options");

	if (!json_is_array(options)) {
		note_missing(l, "security_options");
		return;
	}
	if (has_option(options, "name=userns") || has_option(options, "name=rootless"))
		return;
	report_take(
		l->report, "engine-userns-remap", mem_strdup("host"),
		mem_strdup("SecurityOptions has no name=userns (GET /info)"),
		mem_strdup("set \"userns-remap\": \"default\" in the engine's daemon.json, and "
			   "restart it: it begins with empty folders for images and containers"));
}

static void look_at_cgroups(struct look *l)
{
	const char *version = posture_text(l->engine, "cgroup_version");

	if (!*version)
		note_missing(l, "cgroup_version");
	if (strcmp(version, "1") != 0)
		return;
	report_take(l->report, "engine-cgroup-v1", mem_strdup("host"),
		    mem_strdup("CgroupVersion is 1 (GET /info)"),
		    mem_strdup("boot with systemd.unified_cgroup_hierarchy=1"));
}

static void look_at_root(struct look *l)
{
	static const char *const open[] = {"/tmp/", "/var/tmp/", "/dev/shm/"};
	const char *root = posture_text(l->engine, "root");

	if (!*root)
		note_missing(l, "root");
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		if (!strncmp(root, open[i], strlen(open[i])))
			report_take(l->report, "engine-data-root", mem_strdup("host"),
				    mem_printf("DockerRootDir is %s (GET /info)", root),
				    mem_strdup("stop the engine, move the folder, and set "
					       "\"data-root\" in its daemon.json"));
}

/* ---- what it warns of ---- */

/* Told by checks of their own, or of nothing that anybody asks for. */
static bool is_told_elsewhere(const char *text)
{
	static const char *const parts[] = {
		"bridge-nf-call", "forwarding is disabled",
		"accessible",	  "remote API",
		"Swarm",	  "blkio",
		"seccomp",	  "oom kill disable",
		"kernel memory",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(text, parts[i]))
			return true;
	return false;
}

static bool is_before(const json_t *list, size_t i, const json_t *text)
{
	for (size_t n = 0; n < i; n++)
		if (json_equal(json_array_get(list, n), text))
			return true;
	return false;
}

/* None at all is a list that is not there. */
static void look_at_warnings(const struct look *l)
{
	const json_t *list = json_object_get(l->engine, "warnings");
	static const char prefix[] = "WARNING: ";

	for (size_t i = 0; i < json_array_size(list) && i < WARNINGS_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || is_told_elsewhere(text) || is_before(list, i, json_array_get(list, i)))
			continue;
		if (!strncmp(text, prefix, sizeof(prefix) - 1))
			text += sizeof(prefix) - 1;
		report_take(l->report, "engine-warning", mem_printf("host: %.200s", text),
			    mem_printf("a warning of the engine's (GET /info): %s", text),
			    mem_strdup("enable it in the kernel or on its command line, or do "
				       "without what needs it"));
	}
}

/* ---- the default bridge ---- */

static bool is_open(const struct look *l, size_t endpoint)
{
	size_t identity = compile_identity_of(l->in->compiled, endpoint);

	return identity == MODEL_NONE ||
	       !(compile_identity(l->in->compiled, identity)->isolated & POLICY_INGRESS);
}

/* There has to be another one that reaches it. */
static void look_at_icc(const struct look *l)
{
	size_t all = 0, open = 0;

	for (size_t i = 0; i < l->m->nendpoints; i++) {
		const struct model_endpoint *e = &l->m->endpoints[i];
		const struct model_network *n = &l->m->networks[e->network];

		if (e->container == MODEL_NONE || !n->bridge || strcmp(n->name, "bridge") != 0 ||
		    !n->icc)
			continue;
		all++;
		open += is_open(l, i);
	}
	if (all < 2 || !open)
		return;
	report_take(
		l->report, "engine-icc", mem_strdup("network bridge"),
		mem_printf("com.docker.network.bridge.enable_icc is not false; of %zu "
			   "containers there %zu are not isolated for ingress",
			   all, open),
		mem_strdup("put them on networks of their own, isolate them by a policy, or set "
			   "\"icc\": false in the engine's daemon.json"));
}

/* ---- the kernel ---- */

/* 1, 0; -1: TEXT is no kernel's release. */
static int kernel_is_before(const char *text, unsigned long major, unsigned long minor)
{
	unsigned long is, second;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	is = strtoul(text, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]))
		return -1;
	second = strtoul(end + 1, NULL, 10);
	return is < major || (is == major && second < minor);
}

static void look_at_kernel(const struct look *l)
{
	const char *release = posture_text(posture_get(l->in->posture, "host", NULL), "kernel");
	int before;

	if (!*release)
		release = posture_text(l->engine, "kernel");
	before = kernel_is_before(release, 6, 9);
	if (before < 0)
		check_report_gap_of(l->report, "host", "kernel-table-owner",
				    "the kernel: its release was not read");
	if (before != 1)
		return;
	report_take(l->report, "kernel-table-owner", mem_strdup("host"),
		    mem_printf("the kernel is %s; tables that belong to the daemon and outlive it "
			       "came with 6.9",
			       release),
		    mem_strdup("use a kernel of 6.9 or newer; `quaywall status` says whether "
			       "this one has it, and what was repaired"));
}

/* ---- all ---- */

static void look_at_engine(struct look *l)
{
	advisory_check(l->in, l->engine, l->report);
	look_at_experimental(l);
	look_at_live_restore(l);
	look_at_userns(l);
	look_at_cgroups(l);
	look_at_root(l);
	look_at_warnings(l);
	if (l->missing.len) {
		CLEANUP_FREE char *why =
			mem_printf("the engine does not tell of: %s", buf_text(&l->missing));

		check_report_gap(l->report, "host", why);
	}
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct look l = {
		.in = in,
		.m = compile_model(in->compiled),
		.engine = posture_get(in->posture, "engine", NULL),
		.report = ret,
		.missing = BUF_INIT,
	};

	if (posture_has(in->posture, "engine", "host", ret))
		look_at_engine(&l);
	look_at_icc(&l);
	look_at_kernel(&l);
	buf_done(&l.missing);
}

const struct check_group host_group = {"host", checks, ARRAY_SIZE(checks), run};
