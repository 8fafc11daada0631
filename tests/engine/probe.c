/*
 * probe: the other half of the engine tests. One static program, which the test image carries and
 * which the tests also run inside a container's network namespace from without.
 *
 *   probe init                                  first process of a pid namespace: only reaps
 *   probe serve NAME PROTO:PORT[-PORT]...       answers on TCP, UDP and SCTP ports, both families
 *   probe reach [-t MS] [-s SOURCE] PROTO ADDR [PORT]
 *   probe hold  [-t MS] [-s SOURCE] ADDR PORT   keeps a TCP connection and says when it breaks
 *
 * `reach` sends one first packet and prints one line: "ok WHO PEER" (WHO answered, and PEER is the
 * source that it saw), "refused REASON" (a TCP reset or an ICMP error), "timeout", or "noroute
 * REASON" (nothing was sent). A connection alone is not an answer: docker-proxy accepts before it
 * knows whether the container can be reached. SCTP is spoken over raw sockets, so the kernel needs
 * no SCTP of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SOCKETS 512
#define MAX_PORTS   256

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_TIMEOUT = 2, EXIT_NOROUTE = 3, EXIT_USAGE = 64 };

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(EXIT_USAGE);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int left_ms(long long deadline)
{
	long long left = deadline - now_ms();

	return left > 0 ? (int)left : 0;
}

/* ---- SCTP by hand: RFC 9260, sections 3.1, 3.3.2 and 3.3.3 ---- */

#define SCTP_INIT     1
#define SCTP_INIT_ACK 2
#define SCTP_ABORT    6

struct sctp_packet {
	uint16_t sport, dport;
	uint32_t tag, checksum;
	uint8_t type, flags;
	uint16_t length;
	uint32_t init_tag, window;
	uint16_t out_streams, in_streams;
	uint32_t tsn;
} __attribute__((packed));

static uint32_t crc32c(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static struct sctp_packet sctp_make(uint8_t type, uint16_t sport, uint16_t dport, uint32_t tag)
{
	struct sctp_packet p = {
		.sport = htons(sport),
		.dport = htons(dport),
		.tag = tag,
		.type = type,
		.length = htons(20),
		.init_tag = htonl((uint32_t)getpid() << 8 | 1),
		.window = htonl(65536),
		.out_streams = htons(1),
		.in_streams = htons(1),
		.tsn = htonl(1),
	};

	p.checksum =
		crc32c(&p, sizeof(p)); /* is sent with the lowest byte first: x86 and arm64 alike */
	return p;
}

/* Where the SCTP packet begins: a raw socket of IPv4 hands over the IP header too. NULL: too short.
 */
static const struct sctp_packet *sctp_of(int family, const uint8_t *data, size_t len)
{
	size_t skip = family == AF_INET && len > 0 ? (data[0] & 15u) * 4u : 0;

	return len >= skip + 16 ? (const void *)(data + skip) : NULL;
}

/* ---- server ---- */

struct server {
	const char *name;
	struct pollfd fds[MAX_SOCKETS];
	enum { LISTENER, CONNECTION, DATAGRAM, SCTP4, SCTP6 } kinds[MAX_SOCKETS];
	size_t len;
	uint16_t sctp_ports[MAX_PORTS];
	size_t nsctp;
};

static void server_add(struct server *s, int fd, int kind)
{
	if (s->len == MAX_SOCKETS) {
		close(fd);
		return;
	}
	s->fds[s->len].fd = fd;
	s->fds[s->len].events = POLLIN;
	s->kinds[s->len++] = kind;
}

static void server_bind(struct server *s, int type, unsigned port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0, on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 64)))
		die("bind");
	server_add(s, fd, type == SOCK_STREAM ? LISTENER : DATAGRAM);
}

static void server_sctp(struct server *s)
{
	int fd4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_SCTP);
	int fd6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_SCTP);

	if (fd4 < 0 || fd6 < 0)
		die("raw socket");
	server_add(s, fd4, SCTP4);
	server_add(s, fd6, SCTP6);
}

static void server_spec(struct server *s, const char *spec)
{
	char proto[8] = "";
	unsigned first = 0, last;
	int n = sscanf(spec, "%7[a-z]:%u-%u", proto, &first, &last);

	if (n < 2 || first > 65535)
		die(spec);
	last = n == 3 ? last : first;
	for (unsigned port = first; port <= last && port <= 65535; port++) {
		if (!strcmp(proto, "tcp"))
			server_bind(s, SOCK_STREAM, port);
		else if (!strcmp(proto, "udp"))
			server_bind(s, SOCK_DGRAM, port);
		else if (s->nsctp < MAX_PORTS)
			s->sctp_ports[s->nsctp++] = (uint16_t)port;
	}
}

/* "NAME PEER\n"; PEER without the "::ffff:" of a mapped address. */
static size_t banner(const struct server *s, const struct sockaddr_in6 *peer, char buf[static 512])
{
	char text[INET6_ADDRSTRLEN] = "";
	const char *shown;

	inet_ntop(AF_INET6, &peer->sin6_addr, text, sizeof(text));
	shown = IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr) ? text + strlen("::ffff:") : text;
	return (size_t)snprintf(buf, 512, "%.200s %s\n", s->name, shown);
}

static void serve_accept(struct server *s, int fd)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	int c = accept4(fd, (void *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char buf[512];

	if (c < 0)
		return;
	len = (socklen_t)banner(s, &peer, buf);
	if (send(c, buf, len, MSG_NOSIGNAL) < 0)
		close(c);
	else
		server_add(s, c, CONNECTION);
}

/* Sends back what came; says whether the connection lives. */
static bool serve_echo(int fd)
{
	char buf[512];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n < 0)
		return errno == EAGAIN;
	return n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Answers from the address that was asked: with several networks the route may prefer another one.
 */
static void serve_datagram(struct server *s, int fd)
{
	struct sockaddr_in6 peer;
	char in[512], out[512], control[256];
	struct iovec iov = {in, sizeof(in)};
	struct msghdr msg = {
		.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(fd, &msg, 0) < 0)
		return;
	iov = (struct iovec) {out, banner(s, &peer, out)};
	if (CMSG_FIRSTHDR(&msg)) {
		struct in6_pktinfo *info = (void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));

		if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
			info->ipi6_ifindex = 0;
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void serve_sctp(struct server *s, int fd, int family)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	uint8_t data[1500];
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (void *)&peer, &len);
	const struct sctp_packet *p = n > 0 ? sctp_of(family, data, (size_t)n) : NULL;
	uint8_t answer = SCTP_ABORT;

	if (!p || p->type != SCTP_INIT)
		return;
	for (size_t i = 0; i < s->nsctp; i++)
		if (s->sctp_ports[i] == ntohs(p->dport))
			answer = SCTP_INIT_ACK;
	struct sctp_packet out = sctp_make(answer, ntohs(p->dport), ntohs(p->sport), p->init_tag);

	if (family == AF_INET6)
		((struct sockaddr_in6 *)&peer)->sin6_port = 0;
	sendto(fd, &out, sizeof(out), MSG_NOSIGNAL, (void *)&peer, len);
}

static void serve_one(struct server *s, size_t i)
{
	int fd = s->fds[i].fd;

	switch (s->kinds[i]) {
	case LISTENER:
		serve_accept(s, fd);
		break;
	case DATAGRAM:
		serve_datagram(s, fd);
		break;
	case SCTP4:
		serve_sctp(s, fd, AF_INET);
		break;
	case SCTP6:
		serve_sctp(s, fd, AF_INET6);
		break;
	case CONNECTION:
		if (serve_echo(fd))
			break;
		close(fd);
		s->fds[i] = s->fds[--s->len];
		s->kinds[i] = s->kinds[s->len];
		break;
	}
}

static void on_term(int signal)
{
	(void)signal;
	_exit(0);
}

static int serve(int argc, char **argv)
{
	static struct server s;

	if (argc < 2)
		return EXIT_USAGE;
	signal(SIGTERM, on_term); /* the first process of a container ignores it otherwise */
	s.name = argv[0];
	for (int i = 1; i < argc; i++)
		server_spec(&s, argv[i]);
	if (s.nsctp)
		server_sctp(&s);
	puts("serving");
	fflush(stdout);
	for (;;) {
		if (poll(s.fds, s.len, -1) < 0)
			die("poll");
		for (size_t i = s.len; i-- > 0;)
			if (s.fds[i].revents)
				serve_one(&s, i);
	}
}

/* ---- client ---- */

struct client {
	struct sockaddr_storage addr, source;
	socklen_t addr_len, source_len; /* source_len 0: the kernel's choice */
	uint16_t port;
	long long deadline;
};

/* "192.0.2.1", "2001:db8::1" or "fe80::1%eth0". */
static void parse_addr(const char *text, uint16_t port, struct sockaddr_storage *ret,
		       socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
	char *zone;

	memset(ret, 0, sizeof(*ret));
	snprintf(host, sizeof(host), "%s", text);
	zone = strchr(host, '%');
	if (zone)
		*zone++ = 0;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		v6->sin6_scope_id = zone ? if_nametoindex(zone) : 0;
		*ret_len = sizeof(*v6);
	} else {
		die(text);
	}
}

static int say(const char *word, const char *detail, int code)
{
	printf("%s%s%s\n", word, *detail ? " " : "", detail);
	return code;
}

static int say_error(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return say("refused", "reset-or-port", EXIT_REFUSED);
	case ECONNRESET:
	case EPIPE:
		return say("refused", "reset", EXIT_REFUSED);
	case EHOSTUNREACH: /* ICMP admin-prohibited of IPv4, or a neighbour that never answered */
	case EACCES:	   /* the same of ICMPv6 */
	case ENOPROTOOPT:
	case EPROTO:
		return say("refused", strerror(err), EXIT_REFUSED);
	case ETIMEDOUT:
	case EAGAIN:
		return say("timeout", "", EXIT_TIMEOUT);
	default:
		return say("noroute", strerror(err), EXIT_NOROUTE);
	}
}

/* A socket of TYPE, bound to the source and connected (or connecting) to the address. */
static int client_socket(const struct client *c, int type, int protocol, int *ret_errno)
{
	int fd = socket(c->addr.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int on = 1;

	if (fd < 0)
		die("socket");
	if (type == SOCK_RAW && c->addr.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else if (type == SOCK_RAW)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	if (c->source_len && bind(fd, (const void *)&c->source, c->source_len))
		die("bind to the source");
	*ret_errno = 0;
	if (connect(fd, (const void *)&c->addr, c->addr_len) && errno != EINPROGRESS)
		*ret_errno = errno;
	return fd;
}

/* Waits for EVENTS; 0, or the errno of what happened instead. */
static int wait_for(int fd, short events, long long deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int left = left_ms(deadline), n = poll(&p, 1, left), err = 0;
	socklen_t len = sizeof(err);

	if (n == 0 || left == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return errno;
	return err;
}

/* The kernel tells every raw socket to an address of each ICMP error from there, whichever sent the packet.
 * Whether it was one that began like SENT, at its transport header. */
static bool own_error(int fd, const void *sent, size_t offset, size_t len)
{
	uint8_t packet[1500];
	ssize_t n = recv(fd, packet, sizeof(packet), MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < (ssize_t)(offset + len))
		return true;
	return !memcmp(packet + offset, (const uint8_t *)sent + offset, len);
}

static int say_banner(int fd)
{
	char buf[512];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return say_error(errno);
	if (n == 0) /* docker-proxy, when the container refused */
		return say("refused", "closed", EXIT_REFUSED);
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return say("ok", buf, EXIT_OK);
}

static int reach_tcp(const struct client *c)
{
	int err, fd = client_socket(c, SOCK_STREAM, 0, &err);

	err = err ? err : wait_for(fd, POLLOUT, c->deadline);
	err = err ? err : wait_for(fd, POLLIN, c->deadline);
	return err ? say_error(err) : say_banner(fd);
}

static int reach_udp(const struct client *c)
{
	int err, fd = client_socket(c, SOCK_DGRAM, 0, &err);

	if (!err && send(fd, "?\n", 2, 0) < 0)
		err = errno;
	err = err ? err : wait_for(fd, POLLIN, c->deadline);
	return err ? say_error(err) : say_banner(fd);
}

static int reach_sctp(const struct client *c)
{
	struct client to = *c;
	uint16_t sport = (uint16_t)(32768 + getpid() % 28000);
	struct sctp_packet out = sctp_make(SCTP_INIT, sport, c->port, 0);
	uint8_t data[1500];
	int err, fd;

	if (to.addr.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to.addr)->sin6_port = 0;
	fd = client_socket(&to, SOCK_RAW, IPPROTO_SCTP, &err);
	if (!err && send(fd, &out, sizeof(out), 0) < 0)
		err = errno;
	while (!err) {
		err = wait_for(fd, POLLIN, c->deadline);
		if (err && err != ETIMEDOUT && !own_error(fd, &out, 0, 4))
			err = 0;
		if (err)
			break;
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		const struct sctp_packet *p =
			n > 0 ? sctp_of(c->addr.ss_family, data, (size_t)n) : NULL;

		if (!p || p->dport != out.sport || p->sport != out.dport)
			continue;
		if (p->type == SCTP_INIT_ACK)
			return say("ok", "sctp -", EXIT_OK);
		if (p->type == SCTP_ABORT)
			return say("refused", "abort", EXIT_REFUSED);
	}
	return say_error(err);
}

static int reach_icmp(const struct client *c)
{
	bool v4 = c->addr.ss_family == AF_INET;
	uint16_t id = htons((uint16_t)getpid());
	struct icmphdr echo = {.type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST, .un.echo.id = id};
	uint8_t data[1500], reply = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	uint32_t sum = htons((uint16_t)(ICMP_ECHO << 8)) + id;
	int err, fd = client_socket(c, SOCK_RAW, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, &err);

	if (v4) /* the kernel fills in ICMPv6's */
		echo.checksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	if (!err && send(fd, &echo, sizeof(echo), 0) < 0)
		err = errno;
	while (!err) {
		err = wait_for(fd, POLLIN, c->deadline);
		if (err && err != ETIMEDOUT && !own_error(fd, &echo, 4, 2))
			err = 0;
		if (err)
			break;
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		size_t skip = v4 && n > 0 ? (data[0] & 15u) * 4u : 0;
		const struct icmphdr *in = (const void *)(data + skip);

		if (n >= (ssize_t)(skip + sizeof(*in)) && in->type == reply && in->un.echo.id == id)
			return say("ok", "icmp -", EXIT_OK);
	}
	return say_error(err);
}

static int hold(const struct client *c, int timeout)
{
	int err, fd = client_socket(c, SOCK_STREAM, 0, &err);
	char buf[512];

	err = err ? err : wait_for(fd, POLLOUT, c->deadline);
	err = err ? err : wait_for(fd, POLLIN, c->deadline);
	if (err)
		return say_error(err);
	if (say_banner(fd))
		return EXIT_REFUSED;
	fflush(stdout);
	for (;;) {
		usleep(100000);
		if (send(fd, ".", 1, MSG_NOSIGNAL) < 0)
			return say_error(errno);
		err = wait_for(fd, POLLIN, now_ms() + timeout);
		if (err)
			return say_error(err);
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return say("refused", "closed", EXIT_REFUSED);
	}
}

static int client(const char *verb, int argc, char **argv)
{
	struct client c = {0};
	int timeout = 1000, option;

	optind = 1;
	while ((option = getopt(argc, argv, "+t:s:")) != -1) {
		if (option == 't')
			timeout = (int)strtol(optarg, NULL, 10);
		else if (option == 's')
			parse_addr(optarg, 0, &c.source, &c.source_len);
		else
			return EXIT_USAGE;
	}
	bool holds = !strcmp(verb, "hold");
	const char *proto = holds ? "tcp" : argv[optind++];
	const char *port = argc > optind + 1 ? argv[optind + 1] : "0";

	if (argc <= optind)
		return EXIT_USAGE;
	c.port = (uint16_t)strtol(port, NULL, 10);
	parse_addr(argv[optind], c.port, &c.addr, &c.addr_len);
	c.deadline = now_ms() + timeout;
	if (holds)
		return hold(&c, timeout);
	if (!strcmp(proto, "tcp"))
		return reach_tcp(&c);
	if (!strcmp(proto, "udp"))
		return reach_udp(&c);
	if (!strcmp(proto, "sctp"))
		return reach_sctp(&c);
	return strcmp(proto, "icmp") ? EXIT_USAGE : reach_icmp(&c);
}

/* The first process of a pid namespace: the kernel gives it every orphan, and ends all when it
 * ends. */
static _Noreturn void init(void)
{
	signal(SIGCHLD, SIG_IGN); /* what dies is reaped by the kernel */
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "init"))
		init();
	if (argc > 1 && !strcmp(argv[1], "serve"))
		return serve(argc - 2, argv + 2);
	if (argc > 2 && (!strcmp(argv[1], "reach") || !strcmp(argv[1], "hold")))
		return client(argv[1], argc - 1, argv + 1);
	fprintf(stderr, "usage: probe init | serve NAME PROTO:PORT... | reach ... | hold ...\n");
	return EXIT_USAGE;
}
