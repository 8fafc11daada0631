/*
 * No file is written, made, removed or executed but below a few folders: Landlock, where the kernel has
 * it (5.13 on, if it is among its security modules). Reading stays free, and so does connecting to
 * sockets.
 */
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "quaywall/mem.h"

/* Newer than the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15)
#endif

/* Of the namespace that the process is in. One switch of br_netfilter may be needed at any time, and its
 * folder comes and goes with the module. */
#define SYSCTLS "/proc/sys/net"

#define WRITES                                                                                    \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                          \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                          \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                              \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                            \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | \
	 LANDLOCK_ACCESS_FS_TRUNCATE)
#define IN_OUR_FOLDERS                                                                       \
	(WRITES & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
			      LANDLOCK_ACCESS_FS_REFER))

#define TO_APPEND (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)

/* What a kernel of each version knows; an unknown bit is refused. */
static uint64_t handled(int version)
{
	uint64_t all = WRITES | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_IOCTL_DEV;

	if (version < 2)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
	if (version < 3)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version < 5)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return all;
}

/* 0 also where PATH is not there. */
static int permit(int ruleset, const char *path, uint64_t access, struct error *err)
{
	CLEANUP_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr beneath = {.allowed_access = access, .parent_fd = fd};

	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "%s: %s", path, strerror(errno));
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return error_set(err, -errno, "Landlock, %s: %s", path, strerror(errno));
	/* The kernel forgets what is below /proc when nobody uses it, and makes it anew when asked, as something
	 * that no rule knows. So that folder stays open as long as the process lives. */
	if (!strcmp(path, SYSCTLS))
		fd = -1;
	return 0;
}

static int permit_all(int ruleset, const char *const *paths, uint64_t access, struct error *err)
{
	int r = 0;

	for (; r == 0 && *paths; paths++)
		r = permit(ruleset, *paths, access, err);
	return r;
}

static int restrict_to(int ruleset, uint64_t known, const char *const *writable,
		       const char *const *appended, struct error *err)
{
	int r = permit(ruleset, SYSCTLS, LANDLOCK_ACCESS_FS_WRITE_FILE, err);

	if (r == 0)
		r = permit_all(ruleset, writable, IN_OUR_FOLDERS & known, err);
	if (r == 0)
		r = permit_all(ruleset, appended, TO_APPEND, err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = error_set(err, -errno, "Landlock: %s", strerror(errno));
	return r;
}

int files_restrict(const char *const *writable, const char *const *appended, struct error *err)
{
	int version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled(version)};
	CLEANUP_FD int ruleset = -1;

	if (version < 0)
		return error_set(err, -errno, "the kernel has no Landlock: %s", strerror(errno));
	ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return error_set(err, -errno, "Landlock: %s", strerror(errno));
	return restrict_to(ruleset, attr.handled_access_fs, writable, appended, err);
}
