/*
 * streams: traffic that lives for a while, for the tests of what is cut and what lives on. Run inside the network
 * namespace of a container, of the host or of the LAN; ends when its standard input does.
 *
 *   streams many [OPTIONS] COUNT ADDR PORT      TCP connections to an echo server (probe's) that carry numbers
 *   streams live [OPTIONS] tcp|udp PORT [ADDR]  sends and counts on one socket, whether answered or not: to ADDR,
 *                                               or as a server to whoever sent last
 *
 * Options: -s SOURCE, -p SOURCE-PORT.
 *
 * `many` prints "up COUNT" once all are connected, and in the end "done COUNT BROKEN WRONG NUMBERS": how many
 * ended, how many gave back another byte than was sent next, and how many numbers went both ways.
 * `live` prints "ready", and then 20 times a second how many datagrams (TCP: reads) have come.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS	    5
#define MAX_STREAMS 400
#define AHEAD	    4 /* numbers that may be on their way in a stream */

static void die(const char *what)
{
	fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(64);
}

/* IPv4 addresses as mapped ones. */
static struct sockaddr_in6 address(const char *text, const char *port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons((uint16_t)strtol(port, NULL, 10))};
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "::ffff:%s", text);
	if (inet_pton(AF_INET6, strchr(text, ':') ? text : mapped, &a.sin6_addr) != 1)
		die(text);
	return a;
}

static const char *own_addr = "::", *own_port = "0";

static int open_socket(int type, const char *port)
{
	struct sockaddr_in6 a = address(own_addr, port);
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), off = 0, on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (void *)&a, sizeof(a)))
		die("bind");
	return fd;
}

static void set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		die("fcntl");
}

/* Waits one step. False: standard input has ended. */
static bool step(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	char byte;

	return poll(&in, 1, STEP_MS) == 0 || read(0, &byte, 1) > 0;
}

/* ---- many ---- */

struct stream {
	int fd; /* -1 once it broke */
	bool broken, wrong;
	uint64_t sent, got; /* numbers */
	uint8_t part[8];
	size_t npart; /* bytes of the number that is coming in */
};

static struct stream streams[MAX_STREAMS];

static void stream_open(struct stream *s, const struct sockaddr_in6 *to)
{
	struct timeval patience = {.tv_sec = 10};
	char byte;

	s->fd = open_socket(SOCK_STREAM, own_port);
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(s->fd, (const void *)to, sizeof(*to)))
		die("connect");
	do /* the server says who it is, in a line */
		if (recv(s->fd, &byte, 1, 0) != 1)
			die("no greeting");
	while (byte != '\n');
	set_nonblocking(s->fd);
}

static void stream_end(struct stream *s, bool *how)
{
	*how = true;
	close(s->fd);
	s->fd = -1;
}

static void stream_send(struct stream *s)
{
	uint8_t number[8];
	ssize_t n;

	if (s->sent - s->got >= AHEAD)
		return;
	for (int i = 0; i < 8; i++)
		number[i] = (uint8_t)(s->sent >> 8 * i);
	n = send(s->fd, number, sizeof(number), MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		stream_end(s, &s->broken);
	else if (n >= 0 && n != sizeof(number)) /* never with so little on its way */
		stream_end(s, &s->wrong);
	else
		s->sent += n > 0;
}

static void stream_take(struct stream *s, uint8_t byte)
{
	if (byte != (uint8_t)(s->got >> 8 * s->npart)) {
		s->wrong = true;
		return;
	}
	if (++s->npart == 8) {
		s->npart = 0;
		s->got++;
	}
}

static void stream_receive(struct stream *s)
{
	uint8_t bytes[512];
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < n && !s->wrong; i++)
		stream_take(s, bytes[i]);
	if (s->wrong || n == 0 || (n < 0 && errno != EAGAIN))
		stream_end(s, s->wrong ? &s->wrong : &s->broken);
}

static int many(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoul(argv[0], NULL, 10) : 0, broken = 0, wrong = 0;
	uint64_t numbers = 0;
	struct sockaddr_in6 to;

	if (count == 0 || count > MAX_STREAMS)
		return 64;
	to = address(argv[1], argv[2]);
	for (size_t i = 0; i < count; i++)
		stream_open(&streams[i], &to);
	printf("up %zu\n", count);
	while (step()) {
		for (size_t i = 0; i < count; i++) {
			if (streams[i].fd >= 0)
				stream_receive(&streams[i]);
			if (streams[i].fd >= 0)
				stream_send(&streams[i]);
		}
	}
	for (size_t i = 0; i < count; i++) {
		broken += streams[i].broken;
		wrong += streams[i].wrong;
		numbers += streams[i].got;
	}
	printf("done %zu %zu %zu %llu\n", count, broken, wrong, (unsigned long long)numbers);
	return 0;
}

/* ---- live ---- */

/* A TCP server takes one client, and may wait for it as long as its input lives. */
static int accept_one(int listener)
{
	set_nonblocking(listener);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (!step())
			exit(0);
	}
}

static int live_socket(bool tcp, const char *port, const char *to, struct sockaddr_in6 *ret_peer)
{
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd = open_socket(type, to ? own_port : port);

	if (to)
		*ret_peer = address(to, port);
	if (to && tcp && connect(fd, (void *)ret_peer, sizeof(*ret_peer)))
		die("connect");
	if (!to && tcp && listen(fd, 1))
		die("listen");
	puts("ready");
	if (!to && tcp)
		fd = accept_one(fd);
	set_nonblocking(fd);
	return fd;
}

static int live(int argc, char **argv)
{
	struct sockaddr_in6 peer = {0}, from;
	unsigned long got = 0, steps = 0;
	char buf[2048];
	bool tcp;
	int fd;

	if (argc < 2 || argc > 3)
		return 64;
	tcp = !strcmp(argv[0], "tcp");
	fd = live_socket(tcp, argv[1], argc == 3 ? argv[2] : NULL, &peer);
	while (step()) {
		socklen_t len = sizeof(from);

		while (recvfrom(fd, buf, sizeof(buf), 0, (void *)&from, &len) > 0) {
			got++;
			if (!tcp)
				peer = from;
		}
		if (tcp)
			send(fd, "0123456789", 10, MSG_NOSIGNAL);
		else if (peer.sin6_family)
			sendto(fd, "0123456789", 10, 0, (void *)&peer, sizeof(peer));
		if (++steps % 10 == 0)
			printf("%lu\n", got);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int option;

	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	optind = 2;
	while ((option = getopt(argc, argv, "+s:p:")) != -1) {
		if (option == 's')
			own_addr = optarg;
		else if (option == 'p')
			own_port = optarg;
	}
	if (!strcmp(verb, "many"))
		return many(argc - optind, argv + optind);
	if (!strcmp(verb, "live"))
		return live(argc - optind, argv + optind);
	fprintf(stderr, "usage: streams many|live [-s SOURCE] [-p SOURCE-PORT] ...\n");
	return 64;
}
