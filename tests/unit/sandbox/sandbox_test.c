/* Each in a process of its own, as there is no way back. Without root the capabilities are none, and the
 * rest is the same; a part that this kernel or build does not have is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quaywall/sandbox.h"

#define SKIPPED 77

struct fixture {
	char dir[64];	/* may be written to */
	char log[64];	/* may be added to */
	char other[64]; /* may not */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/quaywall-sandbox-XXXXXX");
	snprintf(f->log, sizeof(f->log), "/tmp/quaywall-sandbox-XXXXXX");
	snprintf(f->other, sizeof(f->other), "/tmp/quaywall-sandbox-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) && mkdtemp(f->log) && mkdtemp(f->other) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/file", f->log);
	unlink(path);
	rmdir(f->log);
	rmdir(f->dir);
	rmdir(f->other);
	free(f);
	return 0;
}

/* The exit code of TRY in the sandbox, or -N where signal N ended it. */
static int in_sandbox(struct fixture *f, enum sandbox_part part, int (*try)(struct fixture *f))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		const char *writable[] = {f->dir, "/not/there", NULL};
		const char *appended[] = {f->log, NULL};
		struct sandbox s = {{NULL}};

		sandbox_enter_for_good(writable, appended, &s);
		if (s.missing[part])
			printf("%s: %s\n", sandbox_part_name(part), s.missing[part]);
		fflush(stdout);
		_exit(s.missing[part] ? SKIPPED : try(f));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- capabilities, no_new_privs ---- */

static uint64_t status_line(const char *name, int base)
{
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t value = UINT64_MAX;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = strtoull(line + strlen(name) + 1, NULL, base);
	if (f)
		fclose(f);
	return value;
}

static int try_capabilities(struct fixture *f)
{
	const uint64_t net_admin = UINT64_C(1) << 12;
	bool root = geteuid() == 0;

	(void)f;
	if (status_line("CapInh", 16) || status_line("CapAmb", 16))
		return 1;
	if (status_line("CapEff", 16) != (root ? net_admin : 0) ||
	    status_line("CapPrm", 16) != (root ? net_admin : 0))
		return 2;
	return root && status_line("CapBnd", 16) != net_admin ? 3 : 0;
}

static int try_no_new_privs(struct fixture *f)
{
	(void)f;
	return status_line("NoNewPrivs", 10) == 1 ? 0 : 1;
}

static void test_capabilities(void **state)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_sandbox(*state, SANDBOX_CAPABILITIES, try_capabilities), 0);
}

static void test_no_new_privs(void **state)
{
	assert_int_equal(in_sandbox(*state, SANDBOX_NO_NEW_PRIVS, try_no_new_privs), 0);
}

static void *idle(void *data)
{
	pause();
	return data;
}

/* What another thread keeps is said. */
static int try_nothing(struct fixture *f)
{
	(void)f;
	return 0;
}

static void test_other_threads_are_told(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0) {
		const char *none[] = {NULL};
		struct sandbox s = {{NULL}};
		pthread_t thread;

		if (pthread_create(&thread, NULL, idle, NULL) != 0)
			_exit(1);
		sandbox_enter_for_good(none, none, &s);
		_exit(s.missing[SANDBOX_CAPABILITIES] &&
				      strstr(s.missing[SANDBOX_CAPABILITIES], "threads keep")
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- files ---- */

static int make(const char *dir)
{
	char path[80], moved[80];
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	if (write(fd, "x", 1) != 1 || close(fd) < 0 || rename(path, moved) < 0 || unlink(moved) < 0)
		return 200;
	return 0;
}

static int try_own_folder(struct fixture *f)
{
	return make(f->dir);
}

static int try_other_folder(struct fixture *f)
{
	return make(f->other) == EACCES ? 0 : 1;
}

/* Files of others there stay in their place. */
static int try_added_folder(struct fixture *f)
{
	char path[80], moved[80];
	int fd;

	snprintf(path, sizeof(path), "%s/file", f->log);
	snprintf(moved, sizeof(moved), "%s/moved", f->log);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return 1;
	if (unlink(path) == 0 || rename(path, moved) == 0 || mkdir(moved, 0700) == 0)
		return 2;
	return symlink("/", moved) == 0 ? 3 : 0;
}

static int try_devices(struct fixture *f)
{
	(void)f;
	if (open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 1;
	return open("/dev/urandom", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 2;
}

static int try_system_files(struct fixture *f)
{
	(void)f;
	if (open("/etc/passwd", O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 1;
	if (open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 2;
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 3;
}

static void expect(void **state, enum sandbox_part part, int (*try)(struct fixture *f), int want)
{
	int got = in_sandbox(*state, part, try);

	if (got == SKIPPED)
		skip();
	assert_int_equal(got, want);
}

static void test_files(void **state)
{
	expect(state, SANDBOX_FILES, try_own_folder, 0);
	expect(state, SANDBOX_FILES, try_other_folder, 0);
	expect(state, SANDBOX_FILES, try_added_folder, 0);
	expect(state, SANDBOX_FILES, try_devices, 0);
	expect(state, SANDBOX_FILES, try_system_files, 0);
}

/* ---- system calls ---- */

static int try_execve(struct fixture *f)
{
	(void)f;
	execl("/bin/true", "true", NULL);
	return 1;
}

static int try_fork(struct fixture *f)
{
	(void)f;
	return fork() < 0 && errno == ENOSYS ? 0 : 1;
}

static int try_ptrace(struct fixture *f)
{
	(void)f;
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
	return 1;
}

static int try_mount(struct fixture *f)
{
	mount("none", f->dir, "tmpfs", 0, NULL);
	return 1;
}

static int try_setns(struct fixture *f)
{
	(void)f;
	syscall(SYS_setns, -1, 0);
	return 1;
}

static int try_bpf(struct fixture *f)
{
	(void)f;
	syscall(SYS_bpf, 0, NULL, 0);
	return 1;
}

static int try_new_namespace(struct fixture *f)
{
	(void)f;
	return syscall(SYS_clone, SIGCHLD | 0x10000000, NULL, NULL, NULL, NULL) < 0 &&
			       errno == ENOSYS
		       ? 0
		       : 1;
}

/* AF_INET stands for all but packets and the like; netlink for two of its buses. */
static int try_sockets(struct fixture *f)
{
	static const struct {
		int family, type, protocol;
		bool good;
	} sockets[] = {
		{AF_UNIX, SOCK_STREAM, 0, true},
		{AF_INET, SOCK_STREAM, 0, true},
		{AF_INET6, SOCK_DGRAM, 0, true},
		{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, true},
		{AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, true},
		{AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT, false},
		{AF_PACKET, SOCK_RAW, 0, false},
		{AF_VSOCK, SOCK_STREAM, 0, false},
		{AF_ALG, SOCK_SEQPACKET, 0, false},
	};

	(void)f;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		int fd = socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC,
				sockets[i].protocol);

		if ((fd >= 0) != sockets[i].good || (fd < 0 && errno != ENOSYS))
			return 10 + (int)i;
	}
	return 0;
}

static int try_code_in_memory(struct fixture *f)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)f;
	if (p == MAP_FAILED)
		return 1;
	if (mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0)
		return 2;
	if (mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 3;
	return mprotect(p, 4096, PROT_READ) == 0 ? 0 : 4;
}

static int try_typing(struct fixture *f)
{
	(void)f;
	return ioctl(0, TIOCSTI, "x") < 0 && errno == ENOSYS ? 0 : 1;
}

static void *count(void *data)
{
	++*(int *)data;
	return NULL;
}

/* Threads, a name, a signal to itself: what libraries do. */
static int try_daily_work(struct fixture *f)
{
	struct addrinfo *found = NULL;
	pthread_t thread;
	int n = 0;

	(void)f;
	if (pthread_create(&thread, NULL, count, &n) != 0 || pthread_join(thread, NULL) != 0 ||
	    n != 1)
		return 1;
	if (getaddrinfo("localhost", "80", NULL, &found) != 0)
		return 2;
	freeaddrinfo(found);
	return isatty(2) < 0 ? 3 : 0;
}

static int try_abort(struct fixture *f)
{
	(void)f;
	abort();
}

static void test_deadly_calls(void **state)
{
	expect(state, SANDBOX_SYSCALLS, try_execve, -SIGSYS);
	expect(state, SANDBOX_SYSCALLS, try_ptrace, -SIGSYS);
	expect(state, SANDBOX_SYSCALLS, try_mount, -SIGSYS);
	expect(state, SANDBOX_SYSCALLS, try_setns, -SIGSYS);
	expect(state, SANDBOX_SYSCALLS, try_bpf, -SIGSYS);
}

static void test_refused_calls(void **state)
{
	expect(state, SANDBOX_SYSCALLS, try_fork, 0);
	expect(state, SANDBOX_SYSCALLS, try_new_namespace, 0);
	expect(state, SANDBOX_SYSCALLS, try_sockets, 0);
	expect(state, SANDBOX_SYSCALLS, try_code_in_memory, 0);
	expect(state, SANDBOX_SYSCALLS, try_typing, 0);
}

static void test_what_is_needed(void **state)
{
	expect(state, SANDBOX_SYSCALLS, try_daily_work, 0);
	expect(state, SANDBOX_SYSCALLS, try_abort, -SIGABRT);
	expect(state, SANDBOX_NO_NEW_PRIVS, try_nothing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_new_privs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_threads_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadly_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_needed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
