/*
 * Containers whose set-up leads to the host.
 */
#include "bypass.h"

#include <stdlib.h>
#include <string.h>

#include "quaywall/mem.h"

char *bypass_title(const struct bypass_look *l)
{
	struct buf text = BUF_INIT;

	model_container_title(&l->m->containers[l->c], &text);
	return buf_steal(&text);
}

static bool is_remapped(const struct bypass_look *l)
{
	return l->remaps && strcmp(posture_text(l->set_up, "userns_mode"), "host") != 0;
}

void bypass_tell_host(const struct bypass_look *l, const char *id, char *evidence,
		      const char *remedy)
{
	CLEANUP_FREE char *subject = bypass_title(l);
	CLEANUP_FREE char *own = evidence;
	CLEANUP_FREE char *text = mem_printf(
		"%s%s", own, is_remapped(l) ? ", in a user namespace (userns-remap)" : "");

	check_report_add(l->ret, id, is_remapped(l) ? CHECK_MEDIUM : CHECK_HIGH, subject, text,
			 remedy);
}

/* ---- capabilities ---- */

/* What else is added, "runtime" tells of. */
static void check_host_capabilities(const struct bypass_look *l)
{
	static const char *const names[] = {"ALL", "SYS_ADMIN", "SYS_MODULE"};
	const json_t *add = json_object_get(l->set_up, "cap_add");
	struct listing found = LISTING_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (capability_is_in(add, names[i]))
			listing_add(&found, "%s", names[i]);
	if (!found.n)
		return;
	CLEANUP_FREE char *text = listing_steal(&found);

	bypass_tell_host(l, "capability-host", mem_printf("HostConfig.CapAdd has %s", text),
			 "remove it from cap_add, and give what is needed by name (or a device, a "
			 "mount, a sysctl)");
}

static bool is_in_host_network(const struct bypass_look *l)
{
	size_t owner = model_netns_owner(l->m, l->c);
	const char *mode = owner == MODEL_NONE ? NULL : l->m->containers[owner].network_mode;

	return mode && !strcmp(mode, "host");
}

static const char *reach_of_net_admin(const struct bypass_look *l)
{
	if (is_in_host_network(l))
		return ", in the host's network: it may remove quaywall's own rules";
	return compile_settings(l->in->compiled)->antispoof
		       ? "; where policies enforce, antispoof keeps it to its addresses"
		       : "; antispoof is off";
}

/* With ALL it is told already. */
static void check_net_admin(const struct bypass_look *l)
{
	if (capability_is_in(json_object_get(l->set_up, "cap_add"), "ALL") ||
	    !capability_of(l->set_up, "NET_ADMIN"))
		return;
	CLEANUP_FREE char *subject = bypass_title(l);
	CLEANUP_FREE char *evidence =
		mem_printf("HostConfig.CapAdd has NET_ADMIN%s", reach_of_net_admin(l));

	check_report_add(l->ret, "capability-net-admin",
			 is_in_host_network(l) ? CHECK_HIGH : CHECK_MEDIUM, subject, evidence,
			 "remove it from cap_add; what it needs of the kernel's switches give by "
			 "`sysctls`");
}

/* ---- namespaces ---- */

#define SHARED_MAX 8 /* containers, each in the namespace of the next */

static void check_pid(const struct bypass_look *l)
{
	static const char of_container[] = "container:";
	const char *own = posture_text(l->set_up, "pid_mode"), *mode = own;

	for (size_t i = 0; i < SHARED_MAX; i++) {
		size_t c;

		if (strncmp(mode, of_container, sizeof(of_container) - 1) != 0)
			break;
		c = model_find_container(l->m, mode + sizeof(of_container) - 1);
		mode = c == MODEL_NONE ? "" : posture_text(l->all[c], "pid_mode");
	}
	if (!strcmp(mode, "host"))
		report_take(l->ret, "host-pid", bypass_title(l),
			    mem_printf("HostConfig.PidMode is %s%s", own,
				       own == mode ? "" : ", which is the host's"),
			    mem_strdup("remove `pid: host`"));
}

/* The model has that, whatever the posture lacks. */
static void check_host_network(const struct bypass_look *l)
{
	size_t owner = model_netns_owner(l->m, l->c);
	CLEANUP_BUF struct buf evidence = BUF_INIT;

	if (!is_in_host_network(l))
		return;
	buf_printf(&evidence, "HostConfig.NetworkMode is %s", l->m->containers[l->c].network_mode);
	if (owner != l->c) {
		buf_str(&evidence, ", which is ");
		model_container_title(&l->m->containers[owner], &evidence);
		buf_str(&evidence, ", in the host's network");
	}
	report_take(l->ret, "host-network", bypass_title(l), buf_steal(&evidence),
		    mem_strdup("give it a network of its own, and publish what it serves by "
			       "`ports`"));
}

/* ---- raw sockets ---- */

/* Which containers are on a network whose addresses policies are about. The caller frees it. */
static bool *on_bridges(const struct model *m)
{
	bool *on = mem_new(m->ncontainers, sizeof(*on));

	for (size_t i = 0; i < m->nendpoints; i++)
		if (m->endpoints[i].container != MODEL_NONE &&
		    model_network_is_managed(&m->networks[m->endpoints[i].network]))
			on[m->endpoints[i].container] = true;
	return on;
}

/* The engine gives the capability to every container: what is wrong is one setting. */
static void check_raw(const struct bypass_look *l)
{
	CLEANUP_FREE bool *on = on_bridges(l->m);
	CLEANUP_BUF struct buf one = BUF_INIT;
	size_t n = 0;

	if (compile_settings(l->in->compiled)->antispoof)
		return;
	for (size_t c = 0; c < l->m->ncontainers; c++)
		if (on[c] && l->all[c] && capability_of(l->all[c], "NET_RAW") && !n++)
			model_container_title(&l->m->containers[c], &one);
	if (n)
		report_take(l->ret, "raw-sockets", mem_strdup("host"),
			    mem_printf("the settings have antispoof: false, and %zu containers on "
				       "the engine's bridges have NET_RAW, %s among them",
				       n, buf_text(&one)),
			    mem_strdup("set antispoof: true; or cap_drop: [NET_RAW] of each"));
}

/* ---- all ---- */

static void look_at(const struct bypass_look *l)
{
	check_pid(l);
	bypass_mounts(l);
	if (json_is_true(json_object_get(l->set_up, "privileged"))) {
		report_take(l->ret, "container-privileged", bypass_title(l),
			    mem_strdup("HostConfig.Privileged is true"),
			    mem_strdup("remove `privileged: true`, and give what is needed by "
				       "cap_add, devices and sysctls"));
		return;
	}
	check_host_capabilities(l);
	check_net_admin(l);
	bypass_devices(l);
}

/* The caller frees the list. */
static const json_t **find_set_ups(const struct check_input *in)
{
	const struct model *m = compile_model(in->compiled);
	const json_t **found = mem_new(m->ncontainers, sizeof(*found));
	const json_t *one;
	size_t at = 0;

	while ((one = posture_next_container(in->posture, &at))) {
		size_t c = model_find_container(m, posture_text(one, "id"));

		if (c != MODEL_NONE && m->containers[c].running)
			found[c] = one;
	}
	return found;
}

/* Right behind a start the posture is a moment older than the model. */
static void tell_missing(const struct bypass_look *l)
{
	struct listing missing = LISTING_INIT;

	for (size_t c = 0; c < l->m->ncontainers; c++) {
		CLEANUP_BUF struct buf name = BUF_INIT;

		if (!l->m->containers[c].running || l->all[c])
			continue;
		model_container_title(&l->m->containers[c], &name);
		listing_add(&missing, "%s", buf_text(&name));
	}
	if (!missing.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&missing);
	CLEANUP_FREE char *why = mem_printf("how these were started was not read: %s", names);

	check_report_gap_of(l->ret, "bypass", BYPASS_OF_CONTAINERS, why);
}

void bypass_containers(const struct check_input *in, struct check_report *ret)
{
	struct bypass_look l = {
		.in = in,
		.m = compile_model(in->compiled),
		.ret = ret,
		.all = find_set_ups(in),
		.remaps = posture_remaps_users(in->posture),
	};

	tell_missing(&l);
	for (l.c = 0; l.c < l.m->ncontainers; l.c++) {
		if (l.m->containers[l.c].running)
			check_host_network(&l);
		l.set_up = l.all[l.c];
		if (l.set_up)
			look_at(&l);
	}
	check_raw(&l);
	free(l.all);
}
