/*
 * first: what a container's process does first, for test_starts.py. A static program that is mounted into
 * the container; it writes one JSON object to a file OUT.N.json, N the microsecond of its beginning.
 *
 *   first serve PORT                     answers TCP and UDP of both families until it is killed
 *   first ask OUT MS PROTO ADDR PORT...  one flow to each, all at once, until answered or for MS
 *   first flood OUT MS PORT PROTO ADDR PORT...  new flows to each, as fast as they go, for MS; and it
 *                                        counts what reaches its own PORT meanwhile. OUT is what a
 *                                        datagram holds
 *
 * PROTO is tcp or udp; udp@PORT sends from that port. `ask` and `flood` begin as soon as the kernel has a route and a source address for the first packet: in
 * a container that is connected to a network while it runs that is the instant to be tested. Times are
 * microseconds of CLOCK_REALTIME, as the engine's events have them.
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
#include <time.h>
#include <unistd.h>

#define MAX_FLOWS 16
#define ROUTE_MS  10000 /* as long as a first packet waits for a route */

struct target {
	bool tcp;
	uint16_t from; /* source port; 0: any */
	const char *proto, *text;
	struct sockaddr_storage addr;
	socklen_t len;
};

struct flow {
	struct target to;
	char from[INET6_ADDRSTRLEN];
	int fd;
	long long first;   /* when the first packet left; 0: none yet */
	long long done;	   /* when it was answered; 0: not yet */
	int refused;	   /* errors that the network answered with */
	int first_error;   /* the errno of the first of them */
	unsigned sent;	   /* datagrams, or connections that were tried */
	unsigned answered; /* which of them the first answer was to; of the first connection, how
			    * often its SYN was sent again */
};

static void die(const char *what)
{
	fprintf(stderr, "first: %s: %s\n", what, strerror(errno));
	exit(64);
}

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void rest(unsigned us)
{
	struct timespec t = {.tv_nsec = us * 1000L};

	nanosleep(&t, NULL);
}

static struct target target_of(char **argv)
{
	struct target t = {.tcp = !strncmp(argv[0], "tcp", 3), .proto = argv[0], .text = argv[1]};
	const char *at = strchr(t.proto, '@');
	struct sockaddr_in *v4 = (void *)&t.addr;
	struct sockaddr_in6 *v6 = (void *)&t.addr;
	uint16_t port = htons((uint16_t)strtol(argv[2], NULL, 10));

	if (inet_pton(AF_INET, t.text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		t.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, t.text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		t.len = sizeof(*v6);
	} else {
		die(t.text);
	}
	t.from = at ? (uint16_t)strtol(at + 1, NULL, 10) : 0;
	return t;
}

/* No interface, no address or no route: nothing has left. */
static bool is_local(int err)
{
	return err == ENETUNREACH || err == EADDRNOTAVAIL || err == ENETDOWN || err == EINVAL;
}

static void bind_source(int fd, const struct target *t)
{
	struct sockaddr_storage any = {.ss_family = t->addr.ss_family};
	int on = 1;

	((struct sockaddr_in *)&any)->sin_port = htons(t->from); /* at the same place in IPv6's */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (void *)&any, t->len))
		die("bind");
}

static int open_socket(const struct target *t, int flags)
{
	int fd = socket(t->addr.ss_family,
			(t->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		die("socket");
	if (t->from)
		bind_source(fd, t);
	return fd;
}

static void note_source(struct flow *f)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	const struct sockaddr_in *v4 = (void *)&own;
	const struct sockaddr_in6 *v6 = (void *)&own;

	if (getsockname(f->fd, (void *)&own, &len))
		return;
	inet_ntop(own.ss_family,
		  own.ss_family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr, f->from,
		  sizeof(f->from));
}

/* Whether the kernel would send from an address of the target's own network: not by the gateway of the network
 * that the container was on before. */
static bool is_near(const struct target *t)
{
	struct sockaddr_storage own = {0};
	socklen_t len = sizeof(own);
	int fd = socket(t->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in *own4 = (void *)&own, *to4 = (const void *)&t->addr;
	const struct sockaddr_in6 *own6 = (void *)&own, *to6 = (const void *)&t->addr;
	bool near = fd >= 0 && !connect(fd, (const void *)&t->addr, t->len) &&
		    !getsockname(fd, (void *)&own, &len);

	close(fd);
	if (t->addr.ss_family == AF_INET)
		return near && !memcmp(&own4->sin_addr, &to4->sin_addr, 3);
	return near && !memcmp(&own6->sin6_addr, &to6->sin6_addr, 8);
}

/* ---- ask ---- */

static void refused(struct flow *f, int err)
{
	if (!f->refused++)
		f->first_error = err;
}

static unsigned syn_again(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_total_retrans;
}

static void tcp_result(struct flow *f)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		refused(f, err);
		close(f->fd);
		f->fd = -1;
		return;
	}
	f->done = now_us();
	if (f->sent == 1)
		f->answered = syn_again(f->fd);
}

/* One turn of a TCP flow: it connects, or looks what became of that; what is refused is tried again. */
static void ask_tcp(struct flow *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLOUT};

	if (f->fd >= 0) {
		if (poll(&p, 1, 0) > 0)
			tcp_result(f);
		return;
	}
	f->fd = open_socket(&f->to, SOCK_NONBLOCK);
	long long at = now_us();

	if (connect(f->fd, (void *)&f->to.addr, f->to.len) && errno != EINPROGRESS) {
		if (!is_local(errno) && f->first)
			refused(f, errno);
		close(f->fd);
		f->fd = -1;
		return;
	}
	f->sent++;
	f->first = f->first ? f->first : at;
	note_source(f);
}

static void udp_answer(struct flow *f)
{
	unsigned number;
	ssize_t n = recv(f->fd, &number, sizeof(number), 0);

	if (n == (ssize_t)sizeof(number)) {
		f->done = now_us();
		f->answered = number;
	} else if (n < 0 && errno != EAGAIN) {
		refused(f, errno);
	}
}

/* Datagrams carry their number. They are sent one in a millisecond at most, so the peer's answer to the
 * first has come when the second leaves. */
static void ask_udp(struct flow *f)
{
	if (f->fd < 0) {
		f->fd = open_socket(&f->to, SOCK_NONBLOCK);
		if (connect(f->fd, (void *)&f->to.addr, f->to.len)) {
			close(f->fd);
			f->fd = -1;
			return;
		}
	}
	if (f->sent)
		udp_answer(f);
	long long at = now_us();

	if (f->done || (f->sent && at < f->first + f->sent * 1000LL))
		return;
	if (send(f->fd, &f->sent, sizeof(f->sent), 0) < 0) {
		if (!is_local(errno) && errno != EAGAIN)
			refused(f, errno);
		return;
	}
	f->first = f->first ? f->first : at;
	f->sent++;
	note_source(f);
}

/* Renamed into place, so that nobody reads a half of it. */
static void tell(const char *path, long long began, unsigned arrived, struct flow *flows, int n)
{
	char name[512], fresh[512];
	FILE *out;

	snprintf(name, sizeof(name), "%s.%lld.json", path, began);
	snprintf(fresh, sizeof(fresh), "%s.%lld.new", path, began);
	out = fopen(fresh, "we");
	if (!out)
		die(fresh);
	fprintf(out, "{\"began\": %lld, \"arrived\": %u, \"flows\": [", began, arrived);
	for (int i = 0; i < n; i++) {
		struct flow *f = &flows[i];

		fprintf(out,
			"%s\n{\"proto\": \"%s\", \"from\": \"%s\", \"to\": \"%s\", \"first\": %lld, \"done\": %lld, "
			"\"refused\": %d, \"error\": \"%s\", \"sent\": %u, \"answered\": %u}",
			i ? "," : "", f->to.proto, f->from, f->to.text, f->first, f->done,
			f->refused, f->first_error ? strerrorname_np(f->first_error) : "", f->sent,
			f->answered);
	}
	fprintf(out, "]}\n");
	if (fclose(out) || rename(fresh, name))
		die(name);
}

static int targets(int argc, char **argv, struct flow flows[static MAX_FLOWS])
{
	int n = 0;

	for (; argc >= 3 && n < MAX_FLOWS; argc -= 3, argv += 3)
		flows[n++] = (struct flow) {.to = target_of(argv), .fd = -1};
	return n;
}

/* The time runs from the first packet on. */
static void note_first(const struct flow *f, long long ms, bool *any, long long *until)
{
	if (!f->first || *any)
		return;
	*any = true;
	*until = f->first + ms * 1000;
}

static int ask(const char *path, long long ms, int argc, char **argv)
{
	struct flow flows[MAX_FLOWS];
	long long began = now_us(), until = began + ROUTE_MS * 1000LL;
	int n = targets(argc, argv, flows), open = n;
	bool any = false;

	while (open && now_us() < until) {
		open = 0;
		for (int i = 0; i < n; i++) {
			struct flow *f = &flows[i];

			open += !f->done;
			if (f->done || (!f->first && !is_near(&f->to)))
				continue;
			if (f->to.tcp)
				ask_tcp(f);
			else
				ask_udp(f);
			note_first(f, ms, &any, &until);
		}
		rest(100);
	}
	tell(path, began, 0, flows, n);
	return open ? 1 : 0;
}

/* ---- servers ---- */

static int bind_port(int type, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0, on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (void *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 512)))
		die("bind");
	return fd;
}

/* Takes what waits at both sockets; how much there was. */
static unsigned take(int tcp, int udp, bool echo)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	char buf[2048];
	unsigned n = 0;
	ssize_t got;
	int fd;

	while ((fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		n++;
	}
	while ((got = recvfrom(udp, buf, sizeof(buf), 0, (void *)&peer, &len)) >= 0) {
		if (echo)
			sendto(udp, buf, (size_t)got, 0, (void *)&peer, len);
		len = sizeof(peer);
		n++;
	}
	return n;
}

static _Noreturn void serve(uint16_t port)
{
	int tcp = bind_port(SOCK_STREAM, port), udp = bind_port(SOCK_DGRAM, port);
	struct pollfd fds[] = {{.fd = tcp, .events = POLLIN}, {.fd = udp, .events = POLLIN}};

	for (;;) {
		poll(fds, 2, -1);
		take(tcp, udp, true);
	}
}

/* ---- flood ---- */

static void flood_one(struct flow *f, const char *text)
{
	long long at = now_us();

	if (f->fd >= 0)
		close(f->fd);
	f->fd = open_socket(&f->to, SOCK_NONBLOCK);
	if (connect(f->fd, (void *)&f->to.addr, f->to.len) && errno != EINPROGRESS)
		return;
	if (!f->to.tcp && send(f->fd, text, strlen(text), 0) < 0)
		return;
	if (!f->first)
		note_source(f);
	f->first = f->first ? f->first : at;
	f->sent++;
}

static int flood(const char *path, long long ms, uint16_t port, int argc, char **argv)
{
	int tcp = bind_port(SOCK_STREAM, port), udp = bind_port(SOCK_DGRAM, port);
	struct flow flows[MAX_FLOWS];
	long long began = now_us(), until = began + ROUTE_MS * 1000LL;
	int n = targets(argc, argv, flows);
	unsigned arrived = 0;
	bool any = false;

	while (now_us() < until) {
		for (int i = 0; i < n; i++) {
			flood_one(&flows[i], path);
			note_first(&flows[i], ms, &any, &until);
		}
		arrived += take(tcp, udp, false);
		rest(any ? 300 : 100);
	}
	tell(path, began, arrived, flows, n);
	return 0;
}

static void on_term(int number)
{
	(void)number;
	_exit(0);
}

static uint16_t port_of(const char *text)
{
	return (uint16_t)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_term); /* the first process of a container ignores it otherwise */
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(port_of(argv[2]));
	if (argc > 6 && !strcmp(argv[1], "ask"))
		return ask(argv[2], strtol(argv[3], NULL, 10), argc - 4, argv + 4);
	if (argc > 7 && !strcmp(argv[1], "flood"))
		return flood(argv[2], strtol(argv[3], NULL, 10), port_of(argv[4]), argc - 5,
			     argv + 5);
	fprintf(stderr, "usage: first serve | ask | flood ...\n");
	return 64;
}
