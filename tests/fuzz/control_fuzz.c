/*
 * The control socket, both ways. The first byte says which: a client that sends any bytes in any pieces
 * to the daemon, or a daemon that answers any bytes. Never a crash, and the daemon gives every line an
 * answer that the client can read.
 */
#include <jansson.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

#include "../../controller/cli/call.h"
#include "../../controller/cli/verbs.h"
#include "../../controller/reconcile/control.h"
#include "../../controller/reconcile/daemon.h"

#define ROUNDS 1000 /* of the loop, for one request: more would be a hang */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char yaml[] =
	"policy: shop\n"
	"for: {project: shop}\n"
	"allow: [{from: {}, to: {service: db}, ports: [5432]}, {from: {}, to: host}]\n"
	"publish: [{to: {}, port: 443, from: any}]\n";
/* clang-format off */
static const char snapshot[] =
	"{\"quaywall_snapshot\":1,"
	"\"networks\":[{\"id\":\"n1\",\"name\":\"shop\",\"driver\":\"bridge\",\"bridge\":\"br-1\","
	"\"subnets\":[\"172.18.0.0/16\",\"fd00:18::/64\"],\"gateways\":[\"172.18.0.1\"]}],"
	"\"containers\":[{\"id\":\"c1\",\"name\":\"web\",\"labels\":{\"com.docker.compose.project\":\"shop\","
	"\"com.docker.compose.service\":\"web\"},\"ports\":[{\"protocol\":\"tcp\",\"container_port\":80,"
	"\"host_port\":443,\"host_addr\":\"0.0.0.0\"}]},"
	"{\"id\":\"c2\",\"name\":\"db\",\"labels\":{\"com.docker.compose.project\":\"shop\","
	"\"com.docker.compose.service\":\"db\"}}],"
	"\"endpoints\":[{\"id\":\"e1\",\"network\":\"n1\",\"container\":\"c1\",\"addr4\":\"172.18.0.2\","
	"\"addr6\":\"fd00:18::2\"},"
	"{\"id\":\"e2\",\"network\":\"n1\",\"container\":\"c2\",\"addr4\":\"172.18.0.3\"}]}";
/* clang-format on */

static struct daemon d;
static char path[64];

/* What asks nothing of a kernel or a file. Nobody but root may ask the rest, and this is nobody. */
static json_t *answer(void *data, const json_t *request, uid_t uid)
{
	const char *verb = json_string_value(json_object_get(request, "verb"));

	(void)uid;
	if (verb && (!strcmp(verb, "status") || !strcmp(verb, "plan")))
		return json_pack("{s:i, s:{}}", "exit", 0, "result");
	return daemon_request(data, request, 65534);
}

static void remove_socket(void)
{
	control_close(&d.control);
	path[strlen(path) - strlen("/socket")] = '\0';
	rmdir(path);
}

static void begin(void)
{
	CLEANUP_PROBLEMS struct policy_problems p = {NULL, 0, 0};

	d.world.settings = settings_new();
	d.world.policies = policy_set_new();
	policy_parse(d.world.policies, "shop.yaml", yaml, strlen(yaml), &p);
	policy_set_check(d.world.policies, &p);
	if (docker_snapshot_read(snapshot, strlen(snapshot), &d.world.model, NULL) < 0)
		abort();
	d.world.compiled = compile_new(d.world.settings, d.world.policies, d.world.model, &p);
	d.learning.table = learn_table_new(LEARNING_PAIRS);
	d.control = (struct control) {.loop = &d.loop, .answer = answer, .data = &d};
	snprintf(path, sizeof(path), "/tmp/quaywall-fuzz-XXXXXX");
	if (!mkdtemp(path) || !d.world.compiled)
		abort();
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/socket");
	if (control_open(&d.control, path, NULL) < 0)
		abort();
	atexit(remove_socket);
}

/* ---- the daemon's side ---- */

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		abort();
	loop_turn(&d.loop, NULL);
	return fd;
}

/* The answer is JSON with an exit code that this program has. */
static void check_answer(const struct buf *text)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_JSON json_t *result = NULL;
	int code;

	if (!text->len)
		return;
	code = call_read_answer(buf_text(text), text->len, &result, &err);
	if (code < QUAYWALL_FINE || code > QUAYWALL_UNREACHABLE)
		abort();
}

static void read_answer(int fd, struct buf *out)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char bytes[4096];

	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n;

		if (poll(&p, 1, 0) == 0) {
			loop_turn(&d.loop, NULL);
			continue;
		}
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return;
		buf_add(out, bytes, (size_t)n);
	}
	abort();
}

static void ask(const uint8_t *data, size_t len, size_t piece)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP_FD int fd = dial();
	bool line = memchr(data, '\n', len) != NULL;

	while (len) {
		size_t n = len < piece ? len : piece;

		if (send(fd, data, n, MSG_NOSIGNAL) < 0)
			break;
		loop_turn(&d.loop, NULL);
		data += n;
		len -= n;
	}
	shutdown(fd, SHUT_WR);
	read_answer(fd, &out);
	if (line && !out.len)
		abort();
	check_answer(&out);
}

/* ---- the client's side ---- */

static void hear(const char *text, size_t len)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP_JSON json_t *result = NULL;

	call_read_answer(text, len, &result, &err);
	if (!result)
		return;
	status_print(result, &out);
	explain_print(result, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!d.control.path)
		begin();
	if (len < 2)
		return 0;
	if (data[0] & 1)
		hear((const char *)data + 2, len - 2);
	else
		ask(data + 2, len - 2, 1 + (size_t)data[1] * 16);
	return 0;
}
