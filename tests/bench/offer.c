/*
 * offer RATE SECONDS ADDRESS PORT [flows]: UDP datagrams at RATE a second to the IPv4 ADDRESS, and how many were taken by
 * the kernel on standard output. With `flows` each is the first of a flow of its own: the port goes on by one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	   128
#define FIRST_PORT 1024

struct offer {
	int fd;
	struct sockaddr_in to[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec payload;
	uint16_t port;
	bool flows;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void prepare(struct offer *o, const char *address)
{
	static char byte = 'x';

	o->payload = (struct iovec) {&byte, 1};
	for (size_t i = 0; i < BATCH; i++) {
		o->to[i] = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons(o->port)};
		if (inet_pton(AF_INET, address, &o->to[i].sin_addr) != 1)
			exit(2);
		o->messages[i].msg_hdr = (struct msghdr) {.msg_name = &o->to[i],
							  .msg_namelen = sizeof(o->to[i]),
							  .msg_iov = &o->payload,
							  .msg_iovlen = 1};
	}
}

/* What an earlier datagram was answered with comes as an error of a later one: that one was not sent. */
static size_t send_some(struct offer *o, size_t n)
{
	int sent;

	for (size_t i = 0; o->flows && i < n; i++) {
		o->to[i].sin_port = htons(o->port);
		o->port = o->port == UINT16_MAX ? FIRST_PORT : (uint16_t)(o->port + 1);
	}
	sent = sendmmsg(o->fd, o->messages, (unsigned)n, 0);
	return sent > 0 ? (size_t)sent : 0;
}

static size_t offer(struct offer *o, double rate, double seconds)
{
	double begin = now(), passed;
	size_t sent = 0;

	while ((passed = now() - begin) < seconds) {
		size_t due = (size_t)(passed * rate);

		while (sent < due && now() - begin < seconds) {
			size_t n = due - sent < BATCH ? due - sent : BATCH;

			sent += send_some(o, n);
		}
		usleep(500);
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct offer o;

	if (argc < 5)
		return 2;
	o.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	o.port = (uint16_t)strtoul(argv[4], NULL, 10);
	o.flows = argc > 5 && !strcmp(argv[5], "flows");
	if (o.fd < 0)
		return 3;
	prepare(&o, argv[3]);
	printf("%zu\n", offer(&o, strtod(argv[1], NULL), strtod(argv[2], NULL)));
	return 0;
}
