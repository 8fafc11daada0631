#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/mem.h"
#include "sources.h"

/* ---- the checksum ---- */

void statefile_add_sum(struct buf *text)
{
	uint64_t sum = sources_hash(SOURCES_HASH_INIT, buf_text(text), text->len);

	buf_printf(text, "\nsum %016" PRIx64 "\n", sum);
}

bool statefile_check_sum(const char *data, size_t len, size_t *ret)
{
	const char *end = memchr(data, '\n', len);
	char want[32];
	size_t n = end ? (size_t)(end - data) : 0;

	if (!end)
		return false;
	snprintf(want, sizeof(want), "\nsum %016" PRIx64 "\n",
		 sources_hash(SOURCES_HASH_INIT, data, n));
	*ret = n;
	return len - n == strlen(want) && memcmp(end, want, len - n) == 0;
}

/* ---- the folder ---- */

int statefile_make_folder(const char *dir, struct error *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "%s: cannot be made: %s", dir, strerror(errno));
	return 0;
}

/* The folder, open. What others may write to is not believed: it decides which policies are in force. */
static int open_dir(const char *dir, bool make, int *ret, struct error *err)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r = make ? statefile_make_folder(dir, err) : 0;

	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "%s: %s", dir, strerror(errno));
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return error_set(err, -EPERM,
				 "%s: others may write there (expected our own, mode 0755 at most)",
				 dir);
	*ret = fd;
	fd = -1;
	return 0;
}

/* ---- writing ---- */

static int write_text(int fd, const struct buf *text, bool sync)
{
	int r = buf_write(text, fd);

	if (r < 0 || !sync)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* On the disk before its name is: a rename that outran its content would leave an empty file. */
static int replace(int dir, const char *name, const struct buf *text, bool sync)
{
	CLEANUP_FREE char *fresh = mem_printf("%s.new", name);
	CLEANUP_FD int fd =
		openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : write_text(fd, text, sync);

	if (r == 0 && renameat(dir, fresh, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, fresh, 0);
		return r;
	}
	return sync && fsync(dir) < 0 ? -errno : 0;
}

int statefile_write(const char *dir, const char *name, const struct buf *text, bool sync,
		    struct error *err)
{
	CLEANUP_FD int fd = -1;
	int r = open_dir(dir, true, &fd, err);

	if (r < 0)
		return r;
	r = replace(fd, name, text, sync);
	return r < 0 ? error_set(err, r, "%s/%s: cannot be written: %s", dir, name, strerror(-r))
		     : 0;
}

int statefile_remove(const char *dir, const char *name, struct error *err)
{
	CLEANUP_FD int fd = -1;
	int r = open_dir(dir, false, &fd, err);

	if (r == 0 && (unlinkat(fd, name, 0) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r == -ENOENT) {
		error_done(err);
		return 0;
	}
	return r < 0 ? error_set(err, r, "%s/%s: cannot be removed: %s", dir, name, strerror(-r))
		     : 0;
}

/* ---- reading ---- */

static int read_all(int fd, size_t max, struct buf *ret)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_add(ret, chunk, (size_t)n);
		if (ret->len > max)
			return -EFBIG;
	}
	return 0;
}

int statefile_read(const char *dir, const char *name, size_t max, struct buf *ret,
		   struct error *err)
{
	CLEANUP_FD int folder = -1;
	CLEANUP_FD int fd = -1;
	int r = open_dir(dir, false, &folder, err);

	if (r < 0)
		return r;
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = fd < 0 ? -errno : read_all(fd, max, ret);
	return r < 0 ? error_set(err, r, "%s/%s: %s", dir, name, strerror(-r)) : 0;
}
