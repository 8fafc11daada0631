/*
 * replay TIMES [COME [GO [REST]]]: sends the transactions in the files COME and GO in turns, so often, REST milliseconds
 * apart (0), and writes how long each pair took on a line of standard output, in nanoseconds: `COME GO CPU`, the last for
 * both. What a program would take that had nothing else to do: the bytes are there, and it waits for the kernel's word and
 * for nothing more. Without files it only waits to be killed: what a process takes of memory that has a socket and the
 * library.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct batch {
	char *data;
	size_t len;
};

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static struct batch read_batch(const char *path)
{
	struct batch b = {NULL, 0};
	FILE *f = fopen(path, "rbe");
	long len;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (len = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0)
		fail(path);
	b.len = (size_t)len;
	b.data = malloc(b.len);
	if (!b.data || fread(b.data, 1, b.len, f) != b.len)
		fail(path);
	fclose(f);
	return b;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* All of the kernel's answers are there when the batch was sent. Whether it took it. */
static bool is_taken(struct mnl_socket *s)
{
	_Alignas(struct nlmsghdr) char data[1 << 16];
	bool acknowledged = false;
	ssize_t got;

	while ((got = recv(mnl_socket_get_fd(s), data, sizeof(data), MSG_DONTWAIT)) > 0) {
		int left = (int)got;

		for (const struct nlmsghdr *m = (const void *)data; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -e->error;
			if (e->error)
				return false;
			acknowledged = true;
		}
	}
	return acknowledged;
}

static int64_t send_batch(struct mnl_socket *s, const struct batch *b)
{
	int64_t began = now();

	if (mnl_socket_sendto(s, b->data, b->len) < 0)
		fail("the transaction was not sent");
	if (!is_taken(s))
		fail("the kernel did not take the transaction");
	return now() - began;
}

static int64_t computed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void make_room(struct mnl_socket *s, size_t len)
{
	int space = (int)(2 * len + (1 << 20));

	if (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_SNDBUFFORCE, &space, sizeof(space)) < 0)
		fail("no room to send");
}

/* For no time at all sleeping would take some 50 us. */
static void rest(long ms)
{
	if (ms > 0)
		nanosleep(&(struct timespec) {ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void replay(struct mnl_socket *s, long times, const struct batch *come,
		   const struct batch *go, long rest_ms)
{
	for (; times > 0; times--) {
		long long began = computed(), first, second = 0;

		rest(rest_ms);
		first = send_batch(s, come);
		rest(rest_ms);
		if (go->data)
			second = send_batch(s, go);
		printf("%lld %lld %lld\n", first, second, (long long)computed() - began);
	}
}

int main(int argc, char **argv)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct batch come, go = {NULL, 0};

	if (argc < 2)
		return 2;
	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("no socket");
	if (argc == 2) {
		pause();
		return 0;
	}
	come = read_batch(argv[2]);
	if (argc > 3)
		go = read_batch(argv[3]);
	make_room(s, come.len + go.len);
	setvbuf(stdout, NULL, _IOLBF, 0); /* others see how far it is */
	replay(s, strtol(argv[1], NULL, 10), &come, &go, argc > 4 ? strtol(argv[4], NULL, 10) : 0);
	mnl_socket_close(s);
	free(come.data);
	free(go.data);
	return 0;
}
