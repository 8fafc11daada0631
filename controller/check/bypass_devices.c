/*
 * Devices and mounts of containers that lead to the host.
 */
#include "bypass.h"

#include <fnmatch.h>
#include <string.h>

#include "quaywall/mem.h"

/* ---- devices ---- */

static bool is_any(const char *path, const char *const *globs)
{
	for (; *globs; globs++)
		if (fnmatch(*globs, path, 0) == 0)
			return true;
	return false;
}

/* PATH without "//", "/./" and "/../", which the engine keeps of a device as they were given. The caller frees it. */
static char *clean_path(const char *path)
{
	struct buf out = BUF_INIT;

	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 2 && !memcmp(path, "..", 2)) {
			const char *last = strrchr(buf_text(&out), '/');

			buf_truncate(&out, last ? (size_t)(last - buf_text(&out)) : 0);
		} else if (len && !(len == 1 && *path == '.')) {
			buf_char(&out, '/');
			buf_add(&out, path, len);
		}
		path += len;
	}
	return buf_steal(&out);
}

static bool is_disk(const char *path)
{
	static const char *const disks[] = {"/dev",
					    "/dev/[hsv]d[a-z]*",
					    "/dev/xvd[a-z]*",
					    "/dev/nvme[0-9]*",
					    "/dev/mmcblk[0-9]*",
					    "/dev/dm-[0-9]*",
					    "/dev/mapper*",
					    "/dev/md[0-9]*",
					    "/dev/md/*",
					    "/dev/disk*",
					    "/dev/block*",
					    NULL};

	return is_any(path, disks);
}

/* The kernel asks who opens one for a capability besides. */
static bool is_memory(const char *path)
{
	static const char *const memory[] = {"/dev/mem", "/dev/kmem", "/dev/port", NULL};

	return is_any(path, memory);
}

static bool is_tunnel(const char *path)
{
	static const char *const tunnels[] = {"/dev/net", "/dev/net/tun", "/dev/tap[0-9]*",
					      "/dev/ppp", NULL};

	return is_any(path, tunnels);
}

/* To make its node alone opens nothing. */
static bool has_rights(const char *rights)
{
	return strpbrk(rights, "rw") != NULL;
}

static void add_device(struct buf *out, const json_t *device)
{
	buf_printf(out, "%s%s (%s)", out->len ? ", " : "", posture_text(device, "host"),
		   posture_text(device, "rights"));
}

/* "b 8:* rwm": block devices are disks. The container makes their nodes itself. */
static void add_rules(const struct bypass_look *l, struct buf *out)
{
	const json_t *rules = json_object_get(l->set_up, "device_rules");

	for (size_t i = 0; i < json_array_size(rules); i++) {
		const char *rule = json_string_value(json_array_get(rules, i));
		const char *rights = rule ? strrchr(rule, ' ') : NULL;

		if (rights && (*rule == 'a' || *rule == 'b') && has_rights(rights) &&
		    capability_of(l->set_up, "MKNOD"))
			buf_printf(out, "%sby HostConfig.DeviceCgroupRules %s",
				   out->len ? ", " : "", rule);
	}
}

void bypass_devices(const struct bypass_look *l)
{
	const json_t *list = json_object_get(l->set_up, "devices");
	bool raw = capability_of(l->set_up, "SYS_RAWIO");
	CLEANUP_BUF struct buf host = BUF_INIT, tunnels = BUF_INIT;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		CLEANUP_FREE char *path = clean_path(posture_text(d, "host"));

		if (!has_rights(posture_text(d, "rights")))
			continue;
		if (is_disk(path) || (is_memory(path) && raw))
			add_device(&host, d);
		else if (is_tunnel(path))
			add_device(&tunnels, d);
	}
	add_rules(l, &host);
	if (host.len)
		bypass_tell_host(
			l, "device-host", mem_printf("it may use %s", buf_text(&host)),
			"remove it from `devices`; give a folder as a volume, or the one thing that "
			"is needed");
	if (!tunnels.len)
		return;
	CLEANUP_FREE char *subject = bypass_title(l);
	bool makes = capability_of(l->set_up, "NET_ADMIN");
	CLEANUP_FREE char *evidence =
		mem_printf("HostConfig.Devices has %s%s", buf_text(&tunnels),
			   makes ? ", and CapAdd has NET_ADMIN"
				 : "; without NET_ADMIN it can use what others made");

	check_report_add(l->ret, "device-tunnel", makes ? CHECK_MEDIUM : CHECK_LOW, subject,
			 evidence,
			 "remove it from `devices`, or let its policy allow egress to the tunnel's "
			 "far end alone");
}

/* ---- the engine's socket ---- */

/* /var/run is a link to /run. */
static const char *without_var(const char *path)
{
	return !strncmp(path, "/var/run", 8) && (!path[8] || path[8] == '/') ? path + 4 : path;
}

/* Whether PATH is FOLDER, or below it. */
static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len && folder[len - 1] == '/')
		len--;
	return !strncmp(path, folder, len) && (!path[len] || path[len] == '/');
}

static bool is_engines_name(const char *path)
{
	static const char *const names[] = {"docker.sock", "containerd.sock", "podman.sock",
					    "crio.sock", "cri-dockerd.sock"};
	const char *name = strrchr(path, '/');

	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (!strcmp(name + 1, names[i]))
			return true;
	return false;
}

/* The socket that the mount of SOURCE, as the host calls it, is or holds, or NULL. */
static const char *socket_in(const struct bypass_look *l, const char *source)
{
	static const char scheme[] = "unix://";
	const char *docker = compile_settings(l->in->compiled)->docker;
	const char *sockets[] = {"/run/docker.sock", "/run/containerd/containerd.sock"};

	if (docker && !strncmp(docker, scheme, sizeof(scheme) - 1))
		sockets[0] = without_var(docker + sizeof(scheme) - 1);
	if (*source != '/')
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
		if (is_below(sockets[i], source))
			return sockets[i];
	return is_engines_name(source) ? source : NULL;
}

void bypass_mounts(const struct bypass_look *l)
{
	const json_t *list = json_object_get(l->set_up, "mounts");
	CLEANUP_BUF struct buf found = BUF_INIT;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *m = json_array_get(list, i);
		const char *source = posture_text(m, "source");
		const char *named = without_var(posture_source(m));
		const char *socket =
			!strcmp(posture_text(m, "type"), "bind") ? socket_in(l, named) : NULL;

		if (!socket)
			continue;
		buf_printf(&found, "%smount of %s", found.len ? ", " : "", source);
		if (strcmp(socket, named) != 0)
			buf_printf(&found, ", which holds %s", socket);
		if (json_is_false(json_object_get(m, "rw")))
			buf_str(&found, " (read-only, which keeps nobody from connecting)");
	}
	if (found.len)
		bypass_tell_host(
			l, "engine-socket", buf_steal(&found),
			"remove the mount; what needs to ask the engine gets a proxy that passes on "
			"only the GET requests that it needs");
}
