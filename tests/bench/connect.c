/*
 * connect CLIENT SERVER ADDRESS PORT: TCP connections from the network namespace of the process CLIENT to ADDRESS and PORT in that
 * of SERVER: each is made, carries a request and an answer, and is closed. Each line of standard input is a number of them, and
 * is answered by the nanoseconds of CPU time that each took.
 *
 * Both ends are one thread, and the kernel does all of a packet's way, by veth pairs, before the call that sent it returns: so
 * nothing waits, and the time is all of the packets' and the sockets'.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_LEN 100
#define ANSWER_LEN  1000

static void die(const char *what)
{
	fprintf(stderr, "connect: %s: %s\n", what, strerror(errno));
	exit(3);
}

static void enter(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int serve(const struct sockaddr_in *at)
{
	int fd = tcp_socket();

	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 || listen(fd, 16) < 0)
		die("bind");
	return fd;
}

/* One message from one end to the other. */
static void carry(int from, int to, size_t len)
{
	static char bytes[ANSWER_LEN];
	size_t got = 0;

	if (send(from, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("send");
	while (got < len) {
		ssize_t n = recv(to, bytes, sizeof(bytes), 0);

		if (n <= 0)
			die("recv");
		got += (size_t)n;
	}
}

static void request(int server, const struct sockaddr_in *at)
{
	int client = tcp_socket(), accepted;
	char end;

	if (connect(client, (const struct sockaddr *)at, sizeof(*at)) < 0)
		die("connect");
	accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (accepted < 0)
		die("accept");
	carry(client, accepted, REQUEST_LEN);
	carry(accepted, client, ANSWER_LEN);
	close(client);
	if (recv(accepted, &end, 1, 0) != 0)
		die("it did not end");
	close(accepted);
}

static double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	char line[32];
	int server;

	if (argc != 5 || inet_pton(AF_INET, argv[3], &at.sin_addr) != 1)
		return 2;
	at.sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10));
	enter(argv[2]);
	server = serve(&at);
	enter(argv[1]);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long number = strtoul(line, NULL, 10);
		double before = cpu_time();

		for (unsigned long i = 0; i < number; i++)
			request(server, &at);
		printf("%.2f\n", (cpu_time() - before) / (double)number);
		fflush(stdout);
	}
	return 0;
}
