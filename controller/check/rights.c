/*
 * rights: what keeps a container's processes from the kernel and the host. A privileged container has nothing of it, which is
 * told as that.
 */
#include "runtime.h"

#include <string.h>
#include <strings.h>

#include "quaywall/mem.h"

/* ---- capabilities ---- */

/* Those that are a way round the policy, and told as that. */
static const char *const others[] = {"ALL", "NET_ADMIN", "SYS_ADMIN", "SYS_MODULE"};

/* What else there is, as capabilities(7) has it, by name. */
static const struct capability {
	const char *name;
	enum check_severity severity;
	const char *what;
} capabilities[] = {
	{"AUDIT_CONTROL", CHECK_MEDIUM, "switches the kernel's audit off"},
	{"AUDIT_READ", CHECK_LOW, "reads the audit log"},
	{"BLOCK_SUSPEND", CHECK_LOW, "keeps the host awake"},
	{"BPF", CHECK_MEDIUM, "loads programs into the kernel"},
	{"CHECKPOINT_RESTORE", CHECK_MEDIUM, "restores processes with what they were"},
	{"DAC_READ_SEARCH", CHECK_HIGH, "opens every file of the host by its handle"},
	{"IPC_LOCK", CHECK_LOW, "locks memory"},
	{"IPC_OWNER", CHECK_MEDIUM, "reads every process's shared memory"},
	{"LEASE", CHECK_LOW, "leases files"},
	{"LINUX_IMMUTABLE", CHECK_LOW, "makes files that cannot be changed"},
	{"MAC_ADMIN", CHECK_MEDIUM, "changes the rules of AppArmor and SELinux"},
	{"MAC_OVERRIDE", CHECK_MEDIUM, "passes over the rules of a security module"},
	{"NET_BROADCAST", CHECK_LOW, "sends broadcasts"},
	{"PERFMON", CHECK_MEDIUM, "watches the kernel and all processes"},
	{"SYSLOG", CHECK_MEDIUM, "reads the kernel's log and addresses"},
	{"SYS_BOOT", CHECK_MEDIUM, "restarts the host, or boots another kernel"},
	{"SYS_NICE", CHECK_LOW, "takes precedence over other processes"},
	{"SYS_PACCT", CHECK_LOW, "switches accounting"},
	{"SYS_PTRACE", CHECK_MEDIUM, "reads and changes other processes"},
	{"SYS_RAWIO", CHECK_MEDIUM, "speaks to devices and their memory"},
	{"SYS_RESOURCE", CHECK_LOW, "passes over limits"},
	{"SYS_TIME", CHECK_MEDIUM, "sets the host's clock"},
	{"SYS_TTY_CONFIG", CHECK_LOW, "hangs up terminals"},
	{"WAKE_ALARM", CHECK_LOW, "wakes the host"},
};

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(list[i], name))
			return true;
	return false;
}

/* NULL: it is none of these. */
static const struct capability *find_capability(const char *name)
{
	static const struct capability unknown = {"", CHECK_LOW, "is not known"};

	if (capability_is_usual(name) || is_among(name, others, ARRAY_SIZE(others)))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (!strcasecmp(capabilities[i].name, name))
			return &capabilities[i];
	return &unknown;
}

static void check_capabilities(struct runtime *x)
{
	const json_t *list = json_object_get(x->container, "cap_add");
	struct listing found = LISTING_INIT;
	enum check_severity worst = CHECK_LOW;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		const struct capability *c =
			name ? find_capability(capability_bare_name(name)) : NULL;

		if (!c)
			continue;
		worst = c->severity > worst ? c->severity : worst;
		listing_add(&found, "%.64s (%s)", capability_bare_name(name), c->what);
	}
	if (!found.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&found);

	runtime_tell(x, "capabilities-added", worst, mem_printf("HostConfig.CapAdd: %s", names),
		     mem_strdup("start it without them (--cap-add, Compose's cap_add), or say in a "
				"suppression what it needs them for"));
}

/* ---- seccomp, and what the security modules add ---- */

static void check_seccomp(struct runtime *x)
{
	if (!x->engine.seccomp_off && runtime_has_option(x, "seccomp", "unconfined"))
		runtime_tell(x, "seccomp-off", CHECK_HIGH,
			     mem_strdup("HostConfig.SecurityOpt: seccomp=unconfined"),
			     mem_strdup("start it without --security-opt seccomp=unconfined; what "
					"it needs besides, a profile of its own can allow: "
					"--security-opt seccomp=FILE"));
}

static void check_apparmor(struct runtime *x)
{
	bool said = runtime_has_option(x, "apparmor", "unconfined");

	if (x->engine.apparmor &&
	    (said || !strcmp(posture_text(x->container, "apparmor"), "unconfined")))
		runtime_tell(x, "apparmor-off", CHECK_MEDIUM,
			     mem_strdup(said ? "HostConfig.SecurityOpt: apparmor=unconfined"
					     : "AppArmorProfile: unconfined"),
			     mem_strdup("start it without --security-opt apparmor=unconfined, or "
					"with a profile of its own: --security-opt apparmor=NAME"));
}

/* The engine takes the label from what shares the host's IPC or processes by itself. */
static void check_selinux(struct runtime *x)
{
	bool disabled = runtime_has_option(x, "label", "disable");

	/* The type of a container that nothing confines comes to the same. */
	if (x->engine.selinux && (disabled || runtime_has_option(x, "label", "type:spc_t")) &&
	    strcmp(posture_text(x->container, "ipc_mode"), "host") != 0 &&
	    strcmp(posture_text(x->container, "pid_mode"), "host") != 0)
		runtime_tell(x, "selinux-off", CHECK_MEDIUM,
			     mem_printf("HostConfig.SecurityOpt: label=%s",
					disabled ? "disable" : "type:spc_t"),
			     mem_strdup("start it without that --security-opt; for its "
					"mounts there are the options z and Z"));
}

static void check_new_privileges(struct runtime *x)
{
	bool refused = runtime_has_option(x, "no-new-privileges", "false");

	if (!x->engine.known || runtime_has_option(x, "no-new-privileges", "true") ||
	    runtime_has_option(x, "no-new-privileges", NULL) ||
	    (x->engine.no_new_privileges && !refused))
		return;
	runtime_tell(x, "no-new-privileges-off", CHECK_INFO,
		     mem_strdup(refused ? "HostConfig.SecurityOpt: no-new-privileges=false"
					: "no no-new-privileges in HostConfig.SecurityOpt, nor "
					  "as the engine's default"),
		     mem_strdup("start it with --security-opt no-new-privileges, or set "
				"\"no-new-privileges\": true in the engine's daemon.json"));
}

/* An empty list: a missing one is not known, as of a privileged container. */
static bool is_emptied(const struct runtime *x, const char *key)
{
	const json_t *list = json_object_get(x->container, key);

	return json_is_array(list) && !json_array_size(list);
}

static void check_system_paths(struct runtime *x)
{
	bool writable = is_emptied(x, "readonly_paths");

	if (writable || is_emptied(x, "masked_paths"))
		runtime_tell(x, "system-paths-open", writable ? CHECK_HIGH : CHECK_MEDIUM,
			     mem_printf("%s is empty", writable ? "HostConfig.ReadonlyPaths"
								: "HostConfig.MaskedPaths"),
			     mem_strdup("start it without --security-opt systempaths=unconfined"));
}

void runtime_check_rights(struct runtime *x)
{
	check_capabilities(x);
	check_seccomp(x);
	check_apparmor(x);
	check_selinux(x);
	check_new_privileges(x);
	check_system_paths(x);
}
