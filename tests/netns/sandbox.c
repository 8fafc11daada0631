#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quaywall/mem.h"

#define SKIPPED 77

void sandbox_enter(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return;
	if (errno == EPERM)
		exit(SKIPPED);
	abort();
}

static void become(const char *const argv[], int out)
{
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static void read_all(int fd, struct buf *out)
{
	char data[4096];
	ssize_t got;

	while ((got = read(fd, data, sizeof(data))) > 0)
		buf_add(out, data, (size_t)got);
}

int sandbox_run(const char *const argv[], struct buf *out)
{
	int ends[2] = {-1, -1}, status = 0;
	pid_t child;

	if (out && pipe2(ends, O_CLOEXEC) < 0)
		abort();
	child = fork();
	if (child < 0)
		abort();
	if (child == 0)
		become(argv, ends[1]);
	if (out) {
		close(ends[1]);
		read_all(ends[0], out);
		close(ends[0]);
	}
	if (waitpid(child, &status, 0) < 0)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sandbox_nft(struct buf *out, ...)
{
	const char *argv[16] = {"nft"};
	size_t n = 1;
	va_list ap;

	va_start(ap, out);
	while (n < ARRAY_SIZE(argv) - 1 && (argv[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	return sandbox_run(argv, out);
}

int sandbox_nft_load(const char *text)
{
	char path[] = "/tmp/quaywall-nft-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC), r;
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
	r = sandbox_nft(NULL, "-f", path, NULL);
	unlink(path);
	return r;
}
