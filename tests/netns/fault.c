/*
 * fault: stands between a program and netlink (LD_PRELOAD), counts the messages and, at the one that a test
 * asks for, kills the program, lets the call fail, or has the kernel refuse one message of a transaction. It
 * sets the wall clock, too.
 * The program itself knows nothing of it.
 *
 * The test and the program share the struct below as a file, which QUAYWALL_FAULT names; without it,
 * nothing happens. shim.py has the same struct.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SENT, RECEIVED, BATCHES, KINDS }; /* a batch is sent, too */

enum action {
	KILL_BEFORE = 1, /* of something that is received: as KILL_AFTER */
	KILL_AFTER,
	FAIL,	/* with the errno in `argument`; what would have been received is lost */
	REFUSE, /* a batch, for its message number `argument`, counted from 0 */
	STOP,	/* SIGSTOP behind it */
};

struct shared {
	uint32_t counts[KINDS];
	uint32_t messages; /* in the last batch, its end among them */
	uint32_t kind, number, times;
	uint32_t action, argument;
	uint32_t fired;
	int64_t clock; /* seconds that the wall clock is ahead */
};

static struct shared *shared;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("QUAYWALL_FAULT");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		shared = at;
}

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return shared && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       domain == AF_NETLINK;
}

/* Counts one more of KIND. Returns the action that is to be taken, or 0. */
static uint32_t count(int kind)
{
	uint32_t number = __atomic_add_fetch(&shared->counts[kind], 1, __ATOMIC_SEQ_CST);

	if (!shared->action || shared->kind != (uint32_t)kind || number < shared->number ||
	    number >= shared->number + shared->times)
		return 0;
	__atomic_add_fetch(&shared->fired, 1, __ATOMIC_SEQ_CST);
	return shared->action;
}

static void end(int signal_number)
{
	kill(getpid(), signal_number);
	/* A sandbox may forbid that. */
	if (signal_number == SIGKILL)
		_exit(137);
}

static bool is_batch(const void *data, size_t len)
{
	const struct nlmsghdr *m = data;

	/* RTM_NEWLINK has the same number, and is longer. One that holds nothing but its end changes nothing. */
	return len > 2 * NLMSG_SPACE(sizeof(struct nfgenmsg)) &&
	       m->nlmsg_type == NFNL_MSG_BATCH_BEGIN &&
	       m->nlmsg_len == NLMSG_LENGTH(sizeof(struct nfgenmsg));
}

/* The message NUMBER of the batch, or NULL; NUMBER becomes how many there are. */
static struct nlmsghdr *message(void *data, size_t len, uint32_t *number)
{
	struct nlmsghdr *found = NULL;
	uint32_t n = 0;

	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len; n++) {
		struct nlmsghdr *m = (struct nlmsghdr *)((char *)data + at);

		if (n == *number)
			found = m;
		at += NLMSG_ALIGN(m->nlmsg_len);
	}
	*number = n;
	return found;
}

/* The last attribute of this type behind the LEN bytes at DATA, or NULL. */
static struct nlattr *last_attribute(void *data, size_t len, uint16_t type)
{
	struct nlattr *found = NULL;

	for (size_t at = 0; at + sizeof(struct nlattr) <= len;) {
		struct nlattr *a = (struct nlattr *)((char *)data + at);

		if ((a->nla_type & NLA_TYPE_MASK) == type)
			found = a;
		at += a->nla_len < sizeof(*a) ? len : NLA_ALIGN(a->nla_len);
	}
	return found;
}

static struct nlattr *inside(struct nlattr *a, uint16_t type)
{
	return a ? last_attribute(a + 1, a->nla_len - sizeof(*a), type) : NULL;
}

/* What the kernel refuses. Of a message with elements, the last element: it has no key then. */
static void spoil(struct nlmsghdr *m)
{
	size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct nlattr *key = NULL;

	if (m->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
		key = inside(inside(last_attribute((char *)m + head, m->nlmsg_len - head,
						   NFTA_SET_ELEM_LIST_ELEMENTS),
				    NFTA_LIST_ELEM),
			     NFTA_SET_ELEM_KEY);
	if (key)
		key->nla_type = NLA_F_NESTED | 63;
	else
		m->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | 0xff;
}

typedef ssize_t send_function(int, const void *, size_t, int, const struct sockaddr *, socklen_t);

static ssize_t send_refused(send_function *really, int fd, const void *data, size_t len, int flags,
			    const struct sockaddr *addr, socklen_t size)
{
	char *copy = malloc(len);
	uint32_t number = shared->argument;
	struct nlmsghdr *m;
	ssize_t sent;

	if (!copy)
		abort();
	memcpy(copy, data, len);
	m = message(copy, len, &number);
	if (m)
		spoil(m);
	sent = really(fd, copy, len, flags, addr, size);
	free(copy);
	return sent;
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *addr,
	       socklen_t size)
{
	send_function *really = (send_function *)dlsym(RTLD_NEXT, "sendto");
	uint32_t action, number = UINT32_MAX;
	ssize_t sent;

	if (!is_netlink(fd))
		return really(fd, data, len, flags, addr, size);
	action = count(SENT);
	if (is_batch(data, len)) {
		uint32_t of_batch = count(BATCHES);

		action = of_batch ? of_batch : action;
		message((void *)(uintptr_t)data, len, &number);
		shared->messages = number;
	}
	if (action == KILL_BEFORE)
		end(SIGKILL);
	if (action == FAIL) {
		errno = (int)shared->argument;
		return -1;
	}
	if (action == REFUSE)
		return send_refused(really, fd, data, len, flags, addr, size);
	sent = really(fd, data, len, flags, addr, size);
	if (action == KILL_AFTER)
		end(SIGKILL);
	if (action == STOP)
		end(SIGSTOP);
	return sent;
}

static ssize_t received(ssize_t got)
{
	uint32_t action = got > 0 ? count(RECEIVED) : 0;

	if (action == KILL_BEFORE || action == KILL_AFTER)
		end(SIGKILL);
	if (action == STOP)
		end(SIGSTOP);
	if (action != FAIL)
		return got;
	errno = (int)shared->argument;
	return -1;
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
	static ssize_t (*really)(int, void *, size_t, int);
	ssize_t got;

	if (!really)
		really = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
	got = really(fd, data, len, flags);
	return is_netlink(fd) ? received(got) : got;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	static ssize_t (*really)(int, struct msghdr *, int);
	ssize_t got;

	if (!really)
		really = (ssize_t(*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
	got = really(fd, m, flags);
	return is_netlink(fd) ? received(got) : got;
}

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (r == 0 && clock == CLOCK_REALTIME && shared)
		ts->tv_sec += shared->clock;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
