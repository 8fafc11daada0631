#include "posture.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/certificate.h"
#include "quaywall/mem.h"

#define PROCESSES_MAX	65536
#define FILES_MAX	200000 /* open files of all processes that are looked at */
#define PROGRAMS_MAX	64
#define COMMAND_MAX	16 /* bytes of a name in /proc/PID/comm, with its NUL */
#define ARGUMENTS_MAX	32768
#define CONFIG_MAX	(1u << 20)
#define CERTIFICATE_MAX 65536
#define CGROUPS_MAX	65536
#define FIRST_PIDS	0xeffffffcu /* the inode of the first namespace of processes */

/* Engines, and others that change the firewall or make containers; as /proc/PID/comm cuts the names. */
static const char *const known[] = {
	"dockerd",	"podman",      "kubelet",
	"k3s-server",	"k3s-agent",   "k0s",
	"rke2",		"crio",	       "kube-proxy",
	"cilium-agent", "calico-node", "flanneld",
	"firewalld",	"libvirtd",    "lxd",
	"incusd",	"rootlesskit", "systemd-nspawn",
	"virtnetworkd", "ufw",	       "fail2ban-server",
};

struct scan {
	json_t *doc;
	struct stat here; /* of the network namespace of this thread */
	bool knows_here;
	size_t processes, files;
	bool hidden; /* some process would not say where it is, or what it has open */
};

/* ---- one process ---- */

/* The first line of /proc/PID/NAME. */
static int read_line(const char *pid, const char *name, char *ret, size_t size)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/%s", pid, name);
	CLEANUP_BUF struct buf text = BUF_INIT;
	int r = posture_read(path, size - 1, &text);

	if (r < 0)
		return r;
	memcpy(ret, buf_text(&text), text.len);
	ret[text.len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

static bool is_known(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strncmp(known[i], command, COMMAND_MAX - 1))
			return true;
	return false;
}

enum place { HERE, ELSEWHERE, UNSEEN };

/* Whether process PID uses the same network namespace. */
static enum place place_of(struct scan *s, const char *pid)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/ns/net", pid);
	struct stat st;

	if (stat(path, &st) < 0) {
		bool gone = errno == ENOENT || errno == ESRCH;

		s->hidden |= !gone;
		return gone ? ELSEWHERE : UNSEEN;
	}
	if (!s->knows_here)
		return UNSEEN;
	return st.st_dev == s->here.st_dev && st.st_ino == s->here.st_ino ? HERE : ELSEWHERE;
}

/* ---- what an engine was told ---- */

/* No other option is taken over: what is not known may be a secret. */
static const char *const flags[] = {
	"host",
	"config-file",
	"data-root",
	"tls",
	"tlsverify",
	"iptables",
	"ip6tables",
	"userland-proxy",
	"icc",
	"live-restore",
	"experimental",
	"no-new-privileges",
	"userns-remap",
	"authorization-plugin",
	"insecure-registry",
	"log-driver",
	"log-opt",
	"exec-root",
};

static const char *flag_name(const char *name, size_t len)
{
	if (len == 1 && *name == 'H')
		return "host";
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strlen(flags[i]) == len && !memcmp(flags[i], name, len))
			return flags[i];
	return NULL;
}

/* Of the options of logging one is of interest; another may be the key of a service. */
static bool is_log_size(const char **name, const char **value)
{
	static const char size[] = "max-size=";

	if (strncmp(*value, size, sizeof(size) - 1) != 0)
		return false;
	*name = "log-max-size";
	*value += sizeof(size) - 1;
	return true;
}

static void add_flag(json_t *out, const char *name, const char *value)
{
	json_t *values;

	if (!strcmp(name, "log-opt") && !is_log_size(&name, &value))
		return;
	values = json_object_get(out, name);

	if (!values) {
		values = json_array();
		json_object_set_new(out, name, values);
	}
	if (json_array_size(values) < PROGRAMS_MAX)
		json_array_append_new(values, posture_string(value));
}

/* A switch alone means true; those with a value are told apart by what follows. */
static bool is_switch(const char *name)
{
	static const char *const texts[] = {"host",
					    "config-file",
					    "data-root",
					    "userns-remap",
					    "authorization-plugin",
					    "insecure-registry",
					    "log-driver",
					    "log-opt",
					    "exec-root"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(texts[i], name))
			return false;
	return true;
}

static json_t *read_flags(const char *pid)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/cmdline", pid);
	CLEANUP_BUF struct buf text = BUF_INIT;
	json_t *out = json_object();
	const char *at, *end;

	if (posture_read(path, ARGUMENTS_MAX, &text) < 0 || !text.len)
		return out;
	at = buf_text(&text);
	end = at + text.len;
	while (at < end) {
		const char *next = at + strlen(at) + 1;
		size_t dashes = strspn(at, "-"), len = strcspn(at, "=");
		const char *name =
			dashes && len > dashes ? flag_name(at + dashes, len - dashes) : NULL;

		if (name && at[len] == '=')
			add_flag(out, name, at + len + 1);
		else if (name && is_switch(name))
			add_flag(out, name, "true");
		else if (name && next < end)
			add_flag(out, name, next);
		at = next;
	}
	return out;
}

static void take_config(json_t *out, const json_t *config)
{
	static const char *const keys[] = {"hosts",
					   "tls",
					   "tlsverify",
					   "iptables",
					   "ip6tables",
					   "userland-proxy",
					   "icc",
					   "live-restore",
					   "experimental",
					   "no-new-privileges",
					   "userns-remap",
					   "authorization-plugins",
					   "log-driver",
					   "data-root",
					   "insecure-registries"};
	const json_t *size = json_object_get(json_object_get(config, "log-opts"), "max-size");

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *value = json_object_get(config, keys[i]);

		if (value)
			json_object_set_new(out, keys[i], json_deep_copy(value));
	}
	if (json_is_string(size))
		json_object_set_new(out, "log-max-size", posture_string(json_string_value(size)));
}

static const char *first_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
}

/* Its own root may be another one than ours: as of a packaged engine. */
static int read_of(const char *pid, const char *file, size_t max, struct buf *out)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/root%s", pid, file);

	return posture_read(path, max, out);
}

static json_t *read_config(struct scan *s, const char *pid, const json_t *options)
{
	const char *file = first_of(options, "config-file");
	CLEANUP_BUF struct buf text = BUF_INIT;
	json_t *out = json_object(), *config;
	int r = read_of(pid, file ? file : "/etc/docker/daemon.json", CONFIG_MAX, &text);

	if (r == -ENOENT && !file)
		return out;
	if (r < 0) {
		posture_gap(s->doc, "config", strerror(-r));
		return out;
	}
	config = json_loadb(buf_text(&text), text.len, 0, NULL);
	if (config)
		take_config(out, config);
	else
		posture_gap(s->doc, "config", "the engine's configuration is no JSON");
	json_decref(config);
	return out;
}

static void add_certificate(struct scan *s, const char *pid, const json_t *options,
			    const json_t *config)
{
	const char *root = first_of(options, "data-root");
	CLEANUP_FREE char *file = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	int64_t expiry;

	if (!root)
		root = first_of(config, "data-root");
	file = mem_printf("%s/swarm/certificates/swarm-node.crt", root ? root : "/var/lib/docker");
	if (read_of(pid, file, CERTIFICATE_MAX, &text) == 0 &&
	    certificate_expiry(buf_text(&text), text.len, &expiry) == 0)
		json_object_set_new(s->doc, "swarm_certificate_expires", json_integer(expiry));
}

/* By the process's own control groups: of version 1 there is one for each controller, and not all need be the container's.
 * False: they cannot be read. */
static bool read_container(const char *pid, char ret[static POSTURE_ID_DIGITS + 1])
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/cgroup", pid);
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (posture_read(path, CGROUPS_MAX, &text) < 0)
		return false;
	posture_container_id(buf_text(&text), ret);
	return true;
}

/* Another one than this program is in, if it is in one. */
static bool is_in_container(const char *pid)
{
	char id[POSTURE_ID_DIGITS + 1] = "", own[POSTURE_ID_DIGITS + 1] = "";

	return read_container(pid, id) && *id &&
	       (!read_container("self", own) || strcmp(id, own) != 0);
}

static void add_program(struct scan *s, const char *pid, const char *command, enum place place)
{
	json_t *list = json_object_get(s->doc, "programs"), *program;
	CLEANUP_FREE char *path = mem_printf("/proc/%s", pid);
	struct stat st;

	if (json_array_size(list) >= PROGRAMS_MAX || stat(path, &st) < 0)
		return;
	program = json_object();
	json_object_set_new(program, "program", posture_string(command));
	json_object_set_new(program, "pid", json_integer(strtol(pid, NULL, 10)));
	json_object_set_new(program, "uid", json_integer(st.st_uid));
	json_object_set_new(program, "here",
			    place == UNSEEN ? json_null() : json_boolean(place == HERE));
	json_array_append_new(list, program);
	/* What another user's program, or a container's, calls itself and its files says nothing. */
	if (place == HERE && st.st_uid == 0 && !strcmp(command, "dockerd") &&
	    !is_in_container(pid)) {
		json_t *options = read_flags(pid);
		json_t *config = read_config(s, pid, options);

		add_certificate(s, pid, options, config);
		json_object_set_new(program, "flags", options);
		json_object_set_new(program, "config", config);
	}
}

/* ---- whose a socket is ---- */

static void add_container(json_t *socket, const char *pid)
{
	char id[POSTURE_ID_DIGITS + 1];

	if (json_object_get(socket, "container") || !read_container(pid, id))
		return;
	json_object_set_new(socket, "container", *id ? json_string(id) : json_null());
}

static void add_owner(json_t *socket, const char *pid, const char *command)
{
	if (json_object_get(socket, "pid"))
		return;
	add_container(socket, pid);
	json_object_set_new(socket, "process", posture_string(command));
	json_object_set_new(socket, "pid", json_integer(strtol(pid, NULL, 10)));
}

static json_t *socket_of(const struct scan *s, unsigned long inode)
{
	const json_t *list = json_object_get(s->doc, "listening");
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)list, i, one) {
		if ((unsigned long)json_integer_value(json_object_get(one, "inode")) == inode)
			return one;
	}
	return NULL;
}

static void look_at_files(struct scan *s, const char *pid, const char *command)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	struct dirent *entry;

	s->hidden |= !dir && errno == EACCES;
	while (dir && s->files < FILES_MAX && (entry = readdir(dir))) {
		static const char prefix[] = "socket:[";
		char target[64];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		json_t *socket;

		s->files++;
		s->hidden |= len < 0 && errno == EACCES;
		target[len > 0 ? len : 0] = '\0';
		if (strncmp(target, prefix, sizeof(prefix) - 1) != 0)
			continue;
		socket = socket_of(s, strtoul(target + sizeof(prefix) - 1, NULL, 10));
		if (socket)
			add_owner(socket, pid, command);
	}
	if (dir)
		closedir(dir);
}

/* ---- all of them ---- */

static void look_at(struct scan *s, const char *pid)
{
	enum place place = place_of(s, pid);
	char command[COMMAND_MAX];

	if (read_line(pid, "comm", command, sizeof(command)) < 0)
		return;
	if (is_known(command))
		add_program(s, pid, command, place);
	if (place == HERE)
		look_at_files(s, pid, command);
}

/* Whether this /proc is of all processes. With `hidepid` not even the first one is there, in a container it is another one. */
static bool sees_all(const struct scan *s)
{
	struct stat st;

	return s->knows_here && !s->hidden && stat("/proc/1/ns/pid", &st) == 0 &&
	       st.st_ino == FIRST_PIDS;
}

/* ALL: every process was looked at. Then a socket that none of them has is the kernel's own. */
static void end_listing(struct scan *s, bool all)
{
	size_t i, unknown = 0;
	json_t *one;

	json_array_foreach(json_object_get(s->doc, "listening"), i, one) {
		json_object_del(one, "inode");
		if (all && !json_object_get(one, "container"))
			json_object_set_new(one, "container", json_null());
		unknown += !json_object_get(one, "container");
	}
	if (unknown) {
		CLEANUP_FREE char *why = mem_printf(
			"whose %zu of %zu sockets that listen are cannot be seen: not "
			"by control groups, and what other processes have open is hidden",
			unknown, i);

		posture_gap(s->doc, "owners", why);
	}
}

static void end_programs(struct scan *s)
{
	bool cut = s->processes >= PROCESSES_MAX || s->files >= FILES_MAX;
	json_t *one;
	size_t i;

	end_listing(s, sees_all(s) && !cut);
	if (cut)
		posture_gap(s->doc, "programs",
			    "there are more processes or open files than are looked at");
	json_array_foreach(json_object_get(s->doc, "programs"), i, one) {
		if (!json_is_null(json_object_get(one, "here")))
			continue;
		posture_gap(s->doc, "namespaces",
			    "the network namespaces of other processes cannot be seen");
		break;
	}
}

void posture_programs(json_t *doc)
{
	struct scan s = {.doc = doc};
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	json_object_set_new(doc, "programs", json_array());
	s.knows_here = stat("/proc/thread-self/ns/net", &s.here) == 0;
	while (proc && s.processes < PROCESSES_MAX && s.files < FILES_MAX &&
	       (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		s.processes++;
		look_at(&s, entry->d_name);
	}
	if (proc)
		closedir(proc);
	else
		posture_gap(doc, "programs", strerror(errno));
	end_programs(&s);
}
