/*
 * All capabilities but those that the daemon uses as long as it lives.
 *
 * What becomes impossible, besides the obvious: reading files of other users that are readable by their
 * owner alone (CAP_DAC_READ_SEARCH; uid 0 still owns root's files and the engine's socket), raw sockets,
 * entering namespaces, loading modules. Sysctls below /proc/sys/net can still be written: the kernel
 * asks for CAP_NET_ADMIN there.
 */
#include "parts.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* nf_tables, conntrack, rtnetlink also into other namespaces, SO_SNDBUFFORCE. */
#define KEPT (UINT64_C(1) << CAP_NET_ADMIN)

struct sets {
	uint64_t effective, permitted, inheritable;
};

/* glibc has no functions for these two. */
static int get_sets(struct sets *ret)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*ret = (struct sets) {
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return 0;
}

static int set_sets(const struct sets *s)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
		{(uint32_t)s->effective, (uint32_t)s->permitted, (uint32_t)s->inheritable},
		{(uint32_t)(s->effective >> 32), (uint32_t)(s->permitted >> 32),
		 (uint32_t)(s->inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Takes CAP_SETPCAP, where there is something to drop. Without it (the service manager gave a few, not that one)
 * the set stays: it bounds what a program could gain that is executed, which with no_new_privs is nothing. */
static int drop_bounding(struct error *err)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		bool dropped =
			(KEPT & UINT64_C(1) << cap) || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0;

		if (!dropped && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return error_set(err, -errno, "the bounding set stays as it is: %s",
					 strerror(errno));
	}
	return 0;
}

/* A kernel before 4.3 has no ambient set. */
static int clear_ambient(struct error *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return error_set(err, -errno, "ambient capabilities: %s", strerror(errno));
	return 0;
}

int capabilities_drop(struct error *err)
{
	struct sets s = {0};
	int bounding = drop_bounding(err), r = get_sets(&s);
	bool more = (s.permitted | s.effective) & ~KEPT || s.inheritable;

	/* The unit forbids the call, as it gives nothing that could be dropped. */
	if (r == 0 && more) {
		s = (struct sets) {s.effective & KEPT, s.permitted & KEPT, 0};
		r = set_sets(&s);
	}
	if (r < 0) {
		error_done(err);
		return error_set(err, r, "capset: %s", strerror(-r));
	}
	r = bounding < 0 ? 0 : clear_ambient(err);
	return bounding < 0 ? bounding : r;
}
