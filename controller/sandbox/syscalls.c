/*
 * No system call but those named here: seccomp, by libseccomp.
 *
 * What is not named fails with ENOSYS and is logged by the kernel: as on a kernel that does not have it,
 * so a newer C library that tries a newer call first goes on to the one that it knows we have (EPERM it
 * takes for an answer). What only an attacker would call ends the process: the rules stay, the service
 * manager starts it anew.
 */
#include "parts.h"

#include <errno.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
	__has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#if !defined(QUAYWALL_SECCOMP)

int syscalls_restrict(struct error *err)
{
	return error_set(err, -ENOTSUP, "built without libseccomp");
}

#elif defined(SANITIZED)

/* They trace the process to find its leaks, and map what they like. */
int syscalls_restrict(struct error *err)
{
	return error_set(err, -ENOTSUP, "built with sanitizers");
}

#else

#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "quaywall/mem.h"

/* By name: each architecture and each libseccomp knows some of them only. */
static const char *const allowed[] = {
	/* files: policies, certificates, the state of the last run */
	"access",
	"close",
	"close_range",
	"dup",
	"faccessat",
	"faccessat2",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"flock",
	"fstat",
	"fstat64",
	"fstatat64",
	"fstatfs",
	"fstatfs64",
	"fsync",
	"ftruncate",
	"getcwd",
	"getdents",
	"getdents64",
	"inotify_add_watch",
	"inotify_init1",
	"inotify_rm_watch",
	"_llseek",
	"lseek",
	"lstat",
	"lstat64",
	"mkdir",
	"mkdirat",
	"newfstatat",
	"open",
	"openat",
	"pread64",
	"pwrite64",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"stat",
	"stat64",
	"statfs",
	"statfs64",
	"statx",
	"umask",
	"unlink",
	"unlinkat",
	"write",
	"writev",
	/* the engine, netlink, the control socket, the service manager, names */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"recv",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"send",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"socketpair",
	/* waiting */
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd2",
	"nanosleep",
	"pipe2",
	"poll",
	"ppoll",
	"ppoll_time64",
	"pselect6",
	"pselect6_time64",
	"restart_syscall",
	"select",
	"_newselect",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* time, chance, and who we are */
	"clock_getres",
	"clock_getres_time64",
	"clock_gettime",
	"clock_gettime64",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpgrp",
	"getpid",
	"getppid",
	"getrandom",
	"getresgid",
	"getresuid",
	"getrusage",
	"gettid",
	"gettimeofday",
	"getuid",
	"sched_getaffinity",
	"sysinfo",
	"time",
	"times",
	"uname",
	"capget",
	/* memory */
	"brk",
	"madvise",
	"mremap",
	"munmap",
	/* threads and signals */
	"exit",
	"exit_group",
	"futex",
	"futex_time64",
	"futex_waitv",
	"get_robust_list",
	"membarrier",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"sched_yield",
	"set_robust_list",
	"set_tid_address",
	"sigaltstack",
	"sigreturn",
};

/* Ends the process. */
static const char *const deadly[] = {
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"pidfd_getfd",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsmount",
	"fsconfig",
	"fspick",
	"mount_setattr",
	"setns",
	"unshare",
	"keyctl",
	"add_key",
	"request_key",
	"open_by_handle_at",
	"reboot",
	"swapon",
	"swapoff",
	"iopl",
	"ioperm",
	"acct",
	"quotactl",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"sethostname",
	"setdomainname",
	"syslog",
};

static const int ioctls[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, SIOCGIFINDEX, SIOCGIFNAME};

static int permit_all(scmp_filter_ctx filter, const char *const *names, size_t n, uint32_t action)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		/* -EDOM: it is none of this architecture's. */
		if (call != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, action, call, 0);
		if (r == -EDOM)
			r = 0;
	}
	return r;
}

/* CALL where its argument ARG has none of BITS set. */
static int permit_without(scmp_filter_ctx filter, int call, unsigned arg, uint64_t bits)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, bits, 0));
}

static int permit_value(scmp_filter_ctx filter, int call, unsigned arg, uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_CMP64(arg, SCMP_CMP_EQ, value, 0));
}

/* No memory is both written and executed; what is mapped as a library may be executed: names of hosts are
 * looked up by modules of the C library. */
static int permit_memory(scmp_filter_ctx filter)
{
	int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2)}, r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		r = permit_without(filter, calls[i], 2, PROT_EXEC);
		if (r == 0)
			r = permit_without(filter, calls[i], 2, PROT_WRITE);
		r = r == -EDOM ? 0 : r;
	}
	return r == 0 ? permit_without(filter, SCMP_SYS(mprotect), 2, PROT_EXEC) : r;
}

/* Threads, no processes. What clone3() is to do stands in memory, where no filter sees it; without it
 * the C library takes clone(). */
static int permit_threads(scmp_filter_ctx filter)
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
				    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | namespaces, CLONE_THREAD));
}

static int permit_netlink(scmp_filter_ctx filter, int bus)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				SCMP_CMP64(0, SCMP_CMP_EQ, AF_NETLINK, 0),
				SCMP_CMP64(2, SCMP_CMP_EQ, (uint64_t)bus, 0));
}

static int permit_sockets(scmp_filter_ctx filter)
{
	const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	int r = permit_netlink(filter, NETLINK_ROUTE);

	if (r == 0)
		r = permit_netlink(filter, NETLINK_NETFILTER);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = permit_value(filter, SCMP_SYS(socket), 0, (uint64_t)families[i]);
	return r;
}

/* Looks at what is here and changes nothing; and abort() sends a signal to the process itself. */
static int permit_rest(scmp_filter_ctx filter)
{
	const int options[] = {PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS,
			       PR_GET_DUMPABLE};
	int r = permit_value(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid());

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++)
		r = permit_value(filter, SCMP_SYS(prctl), 0, (uint64_t)options[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ioctls); i++)
		r = permit_value(filter, SCMP_SYS(ioctl), 1, (uint64_t)ioctls[i]);
	if (r == 0)
		r = permit_value(filter, SCMP_SYS(prlimit64), 2, 0);
	return r;
}

static int fill(scmp_filter_ctx filter)
{
	int r = permit_all(filter, allowed, ARRAY_SIZE(allowed), SCMP_ACT_ALLOW);

	if (r == 0)
		r = permit_all(filter, deadly, ARRAY_SIZE(deadly), SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = permit_memory(filter);
	if (r == 0)
		r = permit_threads(filter);
	if (r == 0)
		r = permit_sockets(filter);
	return r == 0 ? permit_rest(filter) : r;
}

/* Valgrind makes system calls of its own, and code. */
static int is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "/vgpreload_");
}

int syscalls_restrict(struct error *err)
{
	scmp_filter_ctx filter;
	int r = 0;

	if (is_valgrind())
		return error_set(err, -ENOTSUP, "runs under valgrind");
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!filter)
		return error_set(err, -ENOMEM, "libseccomp knows nothing of this machine");
	/* A kernel before 4.14 cannot log. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = fill(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? error_set(err, r, "seccomp: %s", strerror(-r)) : 0;
}

#endif
