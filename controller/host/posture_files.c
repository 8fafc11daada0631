#include "posture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define MEMBERS_MAX 256

/* Another program names some of the files: what is no regular file could hold us for good. */
int posture_read(const char *path, size_t max, struct buf *out)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char chunk[4096];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (out->len < max) {
		size_t want = max - out->len < sizeof(chunk) ? max - out->len : sizeof(chunk);
		ssize_t n = read(fd, chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_add(out, chunk, (size_t)n);
	}
	return 0;
}

/* ---- the engine's socket ---- */

static void add_member(json_t *members, const char *name)
{
	json_t *text = posture_string(name);

	for (size_t i = 0; i < json_array_size(members); i++) {
		if (json_equal(json_array_get(members, i), text)) {
			json_decref(text);
			return;
		}
	}
	if (json_array_size(members) < MEMBERS_MAX)
		json_array_append_new(members, text);
	else
		json_decref(text);
}

/* The files and not the resolver's modules, which would come into this process. */
static void add_group(json_t *socket, gid_t gid)
{
	CLEANUP_FILE FILE *groups = fopen("/etc/group", "re");
	CLEANUP_FILE FILE *users = fopen("/etc/passwd", "re");
	json_t *members = json_array();
	const struct group *g;
	const struct passwd *p;

	json_object_set_new(socket, "members", members);
	while (groups && (g = fgetgrent(groups))) {
		if (g->gr_gid != gid)
			continue;
		json_object_set_new(socket, "group", posture_string(g->gr_name));
		for (char **name = g->gr_mem; *name; name++)
			add_member(members, *name);
	}
	while (users && (p = fgetpwent(users)))
		if (p->pw_gid == gid && p->pw_uid != 0)
			add_member(members, p->pw_name);
}

void posture_socket(json_t *doc, const char *docker)
{
	static const char scheme[] = "unix://";
	const char *path;
	json_t *socket;
	struct stat st;

	json_object_set_new(doc, "socket", json_null());
	if (!docker || strncmp(docker, scheme, sizeof(scheme) - 1) != 0)
		return;
	path = docker + sizeof(scheme) - 1;
	if (stat(path, &st) < 0) {
		posture_gap(doc, "socket", strerror(errno));
		return;
	}
	socket = json_object();
	json_object_set_new(socket, "path", posture_string(path));
	json_object_set_new(socket, "mode", json_integer(st.st_mode & 07777));
	json_object_set_new(socket, "uid", json_integer(st.st_uid));
	json_object_set_new(socket, "gid", json_integer(st.st_gid));
	add_group(socket, st.st_gid);
	json_object_set_new(doc, "socket", socket);
}
