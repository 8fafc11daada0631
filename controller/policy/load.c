#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define FILE_SIZE_MAX (16 * 1024 * 1024)

/* One run of reading: what was read so far. */
struct loader {
	struct policy_set *set;
	struct policy_problems *problems;
	struct policy_files *keep; /* or NULL */
};

struct names {
	char **items;
	size_t len, cap;
};

static void names_done(struct names *n)
{
	for (size_t i = 0; i < n->len; i++)
		free(n->items[i]);
	free(n->items);
}

static void report(struct policy_problems *p, const char *file, const char *fmt, const char *why)
{
	struct policy_where where = {.file = file};
	problem_error(p, &where, fmt, why);
}

/* All of FD, at most FILE_SIZE_MAX bytes and one more, so that the caller sees there is more. */
static int read_all(int fd, struct buf *ret)
{
	char chunk[65536];

	while (ret->len <= FILE_SIZE_MAX) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_add(ret, chunk, (size_t)n);
	}
	return 0;
}

/* O_NONBLOCK: opening a fifo that somebody put there must not stop the daemon. */
static int read_file(const char *path, struct buf *ret)
{
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return read_all(fd, ret);
}

/* R is what reading it said. */
static bool is_text(int r, const struct buf *text, const char *file, struct policy_problems *p)
{
	if (r == -EINVAL)
		report(p, file, "not a regular file (expected %s)", "a YAML file");
	else if (r < 0)
		report(p, file, "cannot be read: %s (expected a readable file)", strerror(-r));
	else if (text->len > FILE_SIZE_MAX)
		report(p, file, "the file is over 16 MiB (expected %s)", "a smaller one");
	else
		return true;
	return false;
}

static int load_file(struct loader *l, const char *path, const char *file)
{
	struct buf text CLEANUP_BUF = BUF_INIT;
	int r = read_file(path, &text);

	/* No fault of the file's, and over some time. */
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO)
		return r;
	if (!is_text(r, &text, file, l->problems))
		return 0;
	policy_parse(l->set, file, buf_text(&text), text.len, l->problems);
	if (!l->keep)
		return 0;
	struct policy_file kept = {.name = mem_strdup(file), .len = text.len};
	kept.text = buf_steal(&text);
	MEM_PUSH(l->keep, kept);
	return 0;
}

static bool is_policy_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_dir(const char *dir, struct names *ret)
{
	DIR *d = opendir(dir);
	if (!d)
		return -errno;

	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0)
		if (is_policy_name(e->d_name))
			MEM_PUSH(ret, mem_strdup(e->d_name));
	int r = -errno;
	closedir(d);
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(char *), compare_strings);
	return r;
}

/* PREFIX: what stands before the names in messages: "" or the folder and a slash. */
static int load_dir(struct loader *l, const char *dir, const char *prefix)
{
	struct names names __attribute__((cleanup(names_done))) = {0};
	int r = list_dir(dir, &names);

	for (size_t i = 0; r == 0 && i < names.len; i++) {
		char *path CLEANUP_FREE = mem_printf("%s/%s", dir, names.items[i]);
		char *file CLEANUP_FREE = mem_printf("%s%s", prefix, names.items[i]);
		r = load_file(l, path, file);
	}
	return r;
}

static int finish(struct loader *l, size_t errors_before, struct policy_set **ret)
{
	policy_set_check(l->set, l->problems);
	if (policy_problems_errors(l->problems) > errors_before) {
		policy_set_free(l->set);
		return -EINVAL;
	}
	*ret = l->set;
	return 0;
}

int policy_load(const char *dir, struct policy_problems *p, struct policy_set **ret,
		struct error *err)
{
	return policy_load_keeping(dir, p, ret, NULL, err);
}

int policy_load_keeping(const char *dir, struct policy_problems *p, struct policy_set **ret,
			struct policy_files *keep, struct error *err)
{
	struct loader l = {.set = policy_set_new(), .problems = p, .keep = keep};
	size_t errors = policy_problems_errors(p);
	int r = load_dir(&l, dir, "");

	if (r == -ENOENT) {
		struct policy_where where = {.file = dir};
		policy_problem_add(
			p, POLICY_WARNING, &where,
			"no such folder: no policy is in force (expected *.yaml files there)");
	} else if (r < 0) {
		policy_set_free(l.set);
		return error_set(err, r, "%s: cannot be read: %s", dir, strerror(-r));
	}
	return finish(&l, errors, ret);
}

static bool is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int load_path(struct loader *l, const char *path, struct error *err)
{
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	char *prefix CLEANUP_FREE = mem_printf("%.*s/", (int)len, path);
	int r = is_dir(path) ? load_dir(l, path, prefix) : load_file(l, path, path);
	return r < 0 ? error_set(err, r, "%s: cannot be read: %s", path, strerror(-r)) : 0;
}

int policy_load_files(char *const *paths, size_t n, struct policy_problems *p,
		      struct policy_set **ret, struct error *err)
{
	struct loader l = {.set = policy_set_new(), .problems = p};
	size_t errors = policy_problems_errors(p);

	for (size_t i = 0; i < n; i++) {
		int r = load_path(&l, paths[i], err);
		if (r < 0) {
			policy_set_free(l.set);
			return r;
		}
	}
	return finish(&l, errors, ret);
}

int policy_files_parse(const struct policy_files *files, struct policy_problems *p,
		       struct policy_set **ret)
{
	struct loader l = {.set = policy_set_new(), .problems = p};
	size_t errors = policy_problems_errors(p);

	for (size_t i = 0; i < files->len; i++) {
		const struct policy_file *f = &files->items[i];
		policy_parse(l.set, f->name, f->text, f->len, p);
	}
	return finish(&l, errors, ret);
}

void policy_file_done(struct policy_file *f)
{
	free(f->name);
	free(f->text);
	*f = (struct policy_file) {.name = NULL};
}

void policy_files_done(struct policy_files *files)
{
	for (size_t i = 0; i < files->len; i++)
		policy_file_done(&files->items[i]);
	free(files->items);
	*files = (struct policy_files) {NULL, 0, 0};
}

int settings_load(const char *path, bool required, struct policy_problems *p, struct settings **ret,
		  struct error *err)
{
	struct policy_file file = {.name = NULL};
	int r = settings_load_keeping(path, required, p, ret, &file, err);

	policy_file_done(&file);
	return r;
}

int settings_load_keeping(const char *path, bool required, struct policy_problems *p,
			  struct settings **ret, struct policy_file *keep, struct error *err)
{
	struct buf text CLEANUP_BUF = BUF_INIT;
	int r = read_file(path, &text);

	if (r < 0 && (r != -ENOENT || required))
		return error_set(err, r, "%s: cannot be read: %s", path, strerror(-r));
	if (r == 0) {
		keep->name = mem_strdup(path);
		keep->len = text.len;
		keep->text = buf_steal(&text);
	}
	struct settings *s = settings_of_file(keep, p);
	if (!s)
		return -EINVAL;
	*ret = s;
	return 0;
}

struct settings *settings_of_file(const struct policy_file *file, struct policy_problems *p)
{
	return file->name ? settings_parse(file->name, file->text, file->len, p) : settings_new();
}
