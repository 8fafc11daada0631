/*
 * runtime: how containers were started. What a privileged container lacks besides is not told: it is told as that.
 */
#include "runtime.h"

#include <string.h>

#include "quaywall/mem.h"

#define RUN	"Docker: docker run"
#define HARDENS "Docker: Docker security"

static const struct check checks[] = {
	{"apparmor-off", "runtime", CHECK_MEDIUM, "a container runs without AppArmor",
	 "The profile that every container has keeps it from mounting, from the kernel's settings and from other processes.",
	 "Docker: AppArmor security profiles"},
	{"capabilities-added", "runtime", CHECK_LOW,
	 "a container has more capabilities than others",
	 "Each is a piece of root's rights, and some are enough to take the host.",
	 "capabilities(7)"},
	{"cgroup-host", "runtime", CHECK_LOW, "a container shares the host's cgroup namespace",
	 "It sees how the host's services and the other containers are called and limited.", RUN},
	{"cpu-unlimited", "runtime", CHECK_INFO, "a container may use every CPU",
	 "One that runs wild takes the time of all others.", RUN},
	{"ipc-host", "runtime", CHECK_MEDIUM, "a container shares the host's IPC namespace",
	 "It reaches the shared memory and the semaphores of the host's programs.", RUN},
	{"memory-unlimited", "runtime", CHECK_LOW, "a container may use all memory",
	 "The kernel then ends processes, and not necessarily those of the one that took it.", RUN},
	{"mount-secrets", "runtime", CHECK_MEDIUM, "a container can read the host's secrets",
	 "Keys and passwords of the host are as good as the host.", HARDENS},
	{"mount-sensitive", "runtime", CHECK_HIGH,
	 "a container can write where the host's own files are",
	 "Who can change what the host runs or trusts has the host.", HARDENS},
	{"mount-shared", "runtime", CHECK_LOW,
	 "what a container mounts is mounted on the host, too",
	 "It can lay files over those of the host and of other containers.",
	 "Docker: Bind mounts, bind propagation"},
	{"no-new-privileges-off", "runtime", CHECK_INFO,
	 "a container's programs can gain privileges by setuid files",
	 "Who gets into it as some user may become root in it.", RUN},
	{"oom-kill-off", "runtime", CHECK_LOW,
	 "a container is not ended when its memory is used up",
	 "It hangs, and without a limit so does the host.", RUN},
	{"pids-unlimited", "runtime", CHECK_INFO, "a container may start any number of processes",
	 "One that does leaves the host without a process to start.", RUN},
	{"restart-storm", "runtime", CHECK_LOW, "a container is restarted again and again",
	 "Something is wrong with it, or somebody keeps trying; each time its addresses may be another's.",
	 NULL},
	{"root-user", "runtime", CHECK_LOW, "a container runs as root though its image does not",
	 "Root in the container is root on the host once something lets it out.", HARDENS},
	{"root-writable", "runtime", CHECK_INFO, "a container can change its own programs",
	 "Who gets into it can leave something behind.", RUN},
	{"seccomp-off", "runtime", CHECK_HIGH, "every system call is open to a container",
	 "Most ways out of a container begin with a call that the engine's profile refuses.",
	 "Docker: Seccomp security profiles"},
	{"selinux-off", "runtime", CHECK_MEDIUM, "a container runs without its SELinux label",
	 "The label keeps it from the host's files and the other containers'.", RUN},
	{"system-paths-open", "runtime", CHECK_HIGH,
	 "the kernel's own files are not hidden from a container",
	 "Some of them give away the host's memory and keys, and to write to others is to command the kernel.",
	 RUN},
	{"userns-host", "runtime", CHECK_MEDIUM,
	 "a container is taken out of the engine's user namespace",
	 "Its root is root on the host, which the engine was set up to prevent.",
	 "Docker: Isolate containers with a user namespace"},
	{"uts-host", "runtime", CHECK_LOW, "a container shares the host's name",
	 "It can rename the host, if it has the right, and sees when it is renamed.", RUN},
};

/* ---- reading ---- */

void runtime_unknown(struct runtime *x, const char *key)
{
	x->unknown++;
	x->unknown_key = key;
}

bool runtime_flag(struct runtime *x, const char *key, bool *ret)
{
	const json_t *value = json_object_get(x->container, key);

	if (!json_is_boolean(value)) {
		runtime_unknown(x, key);
		return false;
	}
	*ret = json_is_true(value);
	return true;
}

bool runtime_number(struct runtime *x, const char *key, json_int_t *ret)
{
	const json_t *value = json_object_get(x->container, key);

	if (!json_is_integer(value)) {
		runtime_unknown(x, key);
		return false;
	}
	*ret = json_integer_value(value);
	return true;
}

const char *runtime_text(struct runtime *x, const char *key)
{
	const char *text = json_string_value(json_object_get(x->container, key));

	if (!text)
		runtime_unknown(x, key);
	return text;
}

bool runtime_is_mapped(const struct runtime *x)
{
	return x->engine.remaps && strcmp(posture_text(x->container, "userns_mode"), "host") != 0;
}

bool runtime_has_option(const struct runtime *x, const char *name, const char *value)
{
	const json_t *list = json_object_get(x->container, "security_opt");
	size_t len = strlen(name);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || strncmp(text, name, len) != 0)
			continue;
		if (value ? (text[len] == '=' || text[len] == ':') && !strcmp(text + len + 1, value)
			  : !text[len])
			return true;
	}
	return false;
}

void runtime_tell(struct runtime *x, const char *id, enum check_severity severity, char *evidence,
		  char *remedy)
{
	CLEANUP_FREE char *subject = posture_title(x->in, x->container);

	check_report_add(x->report, id, severity, subject, evidence, remedy);
	free(evidence);
	free(remedy);
}

/* ---- the user, and what is its own ---- */

/* What comes of the image is told of that. */
static void check_user(struct runtime *x)
{
	const char *user = runtime_text(x, "user");
	const json_t *image = json_object_get(x->images, posture_text(x->container, "image_id"));

	if (!user || runtime_is_mapped(x) || !user_is_root(user) ||
	    (image && user_is_root(posture_text(image, "user"))))
		return;
	runtime_tell(
		x, "root-user", CHECK_LOW,
		image ? mem_printf("Config.User is \"%.200s\", the image's is \"%.200s\"", user,
				   posture_text(image, "user"))
		      : mem_printf("Config.User is \"%.200s\"; its image is not in the posture",
				   user),
		mem_strdup("start it as the image's user, or as another one: -u UID:GID, "
			   "Compose's user"));
}

static void check_root_filesystem(struct runtime *x)
{
	bool read_only;

	if (runtime_flag(x, "read_only", &read_only) && !read_only)
		runtime_tell(x, "root-writable", CHECK_INFO,
			     mem_strdup("HostConfig.ReadonlyRootfs is false"),
			     mem_strdup("start it with --read-only (Compose: read_only: true), and "
					"--tmpfs or a volume where it has to write"));
}

/* ---- limits ---- */

static void check_memory(struct runtime *x)
{
	json_int_t memory;
	bool unlimited = runtime_number(x, "memory", &memory) && memory <= 0;

	if (unlimited)
		runtime_tell(x, "memory-unlimited", CHECK_LOW, mem_strdup("HostConfig.Memory is 0"),
			     mem_strdup("docker update --memory 512m --memory-swap 512m CONTAINER; "
					"in Compose mem_limit"));
	if (json_is_true(json_object_get(x->container, "oom_kill_disable")))
		runtime_tell(x, "oom-kill-off", unlimited ? CHECK_MEDIUM : CHECK_LOW,
			     mem_printf("HostConfig.OomKillDisable is true%s",
					unlimited ? ", and there is no limit" : ""),
			     mem_strdup("start it without --oom-kill-disable"));
}

static void check_cpu(struct runtime *x)
{
	json_int_t cpus, quota;
	const char *set = runtime_text(x, "cpuset");

	if (runtime_number(x, "nano_cpus", &cpus) && runtime_number(x, "cpu_quota", &quota) &&
	    set && cpus <= 0 && quota <= 0 && !*set)
		runtime_tell(x, "cpu-unlimited", CHECK_INFO,
			     mem_strdup("HostConfig.NanoCpus, CpuQuota and CpusetCpus say nothing"),
			     mem_strdup("docker update --cpus 1 CONTAINER; in Compose cpus"));
}

/* The engine tells none as null. */
static void check_pids(struct runtime *x)
{
	json_int_t limit = json_integer_value(json_object_get(x->container, "pids_limit"));

	if (limit <= 0)
		runtime_tell(x, "pids-unlimited", CHECK_INFO,
			     mem_printf("HostConfig.PidsLimit is %s",
					limit < 0 ? "negative" : "not set"),
			     mem_strdup("docker update --pids-limit 200 CONTAINER; in Compose "
					"pids_limit"));
}

/* ---- namespaces ---- */

static bool is_host(struct runtime *x, const char *key)
{
	const char *mode = runtime_text(x, key);

	return mode && !strcmp(mode, "host");
}

/* The first cgroup version knows no other than the host's by default. */
static void check_namespaces(struct runtime *x)
{
	static const struct {
		const char *key, *id, *field, *option;
		enum check_severity severity;
	} modes[] = {
		{"ipc_mode", "ipc-host", "IpcMode", "--ipc", CHECK_MEDIUM},
		{"uts_mode", "uts-host", "UTSMode", "--uts", CHECK_LOW},
		{"userns_mode", "userns-host", "UsernsMode", "--userns", CHECK_MEDIUM},
		{"cgroupns_mode", "cgroup-host", "CgroupnsMode", "--cgroupns", CHECK_LOW},
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!is_host(x, modes[i].key) ||
		    (!strcmp(modes[i].id, "userns-host") && !x->engine.remaps) ||
		    (!strcmp(modes[i].id, "cgroup-host") && !x->engine.cgroup2))
			continue;
		runtime_tell(x, modes[i].id, modes[i].severity,
			     mem_printf("HostConfig.%s is host", modes[i].field),
			     mem_printf("start it without %s host", modes[i].option));
	}
}

/* ---- restarts ---- */

/*
 * The engine waits longer each time for what ends within ten seconds, and there it is found waiting; what runs longer
 * is started again at once. Restarts of long ago do not count.
 */
static bool is_storming(struct runtime *x, json_int_t restarts)
{
	time_t started, created, now = x->in->now;

	if (restarts < 3)
		return false;
	if (!strcmp(posture_text(x->container, "state"), "restarting"))
		return true;
	if (!posture_time(x->container, "started", &started) ||
	    !posture_time(x->container, "created", &created) || started > now ||
	    now - started > 600)
		return false;
	return restarts >= 10 || (now - created) / 3600 < restarts;
}

static void check_restarts(struct runtime *x)
{
	json_int_t restarts;

	if (runtime_number(x, "restart_count", &restarts) && is_storming(x, restarts))
		runtime_tell(
			x, "restart-storm", CHECK_LOW,
			mem_printf("RestartCount is %lld, State.Status %s, "
				   "State.ExitCode %lld; the restart policy is %.40s",
				   (long long)restarts, posture_text(x->container, "state"),
				   (long long)json_integer_value(
					   json_object_get(x->container, "exit_code")),
				   posture_text(x->container, "restart")),
			mem_strdup("docker logs CONTAINER; and --restart on-failure:5 ends it"));
}

/* ---- all ---- */

static void look_at(struct runtime *x)
{
	bool known = runtime_flag(x, "privileged", &x->privileged);

	if (known && !x->privileged) {
		check_user(x);
		check_root_filesystem(x);
		runtime_check_rights(x);
	}
	check_memory(x);
	check_cpu(x);
	check_pids(x);
	check_namespaces(x);
	check_restarts(x);
	runtime_check_mounts(x);
}

/* Engines before 23 do not say whether it is their default. */
static bool refuses_new_privileges(const json_t *posture)
{
	bool read;
	const json_t *told = posture_engine_option(posture, "no-new-privileges", &read);
	const char *text = json_string_value(told);

	return posture_secures(posture, "no-new-privileges", NULL) || json_is_true(told) ||
	       (text && !strcmp(text, "true"));
}

static void look_at_engine(struct runtime *x)
{
	const json_t *posture = x->in->posture;

	x->engine.root = posture_text(posture_get(posture, "engine", NULL), "root");
	x->engine.cgroup2 =
		!strcmp(posture_text(posture_get(posture, "engine", NULL), "cgroup_version"), "2");
	x->engine.known = json_is_array(posture_get(posture, "engine", "security_options", NULL));
	if (!x->engine.known) {
		check_report_gap(x->report, "runtime",
				 "seccomp, AppArmor, SELinux and new privileges, as the engine's "
				 "default: its security options are not in the posture");
		return;
	}
	x->engine.apparmor = posture_secures(posture, "apparmor", NULL);
	x->engine.selinux = posture_secures(posture, "selinux", NULL);
	x->engine.no_new_privileges = refuses_new_privileges(posture);
	x->engine.remaps = posture_remaps_users(posture);
	x->engine.seccomp_off = !posture_secures(posture, "seccomp", NULL) ||
				posture_secures(posture, "seccomp", "profile=unconfined");
	if (x->engine.seccomp_off)
		report_take(
			x->report, "seccomp-off", mem_strdup("host"),
			mem_strdup("SecurityOptions of /info have no seccomp with a profile: "
				   "it holds for every container that does not bring its own"),
			mem_strdup("remove \"seccomp-profile\" from the engine's daemon.json; the "
				   "kernel needs CONFIG_SECCOMP_FILTER"));
}

static void tell_unknown(struct runtime *x)
{
	if (!x->unknown)
		return;
	CLEANUP_FREE char *why = mem_printf("containers: %zu values are not in the posture, %s "
					    "among them",
					    x->unknown, x->unknown_key);

	check_report_gap(x->report, "runtime", why);
}

static void run(const struct check_input *in, struct check_report *ret)
{
	struct runtime x = {.in = in, .report = ret};
	size_t at = 0;

	if (!posture_has(in->posture, "containers", "runtime", ret))
		return;
	look_at_engine(&x);
	x.images = posture_images(in->posture);
	while ((x.container = posture_next_container(in->posture, &at))) {
		x.privileged = false;
		look_at(&x);
	}
	json_decref(x.images);
	tell_unknown(&x);
}

const struct check_group runtime_group = {"runtime", checks, ARRAY_SIZE(checks), run};
