/*
 * mounts: which of the host's folders a container can write to, and which it should not even read. A row is data: which
 * folder, how far down, how bad that is, and what is there.
 */
#include "runtime.h"

#include <string.h>

#include "quaywall/mem.h"

enum reach { ITSELF, CHILDREN, BELOW };

struct place {
	const char *path;
	enum reach reach;
	enum check_severity severity;
	const char *what;
};

#define PROGRAMS "programs and libraries that the host runs"
#define ACCOUNTS "who may do what on the host"
#define TIMED	 "what the host runs by itself"
#define KERNEL	 "the kernel's settings"

/* The first that fits counts. */
static const struct place places[] = {
	{"/", ITSELF, CHECK_HIGH, "the whole host"},
	{"/bin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/boot", BELOW, CHECK_HIGH, "what the host starts from"},
	{"/dev", ITSELF, CHECK_MEDIUM, "the host's devices"},
	{"/etc", ITSELF, CHECK_HIGH, "the host's configuration"},
	{"/etc/cron.d", BELOW, CHECK_HIGH, TIMED},
	{"/etc/cron.daily", BELOW, CHECK_HIGH, TIMED},
	{"/etc/cron.hourly", BELOW, CHECK_HIGH, TIMED},
	{"/etc/cron.monthly", BELOW, CHECK_HIGH, TIMED},
	{"/etc/cron.weekly", BELOW, CHECK_HIGH, TIMED},
	{"/etc/crontab", ITSELF, CHECK_HIGH, TIMED},
	{"/etc/docker", BELOW, CHECK_HIGH, "the engine's configuration"},
	{"/etc/group", ITSELF, CHECK_HIGH, ACCOUNTS},
	{"/etc/init.d", BELOW, CHECK_HIGH, TIMED},
	{"/etc/ld.so.conf", ITSELF, CHECK_HIGH, PROGRAMS},
	{"/etc/ld.so.conf.d", BELOW, CHECK_HIGH, PROGRAMS},
	{"/etc/ld.so.preload", ITSELF, CHECK_HIGH, PROGRAMS},
	{"/etc/pam.d", BELOW, CHECK_HIGH, ACCOUNTS},
	{"/etc/passwd", ITSELF, CHECK_HIGH, ACCOUNTS},
	{"/etc/profile.d", BELOW, CHECK_HIGH, TIMED},
	{"/etc/shadow", ITSELF, CHECK_HIGH, ACCOUNTS},
	{"/etc/ssh", BELOW, CHECK_HIGH, ACCOUNTS},
	{"/etc/sudoers", ITSELF, CHECK_HIGH, ACCOUNTS},
	{"/etc/sudoers.d", BELOW, CHECK_HIGH, ACCOUNTS},
	{"/etc/systemd", BELOW, CHECK_HIGH, TIMED},
	{"/etc/udev", BELOW, CHECK_HIGH, TIMED},
	{"/home", ITSELF, CHECK_HIGH, "every user's keys and start-up files"},
	{"/home", CHILDREN, CHECK_MEDIUM, "a user's keys and start-up files"},
	{"/lib", BELOW, CHECK_HIGH, PROGRAMS},
	{"/lib32", BELOW, CHECK_HIGH, PROGRAMS},
	{"/lib64", BELOW, CHECK_HIGH, PROGRAMS},
	{"/proc", ITSELF, CHECK_HIGH, KERNEL},
	{"/proc/sys", BELOW, CHECK_HIGH, KERNEL},
	{"/proc/sysrq-trigger", ITSELF, CHECK_HIGH, KERNEL},
	{"/root", ITSELF, CHECK_HIGH, "root's keys and start-up files"},
	{"/root/.ssh", BELOW, CHECK_HIGH, "root's keys"},
	{"/run/systemd", BELOW, CHECK_HIGH, "the service manager"},
	{"/sbin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/sys", ITSELF, CHECK_HIGH, KERNEL},
	{"/sys", BELOW, CHECK_MEDIUM, KERNEL},
	{"/usr", ITSELF, CHECK_HIGH, PROGRAMS},
	{"/usr/bin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/lib", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/lib64", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/libexec", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/local", ITSELF, CHECK_HIGH, PROGRAMS},
	{"/usr/local/bin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/local/lib", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/local/sbin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/usr/sbin", BELOW, CHECK_HIGH, PROGRAMS},
	{"/var", ITSELF, CHECK_HIGH, "every service's files"},
	{"/var/lib", ITSELF, CHECK_HIGH, "every service's files"},
	{"/var/lib/containerd", BELOW, CHECK_HIGH, "every container's files"},
	{"/var/lib/docker", CHILDREN, CHECK_HIGH, "every container's files"},
	{"/var/lib/kubelet", CHILDREN, CHECK_HIGH, "every pod's files"},
	{"/var/log", ITSELF, CHECK_MEDIUM, "the host's logs"},
	{"/var/spool/cron", BELOW, CHECK_HIGH, TIMED},
};

/* Whether PATH is as far below FOLDER as REACH goes. The engine has cleaned it. */
static bool is_at(const char *path, const char *folder, enum reach reach)
{
	size_t len = strlen(folder);
	const char *rest = path + len;

	if (strncmp(path, folder, len) != 0)
		return false;
	if (!*rest)
		return true;
	return reach != ITSELF && *rest == '/' && (reach == BELOW || !strchr(rest + 1, '/'));
}

/* Where there are secrets of the host's that root may read. */
static const struct place secrets[] = {
	{"/", ITSELF, CHECK_MEDIUM, "the whole host"},
	{"/etc", ITSELF, CHECK_MEDIUM, "accounts and keys of services"},
	{"/etc/shadow", ITSELF, CHECK_MEDIUM, "accounts"},
	{"/etc/ssh", ITSELF, CHECK_MEDIUM, "the host's keys"},
	{"/home", ITSELF, CHECK_MEDIUM, "users' keys"},
	{"/root", ITSELF, CHECK_MEDIUM, "root's keys"},
	{"/root/.ssh", BELOW, CHECK_MEDIUM, "root's keys"},
	{"/var/lib/docker", CHILDREN, CHECK_MEDIUM, "every container's files"},
};

/* What a kind of mount gives away, and how that is told. */
struct kind {
	const char *id, *how, *remedy;
	bool writable;
	const struct place *places;
	size_t len;
	struct place
		data; /* the engine's folder, elsewhere than usual, as its administrator has said */
	enum check_severity mapped; /* where its root is another user on the host */
};

static const struct kind kinds[] = {
	{"mount-sensitive",
	 "mounted writable",
	 "mount only what it needs of it, and read-only: -v SOURCE:TARGET:ro",
	 true,
	 places,
	 ARRAY_SIZE(places),
	 {"", CHILDREN, CHECK_HIGH, "every container's files"},
	 CHECK_LOW},
	{"mount-secrets",
	 "mounted read-only",
	 "mount only what it needs of it",
	 false,
	 secrets,
	 ARRAY_SIZE(secrets),
	 {"", CHILDREN, CHECK_MEDIUM, "every container's files"},
	 CHECK_INFO},
};

/* NULL: it is none of them. */
static const struct place *find_place(const struct runtime *x, const struct kind *k,
				      const char *path)
{
	for (size_t i = 0; i < k->len; i++)
		if (is_at(path, k->places[i].path, k->places[i].reach))
			return &k->places[i];
	return *x->engine.root && is_at(path, x->engine.root, k->data.reach) ? &k->data : NULL;
}

static bool is_kind(const struct kind *k, const json_t *mount)
{
	const json_t *writable = json_object_get(mount, "rw");

	return !strcmp(posture_text(mount, "type"), "bind") &&
	       (k->writable ? json_is_true(writable) : json_is_false(writable));
}

static void check_places(struct runtime *x, const struct kind *k, const json_t *mounts)
{
	struct listing found = LISTING_INIT;
	enum check_severity worst = CHECK_INFO;

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const struct place *p = find_place(x, k, posture_source(m));

		if (!p || !is_kind(k, m))
			continue;
		worst = p->severity > worst ? p->severity : worst;
		listing_add(&found, "%.200s (%s) on %.200s", posture_text(m, "source"), p->what,
			    posture_text(m, "destination"));
	}
	if (!found.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&found);
	bool mapped = runtime_is_mapped(x);

	runtime_tell(x, k->id, mapped ? k->mapped : worst,
		     mem_printf("%s: %s%s", k->how, names,
				mapped ? "; its root is another user there" : ""),
		     mem_strdup(k->remedy));
}

/* What is mounted in the container is then mounted on the host: that takes the right to mount. */
static bool may_mount(const struct runtime *x)
{
	const json_t *list = json_object_get(x->container, "cap_add");
	bool may = x->privileged;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		may |= name && (capability_is(name, "SYS_ADMIN") || capability_is(name, "ALL"));
	}
	return may;
}

static void check_shared(struct runtime *x, const json_t *mounts)
{
	struct listing found = LISTING_INIT;

	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *how = posture_text(m, "propagation");

		if (!strcmp(how, "shared") || !strcmp(how, "rshared"))
			listing_add(&found, "%.200s on %.200s (%s)", posture_text(m, "source"),
				    posture_text(m, "destination"), how);
	}
	if (!found.n)
		return;
	CLEANUP_FREE char *names = listing_steal(&found);

	runtime_tell(x, "mount-shared", may_mount(x) ? CHECK_MEDIUM : CHECK_LOW,
		     mem_printf("mounted with shared propagation: %s%s", names,
				may_mount(x) ? "; and it may mount" : ""),
		     mem_strdup("mount it private, which is the default, or rslave"));
}

void runtime_check_mounts(struct runtime *x)
{
	const json_t *mounts = json_object_get(x->container, "mounts");

	if (!json_is_array(mounts))
		runtime_unknown(x, "mounts");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		check_places(x, &kinds[i], mounts);
	check_shared(x, mounts);
}
