#include "watchdir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#define CHANGES                                                                             \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | \
	 IN_DELETE_SELF | IN_MOVE_SELF)
#define STEPS_MAX 64 /* path components and symlinks on one way; a circle of links ends here */

static void forget(struct watchdir *w)
{
	for (size_t i = 0; i < w->names.len; i++)
		free(w->names.items[i].name);
	w->names.len = 0;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int watchdir_reset(struct watchdir *w, struct error *err)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return error_set(err, -errno, "inotify: %s", strerror(errno));
	forget(w);
	w->fd = fd;
	return 0;
}

void watchdir_done(struct watchdir *w)
{
	forget(w);
	free(w->names.items);
	w->names.items = NULL;
	w->names.cap = 0;
}

/* NAME of the directory DIR; NULL: the whole of it. */
static void watch(struct watchdir *w, const char *dir, const char *name)
{
	int wd = inotify_add_watch(w->fd, dir, CHANGES | IN_MASK_ADD);
	struct watchdir_name n = {.wd = wd, .name = mem_strdup(name)};

	if (wd < 0) {
		free(n.name);
		return;
	}
	MEM_PUSH(&w->names, n);
}

/* The way to PATH: a watch for the name of each component in the directory that holds it, symlinks
 * followed one by one. *RET_END is where it leads, without symlinks. False where it breaks off. */
static bool watch_way(struct watchdir *w, const char *path, char ret_end[static PATH_MAX])
{
	CLEANUP_BUF struct buf dir = BUF_INIT;	    /* reached so far, "" for the root */
	CLEANUP_FREE char *rest = mem_strdup(path); /* still to go */

	for (int steps = 0; steps < STEPS_MAX; steps++) {
		char target[PATH_MAX];
		struct stat st;
		char *name = rest + strspn(rest, "/");
		size_t len = strcspn(name, "/");
		CLEANUP_FREE char *step = mem_strndup(name, len);
		size_t before = dir.len;
		ssize_t n;

		if (!len) {
			if (dir.len >= PATH_MAX)
				return false;
			memcpy(ret_end, dir.len ? dir.data : "/", dir.len ? dir.len + 1 : 2);
			return true;
		}
		watch(w, dir.len ? dir.data : "/", step);
		buf_printf(&dir, "/%s", step);
		if (lstat(dir.data, &st) < 0)
			return false;
		if (!S_ISLNK(st.st_mode)) {
			char *next = mem_strdup(name + len);

			free(rest);
			rest = next;
			continue;
		}
		n = readlink(dir.data, target, sizeof(target) - 1);
		if (n < 0)
			return false;
		target[n] = '\0';
		buf_truncate(&dir, target[0] == '/' ? 0 : before);
		char *next = mem_printf("%s/%s", target, name + len);

		free(rest);
		rest = next;
	}
	return false;
}

static bool is_link(const char *dir, const char *name)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static void watch_links(struct watchdir *w, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		char end[PATH_MAX];

		if (e->d_name[0] == '.' || !is_link(dir, e->d_name))
			continue;
		CLEANUP_FREE char *path = mem_printf("%s/%s", dir, e->d_name);

		watch_way(w, path, end);
	}
	closedir(d);
}

void watchdir_add(struct watchdir *w, const char *path)
{
	CLEANUP_FREE char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	CLEANUP_FREE char *absolute = mem_printf("%s/%s", here ? here : "", path);
	char end[PATH_MAX];
	struct stat st;

	if (!watch_way(w, absolute, end) || stat(end, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	watch(w, end, NULL);
	watch_links(w, end);
}

static bool concerns(const struct watchdir *w, const struct inotify_event *e)
{
	/* Events were lost, or a watched directory is gone or elsewhere. */
	if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
		return true;
	for (size_t i = 0; i < w->names.len; i++) {
		const struct watchdir_name *n = &w->names.items[i];

		if (n->wd != e->wd)
			continue;
		if (!n->name || (e->len && !strcmp(n->name, e->name)))
			return true;
	}
	return false;
}

bool watchdir_dispatch(struct watchdir *w)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool ret = false;
	ssize_t n;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)at;

			ret = concerns(w, e) || ret;
			at += sizeof(*e) + e->len;
		}
	}
	return ret;
}
