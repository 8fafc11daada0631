/*
 * Whose a socket is, by the control group that it was made in: the kernel tells its number, which is the inode of the
 * group's folder, and the folders can be read by everybody. What has a file open only its owner may see.
 *
 * Where all groups are of version 2, every process is in one and so the answer is certain. Beside version 1 only a
 * runtime that takes the trouble puts its containers into one: then it says something of those alone that are.
 */
#include "posture.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define FOLDERS_MAX 65536
#define DEPTH_MAX   16
#define ROOT_INODE  1 /* of all groups; another one's is seen from within a namespace */

struct group {
	uint64_t inode;
	bool found;
	char container[POSTURE_ID_DIGITS + 1]; /* "": none */
};

struct walk {
	struct group *groups; /* by inode, none twice */
	size_t ngroups, found, folders;
};

void posture_container_id(const char *text, char ret[static POSTURE_ID_DIGITS + 1])
{
	ret[0] = '\0';
	while (*text) {
		size_t len = strspn(text, "0123456789abcdef");

		if (len == POSTURE_ID_DIGITS) {
			memcpy(ret, text, POSTURE_ID_DIGITS);
			ret[POSTURE_ID_DIGITS] = '\0';
		}
		text += len ? len : 1;
	}
}

/* ---- the groups that sockets are in ---- */

static int compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static struct group *group_of(const struct walk *w, uint64_t inode)
{
	struct group key = {.inode = inode};

	return w->ngroups ? bsearch(&key, w->groups, w->ngroups, sizeof(key), compare) : NULL;
}

static void find_groups(struct walk *w, const json_t *listening)
{
	size_t n = json_array_size(listening), kept = 0;

	w->groups = mem_new(n, sizeof(*w->groups));
	for (size_t i = 0; i < n; i++) {
		const json_t *inode = json_object_get(json_array_get(listening, i), "cgroup");

		if (inode)
			w->groups[w->ngroups++].inode = (uint64_t)json_integer_value(inode);
	}
	if (w->ngroups)
		qsort(w->groups, w->ngroups, sizeof(*w->groups), compare);
	for (size_t i = 0; i < w->ngroups; i++)
		if (!i || w->groups[i].inode != w->groups[kept - 1].inode)
			w->groups[kept++] = w->groups[i];
	w->ngroups = kept;
}

/* ---- their folders ---- */

static void note_folder(struct walk *w, uint64_t inode, const char *container)
{
	struct group *g = group_of(w, inode);

	if (!g || g->found)
		return;
	g->found = true;
	memcpy(g->container, container, strlen(container) + 1);
	w->found++;
}

/* Takes over FD. A group within a container's is the container's. */
static void walk_folder(struct walk *w, int fd, const char *container, unsigned depth)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && w->found < w->ngroups && w->folders < FOLDERS_MAX && (e = readdir(dir))) {
		char own[POSTURE_ID_DIGITS + 1];

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		w->folders++;
		posture_container_id(e->d_name, own);
		note_folder(w, e->d_ino, *own ? own : container);
		if (depth < DEPTH_MAX)
			walk_folder(w,
				    openat(dirfd(dir), e->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
				    *own ? own : container, depth + 1);
	}
	if (dir)
		closedir(dir);
}

/* Where version 2 is mounted; *RET_ALL: it is the only one, and seen whole. -1: nowhere. */
static int open_root(bool *ret_all)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		CLEANUP_FD int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct statfs fs;
		struct stat st;
		int ret = fd;

		if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC ||
		    fstat(fd, &st) < 0)
			continue;
		*ret_all = i == 0 && st.st_ino == ROOT_INODE;
		fd = -1;
		return ret;
	}
	return -1;
}

/* ---- all of it ---- */

static void set_container(json_t *socket, const struct group *g, bool all)
{
	if (g && g->found && *g->container)
		json_object_set_new(socket, "container", json_string(g->container));
	else if (all && g && g->found)
		json_object_set_new(socket, "container", json_null());
}

void posture_cgroups(json_t *doc)
{
	const json_t *listening = json_object_get(doc, "listening");
	struct walk w = {.groups = NULL};
	bool all = false;
	int root;

	find_groups(&w, listening);
	root = open_root(&all);
	if (root >= 0)
		note_folder(&w, ROOT_INODE, "");
	walk_folder(&w, root, "", 0);
	for (size_t i = 0; i < json_array_size(listening); i++) {
		json_t *socket = json_array_get(listening, i);
		const json_t *inode = json_object_get(socket, "cgroup");

		if (inode)
			set_container(socket, group_of(&w, (uint64_t)json_integer_value(inode)),
				      all);
		json_object_del(socket, "cgroup");
	}
	free(w.groups);
}
