#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quaywall/buf.h"
#include "quaywall/docker.h"
#include "quaywall/mem.h"
#include "offline.h"

static int write_named(int fd, const char *name, const struct buf *text, struct error *err)
{
	int r = buf_write(text, fd);

	return r < 0 ? error_set(err, r, "%s: %s", name, strerror(-r)) : 0;
}

/* Names and labels are nobody else's business: the mode holds for a file that was there, too. */
static int write_file(const char *path, const struct buf *text, struct error *err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	return write_named(fd, path, text, err);
}

int verb_snapshot(const struct arguments *a)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_OFFLINE struct offline o = {.settings = NULL};
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct reconcile_options options = arguments_options(a);
	int code, r;

	r = reconcile_load_settings(&options, &o.problems, &o.settings, &err);
	offline_print_problems(&o);
	if (r < 0)
		return verb_fail(QUAYWALL_USAGE, &err);
	code = offline_list(&o, a, false, &err);
	if (code != QUAYWALL_FINE)
		return verb_fail(code, &err);
	docker_snapshot_write(o.model, &text);
	r = a->output ? write_file(a->output, &text, &err)
		      : write_named(STDOUT_FILENO, "standard output", &text, &err);
	return r < 0 ? verb_fail(QUAYWALL_USAGE, &err) : QUAYWALL_FINE;
}
