/*
 * In a network namespace of its own, and for one test in a control group that is made and removed again. Where that may not
 * be the tests are skipped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/xfrm.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"
#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"
#include "quaywall/reconcile.h"

#define ITEMS_MAX 4096
#define ID	  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- what it is made of ---- */

/* Each member: its name and the type of its value; '?' behind the type: it may be null, '-' before: or absent. */
static void assert_form(const json_t *object, const char *form)
{
	CLEANUP_FREE char *copy = mem_strdup(form);
	char *rest = copy, *word;
	size_t known = 0;

	assert_true(json_is_object(object));
	while ((word = strsep(&rest, " "))) {
		bool may_miss = *word == '-', may_be_null = word[may_miss + 1] == '?';
		const char *name = word + may_miss + may_be_null + 2;
		const json_t *value = json_object_get(object, name);
		static const char letters[] = "oasir";
		const char *letter = strchr(letters, word[may_miss]);

		known += value != NULL;
		if ((!value && may_miss) || (json_is_null(value) && may_be_null))
			continue;
		if (word[may_miss] == 'b'
			    ? !json_is_boolean(value)
			    : !value || json_typeof(value) != (json_type)(letter - letters))
			fail_msg("%s is not as said: %s", name, form);
	}
	if (known != json_object_size(object))
		fail_msg("more than %s", form);
}

static void assert_list(const json_t *object, const char *key, const char *form)
{
	const json_t *list = json_object_get(object, key);

	assert_true(json_is_array(list));
	assert_true(json_array_size(list) <= ITEMS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++)
		assert_form(json_array_get(list, i), form);
}

static void assert_tables(const json_t *doc)
{
	const json_t *tables = json_object_get(doc, "nftables");

	assert_list(doc, "nftables", "s:family s:name a:chains a:flowtables");
	for (size_t i = 0; i < json_array_size(tables); i++)
		assert_list(json_array_get(tables, i), "chains",
			    "s:name s:type s:hook i:priority s:policy");
}

static void assert_overlay(const json_t *overlay)
{
	const json_t *xfrm = json_object_get(overlay, "xfrm");

	assert_form(overlay, "a:vxlan o?:xfrm");
	assert_list(overlay, "vxlan", "s:name i:vni i:port");
	if (json_is_null(xfrm))
		return;
	assert_form(xfrm, "a:policies a:states o:stat");
	assert_list(xfrm, "policies",
		    "s:dir s:src s:dst i:protocol i:sport i:dport i:mark i:mask s:action "
		    "a:templates");
	assert_list(xfrm, "states",
		    "s:src s:dst i:spi i:reqid i:protocol s:mode i:mark i:mask s:aead s:cipher "
		    "s:auth");
}

static void assert_posture(const json_t *doc)
{
	assert_form(doc, "a:gaps -s:kernel -s:machine o:sysctl a:interfaces a:listening a:nftables "
			 "a:iptables_legacy a:ip6tables_legacy o?:socket a:programs o:overlay "
			 "-b:loopback_resolver -i:swarm_certificate_expires");
	assert_list(doc, "gaps", "s:part s:why");
	assert_list(doc, "interfaces", "s:name i:index s:kind b:up");
	assert_list(doc, "listening",
		    "s:protocol s:addr i:port i:uid -s:interface -s:process -i:pid -s?:container");
	assert_list(doc, "programs", "s:program i:pid i:uid b?:here -o:flags -o:config");
	assert_tables(doc);
	assert_overlay(json_object_get(doc, "overlay"));
}

static bool has_gap(const json_t *doc, const char *part)
{
	const json_t *gaps = json_object_get(doc, "gaps");

	for (size_t i = 0; i < json_array_size(gaps); i++)
		if (!strcmp(json_string_value(json_object_get(json_array_get(gaps, i), "part")),
			    part))
			return true;
	return false;
}

/* ---- sockets ---- */

/* Of ADDR, at any port, which is *RET_PORT. */
static int open_socket(int type, const char *addr, int *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, addr, &in.sin_addr), 1);
	assert_int_equal(bind(fd, (void *)&in, sizeof(in)), 0);
	assert_true(type != SOCK_STREAM || listen(fd, 1) == 0);
	assert_int_equal(getsockname(fd, (void *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static const json_t *listening_at(const json_t *doc, const char *protocol, int port)
{
	const json_t *list = json_object_get(doc, "listening"), *found = NULL;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		if (json_integer_value(json_object_get(one, "port")) != port ||
		    strcmp(json_string_value(json_object_get(one, "protocol")), protocol) != 0)
			continue;
		assert_null(found);
		found = one;
	}
	return found;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* NULL: it is not there. */
static const char *kind_of(const json_t *doc, const char *interface)
{
	const json_t *list = json_object_get(doc, "interfaces");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(text_of(json_array_get(list, i), "name"), interface))
			return text_of(json_array_get(list, i), "kind");
	return NULL;
}

/* ---- tests ---- */

static void test_structure(void **state)
{
	CLEANUP_JSON json_t *doc = NULL;

	(void)state;
	netns_add_bridge("br-seen");
	doc = host_posture(NULL, NULL);
	assert_posture(doc);
	assert_true(json_is_null(json_object_get(doc, "socket")));
	assert_string_equal(kind_of(doc, "lo"), "");
	assert_string_equal(kind_of(doc, "br-seen"), "bridge");
	/* Of this namespace alone. */
	assert_int_equal(json_array_size(json_object_get(doc, "listening")), 0);
	assert_int_equal(json_array_size(json_object_get(doc, "nftables")), 0);
	assert_false(has_gap(doc, "owners"));
	json_decref(doc);
	doc = host_posture("unix:///nowhere/docker.sock", NULL);
	assert_posture(doc);
	assert_true(has_gap(doc, "socket"));
}

static void test_sockets(void **state)
{
	CLEANUP_JSON json_t *doc = NULL;
	int tcp_port, udp_port;
	CLEANUP_FD int tcp = open_socket(SOCK_STREAM, "0.0.0.0", &tcp_port);
	CLEANUP_FD int udp = open_socket(SOCK_DGRAM, "0.0.0.0", &udp_port);
	const json_t *one;

	(void)state;
	assert_int_equal(setsockopt(udp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	doc = host_posture(NULL, NULL);
	assert_posture(doc);
	assert_int_equal(json_array_size(json_object_get(doc, "listening")), 2);
	one = listening_at(doc, "tcp", tcp_port);
	assert_string_equal(text_of(one, "addr"), "0.0.0.0");
	assert_int_equal(json_integer_value(json_object_get(one, "pid")), getpid());
	assert_null(json_object_get(one, "interface"));
	one = listening_at(doc, "udp", udp_port);
	assert_string_equal(text_of(one, "interface"), "lo");
	(void)tcp;
}

/* The namespace is that in which they were opened, and they serve many times. */
static void test_opened_before(void **state)
{
	struct host_diag *diag = host_diag_open();
	int port;
	CLEANUP_FD int tcp = open_socket(SOCK_STREAM, "0.0.0.0", &port);

	(void)state;
	(void)tcp;
	for (int i = 0; i < 3; i++) {
		CLEANUP_JSON json_t *doc = host_posture(NULL, diag);

		assert_posture(doc);
		assert_non_null(listening_at(doc, "tcp", port));
	}
	host_diag_close(diag);
	host_diag_close(NULL);
}

/* False: the kernel has no IPsec. */
static bool add_policy(void)
{
	_Alignas(struct nlmsghdr) char buf[1024] = "";
	CLEANUP_NETLINK struct mnl_socket *s = NULL;
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct xfrm_userpolicy_info *p;
	struct xfrm_user_tmpl t = {.family = AF_INET, .reqid = 7, .aalgos = ~0u, .ealgos = ~0u};

	if (netlink_open(NETLINK_XFRM, -1, 0, &s, NULL) < 0)
		return false;
	request->nlmsg_type = XFRM_MSG_NEWPOLICY;
	request->nlmsg_flags = NLM_F_CREATE;
	p = mnl_nlmsg_put_extra_header(request, sizeof(*p));
	*p = (struct xfrm_userpolicy_info) {.dir = XFRM_POLICY_OUT, .action = XFRM_POLICY_ALLOW};
	p->sel =
		(struct xfrm_selector) {.family = AF_INET, .prefixlen_d = 32, .proto = IPPROTO_UDP};
	p->sel.daddr.a4 = htonl(0xc0000202);
	p->lft.soft_byte_limit = p->lft.hard_byte_limit = XFRM_INF;
	p->lft.soft_packet_limit = p->lft.hard_packet_limit = XFRM_INF;
	t.id.proto = IPPROTO_ESP;
	mnl_attr_put(request, XFRMA_TMPL, sizeof(t), &t);
	assert_int_equal(netlink_request(s, request), 0);
	return true;
}

static void test_ipsec(void **state)
{
	CLEANUP_JSON json_t *doc = NULL;
	const json_t *list, *policy, *template;
	struct host_diag *diag;

	(void)state;
	if (!add_policy())
		skip();
	diag = host_diag_open();
	doc = host_posture(NULL, diag);
	host_diag_close(diag);
	assert_posture(doc);
	list = json_object_get(json_object_get(json_object_get(doc, "overlay"), "xfrm"),
			       "policies");
	assert_int_equal(json_array_size(list), 1);
	policy = json_array_get(list, 0);
	assert_string_equal(text_of(policy, "dir"), "out");
	assert_string_equal(text_of(policy, "dst"), "192.0.2.2/32");
	template = json_array_get(json_object_get(policy, "templates"), 0);
	assert_int_equal(json_integer_value(json_object_get(template, "reqid")), 7);
}

/* ---- control groups ---- */

static const char *groups(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct statfs fs;

		if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return places[i];
	}
	return NULL;
}

static bool put(const char *path, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Below ROOT, of this process by now: its line of version 2 in /proc/self/cgroup. */
static char *own_group(const char *root)
{
	CLEANUP_FD int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char text[4096] = "", *at;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return NULL;
	at = strstr(text, "0::");
	if (!at)
		return NULL;
	at[strcspn(at, "\n")] = '\0';
	return mem_printf("%s%s/cgroup.procs", root, at + 3);
}

/* The posture with a socket at PORT that was made in a group within a container's, and one at OTHER of the process's own; it
 * is in its own again. NULL: no group may be made here. */
static json_t *look_from_groups(const char *before, const char *within, int *port, int *other)
{
	CLEANUP_FREE char *procs = mem_printf("%s/cgroup.procs", within);
	CLEANUP_FD int in = -1, out = -1;

	if (!put(procs, "0"))
		return NULL;
	in = open_socket(SOCK_STREAM, "0.0.0.0", port);
	if (!put(before, "0"))
		return NULL;
	out = open_socket(SOCK_STREAM, "0.0.0.0", other);
	return host_posture(NULL, NULL);
}

static json_t *make_groups(int *port, int *other)
{
	const char *root = groups();
	CLEANUP_FREE char *before = root ? own_group(root) : NULL;
	CLEANUP_FREE char *folder = mem_printf("%s/docker-" ID ".scope", root ? root : "");
	CLEANUP_FREE char *within = mem_printf("%s/within", folder);
	json_t *doc = NULL;

	if (!before || mkdir(folder, 0755) < 0)
		return NULL;
	if (mkdir(within, 0755) == 0)
		doc = look_from_groups(before, within, port, other);
	rmdir(within);
	rmdir(folder);
	return doc;
}

/* A socket stays that of the group that it was made in, where its process has gone to another one. */
static void test_control_group(void **state)
{
	int port, other;
	CLEANUP_JSON json_t *doc = make_groups(&port, &other);
	const char *found;

	(void)state;
	if (!doc)
		skip();
	assert_posture(doc);
	assert_string_equal(text_of(listening_at(doc, "tcp", port), "container"), ID);
	/* The tests may run in a container. */
	found = text_of(listening_at(doc, "tcp", other), "container");
	assert_true(!found || strcmp(found, ID) != 0);
}

/* A process called like the engine, in the group of PROCS (NULL: in that of the tests), until it is killed; whether it is. */
static pid_t start_dockerd(const char *procs, bool *ret_is)
{
	int ready[2];
	char byte = 0;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "dockerd");
		byte = !procs || put(procs, "0") ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	*ret_is = read(ready[0], &byte, 1) == 1 && byte == 'y';
	close(ready[0]);
	return child;
}

static const json_t *program_of(const json_t *doc, pid_t pid)
{
	const json_t *list = json_object_get(doc, "programs");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_object_get(json_array_get(list, i), "pid")) == pid)
			return json_array_get(list, i);
	return NULL;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* What a container's process calls itself, and what files it has, says nothing of the engine. */
static void test_a_container_is_no_engine(void **state)
{
	const char *root = groups();
	CLEANUP_FREE char *before = root ? own_group(root) : NULL;
	CLEANUP_FREE char *folder = mem_printf("%s/docker-" ID ".scope", root ? root : "");
	CLEANUP_FREE char *procs = mem_printf("%s/cgroup.procs", folder);
	CLEANUP_JSON json_t *doc = NULL;
	pid_t engine, container;
	bool is, is_within;

	(void)state;
	if (getuid() != 0 || !before || mkdir(folder, 0755) < 0)
		skip();
	engine = start_dockerd(NULL, &is);
	container = start_dockerd(procs, &is_within);
	doc = host_posture(NULL, NULL);
	stop(engine);
	stop(container);
	rmdir(folder);
	assert_true(is && is_within);
	assert_non_null(json_object_get(program_of(doc, engine), "flags"));
	assert_non_null(program_of(doc, container));
	assert_null(json_object_get(program_of(doc, container), "flags"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_structure, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_sockets, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_opened_before, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_ipsec, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_control_group, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_a_container_is_no_engine, netns_enter,
						netns_leave),
	};

	/* 77 is a skipped test to meson. */
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
