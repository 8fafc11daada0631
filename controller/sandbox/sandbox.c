#include "quaywall/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "parts.h"
#include "quaywall/mem.h"

const char *sandbox_part_name(enum sandbox_part part)
{
	static const char *const names[] = {
		[SANDBOX_CAPABILITIES] = "capabilities",
		[SANDBOX_NO_NEW_PRIVS] = "no_new_privs",
		[SANDBOX_FILES] = "files",
		[SANDBOX_SYSCALLS] = "syscalls",
	};

	return names[part];
}

static int forbid_new_privileges(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "no_new_privs: %s", strerror(errno));
	return 0;
}

/* What others than the calling thread may do stays as it was. */
static int check_alone(struct error *err)
{
	DIR *d = opendir("/proc/self/task");
	size_t n = 0;

	if (!d)
		return 0; /* no /proc: nothing to be known */
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	if (n > 1)
		return error_set(err, -EBUSY, "%zu other threads keep what they have", n - 1);
	return 0;
}

static void note(struct sandbox *s, enum sandbox_part part, int r, struct error *err)
{
	if (r < 0 && !s->missing[part])
		s->missing[part] = mem_strdup(error_text(err));
	error_done(err);
}

/* The order is forced: what follows takes no_new_privs, and the filter of system calls forbids the
 * others' own. */
void sandbox_enter_for_good(const char *const *writable, const char *const *appended,
			    struct sandbox *ret)
{
	struct error err = ERROR_INIT;

	note(ret, SANDBOX_NO_NEW_PRIVS, forbid_new_privileges(&err), &err);
	note(ret, SANDBOX_FILES, files_restrict(writable, appended, &err), &err);
	note(ret, SANDBOX_CAPABILITIES, check_alone(&err), &err);
	note(ret, SANDBOX_CAPABILITIES, capabilities_drop(&err), &err);
	note(ret, SANDBOX_SYSCALLS, syscalls_restrict(&err), &err);
}

void sandbox_done(struct sandbox *s)
{
	for (size_t i = 0; i < SANDBOX_PARTS; i++)
		free(s->missing[i]);
	*s = (struct sandbox) {{NULL}};
}
