/*
 * Logged packets, from real rules and a real kernel, each test in a network namespace of its own. Packets come from
 * sockets, and, where a sender has to lie, as frames on the far end of a veth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quaywall/flow.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"
#include "sandbox.h"

#define GROUP	86
#define PATIENT 5000 /* ms; nothing takes that long but a machine that is busy */

static void sh(const char *command)
{
	if (sandbox_run((const char *const[]) {"sh", "-ec", command, NULL}, NULL) != 0)
		fail_msg("%s", command);
}

static void load(const char *rules)
{
	assert_int_equal(sandbox_nft_load(rules), 0);
}

/* A table with one chain and one rule. */
static void log_by(const char *family, const char *hook, int priority, const char *rule)
{
	CLEANUP_FREE char *text = mem_printf("table %s t {\n"
					     "chain c {\n"
					     "type filter hook %s priority %d;\n"
					     "%s\n"
					     "}\n"
					     "}\n",
					     family, hook, priority, rule);

	load(text);
}

static int enter(void **state)
{
	(void)state;
	sandbox_enter();
	sh("ip link set lo up");
	return 0;
}

static struct flow_log *open_log(void)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;
	struct flow_log *l = NULL;

	if (flow_log_open(-1, GROUP, &l, &err) < 0)
		fail_msg("%s", error_text(&err));
	return l;
}

/* ---- reading ---- */

struct seen {
	struct flow_packet *items;
	size_t len, cap;
};

static void seen_done(struct seen *s)
{
	free(s->items);
}

#define CLEANUP_SEEN __attribute__((cleanup(seen_done)))

static void note(const struct flow_packet *packet, void *data)
{
	struct seen *s = data;

	MEM_PUSH(s, *packet);
}

static void read_waiting(struct flow_log *l, struct seen *s)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;

	if (flow_log_read(l, note, s, &err) < 0)
		fail_msg("%s", error_text(&err));
}

/* Reads until WANT packets came. */
static void read_packets(struct flow_log *l, struct seen *s, size_t want)
{
	struct pollfd wait = {.fd = flow_log_fd(l), .events = POLLIN};

	while (s->len < want) {
		if (poll(&wait, 1, PATIENT) != 1)
			fail_msg("%zu packets instead of %zu", s->len, want);
		read_waiting(l, s);
	}
	assert_int_equal(s->len, want);
}

static void expect_ends(const struct flow_tuple *t, const char *src, const char *dst)
{
	char text[ADDR_TEXT_SIZE];

	assert_true(addr_is_set(&t->src));
	assert_string_equal(addr_format(&t->src, text), src);
	assert_string_equal(addr_format(&t->dst, text), dst);
}

static void expect_ports(const struct flow_tuple *t, uint8_t protocol, uint16_t dport)
{
	assert_int_equal(t->protocol, protocol);
	assert_true(t->has_ports);
	assert_int_equal(t->dport, dport);
}

/* ---- sending ---- */

/* A datagram of LEN bytes from a socket of this namespace. */
static void send_udp(const char *to, uint16_t port, size_t len)
{
	static const char data[3000];
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v6 = inet_pton(AF_INET6, to, &v6.sin6_addr) == 1;
	CLEANUP_FD int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t sent;

	assert_true(is_v6 || inet_pton(AF_INET, to, &v4.sin_addr) == 1);
	sent = is_v6 ? sendto(fd, data, len, 0, (struct sockaddr *)&v6, sizeof(v6))
		     : sendto(fd, data, len, 0, (struct sockaddr *)&v4, sizeof(v4));
	assert_int_equal(sent, len);
}

static void connect_to(const char *to, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(inet_pton(AF_INET, to, &v4.sin_addr), 1);
	(void)!connect(fd, (struct sockaddr *)&v4, sizeof(v4));
}

static void send_frame(const char *interface, const void *frame, size_t len)
{
	CLEANUP_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex(interface)};

	assert_int_equal(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
}

/* ---- a table of family inet ---- */

static void test_v4_and_v6(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};
	const uint32_t lo = if_nametoindex("lo");

	(void)state;
	log_by("inet", "input", 0,
	       "meta l4proto { tcp, udp } log prefix \"quaywall refused\" group 86 drop");
	send_udp("127.0.0.1", 5353, 10);
	send_udp("::1", 5354, 10);
	connect_to("127.0.0.1", 5355);
	read_packets(l, &s, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(s.items[i].prefix, "quaywall refused");
		assert_int_equal(s.items[i].hook, NF_INET_LOCAL_IN);
		assert_int_equal(s.items[i].in, lo);
		assert_int_equal(s.items[i].out, 0);
		assert_int_equal(s.items[i].phys_in, 0);
		assert_false(s.items[i].has_mac);
	}
	assert_int_equal(s.items[0].family, NFPROTO_IPV4);
	assert_int_equal(s.items[0].ethertype, ETH_P_IP);
	assert_int_equal(s.items[0].length, 38);
	expect_ends(&s.items[0].tuple, "127.0.0.1", "127.0.0.1");
	expect_ports(&s.items[0].tuple, IPPROTO_UDP, 5353);
	assert_int_equal(s.items[1].family, NFPROTO_IPV6);
	assert_int_equal(s.items[1].ethertype, ETH_P_IPV6);
	assert_int_equal(s.items[1].length, 58);
	expect_ends(&s.items[1].tuple, "::1", "::1");
	expect_ports(&s.items[1].tuple, IPPROTO_UDP, 5354);
	expect_ports(&s.items[2].tuple, IPPROTO_TCP, 5355);
	assert_int_equal(flow_log_lost(l), 0);
}

/* Before conntrack puts them together, and without it. */
static void test_fragments(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};

	(void)state;
	sh("ip link set lo mtu 1280");
	log_by("inet", "prerouting", -500, "log group 86");
	for (int v6 = 0; v6 < 2; v6++) {
		const char *lo = v6 ? "::1" : "127.0.0.1";

		s.len = 0;
		send_udp(lo, 5353, 2000);
		/* Nobody listens: an error, too. */
		read_packets(l, &s, 3);
		assert_false(s.items[0].fragment);
		expect_ends(&s.items[0].tuple, lo, lo);
		expect_ports(&s.items[0].tuple, IPPROTO_UDP, 5353);
		assert_true(s.items[1].fragment);
		assert_false(s.items[1].tuple.has_ports);
		assert_int_equal(s.items[1].tuple.protocol, IPPROTO_UDP);
		expect_ends(&s.items[1].tuple, lo, lo);
		assert_string_equal(s.items[1].prefix, "");
		assert_true(s.items[2].has_inner);
		expect_ports(&s.items[2].inner, IPPROTO_UDP, 5353);
	}
}

static void test_icmp_error(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};

	(void)state;
	log_by("inet", "output", 0, "meta l4proto { icmp, icmpv6 } log group 86");
	send_udp("127.0.0.1", 5353, 10);
	send_udp("::1", 5354, 10);
	read_packets(l, &s, 2);
	assert_int_equal(s.items[0].hook, NF_INET_LOCAL_OUT);
	assert_int_equal(s.items[0].in, 0);
	assert_int_equal(s.items[0].out, if_nametoindex("lo"));
	for (size_t i = 0; i < 2; i++) {
		assert_true(s.items[i].tuple.has_icmp);
		assert_false(s.items[i].tuple.has_ports);
		assert_int_equal(s.items[i].tuple.icmp_type, i ? 1 : 3);
		assert_int_equal(s.items[i].tuple.icmp_code, i ? 4 : 3);
		assert_true(s.items[i].has_inner);
		expect_ends(&s.items[i].inner, i ? "::1" : "127.0.0.1", i ? "::1" : "127.0.0.1");
		expect_ports(&s.items[i].inner, IPPROTO_UDP, i ? 5354 : 5353);
	}
}

/* Has this kernel conntrack entries to give? */
static bool has_glue(void)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct error err CLEANUP_ERROR = ERROR_INIT;
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	CLEANUP_NETLINK struct mnl_socket *n = NULL;
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf = mnl_nlmsg_put_extra_header(m, sizeof(*nf));
	int r;

	assert_int_equal(netlink_open(NETLINK_NETFILTER, -1, 0, &n, &err), 0);
	m->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	nf->res_id = htons(GROUP + 1);
	mnl_attr_put(m, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put_u16(m, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_CONNTRACK));
	r = netlink_request(n, m);
	assert_true(r == 0 || r == -EOPNOTSUPP);
	return r == 0;
}

static void test_published_port(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};

	(void)state;
	load("table ip n {\n"
	     "chain o {\n"
	     "type nat hook output priority -100;\n"
	     "tcp dport 8080 dnat to 127.0.0.2:80\n"
	     "}\n"
	     "}\n");
	log_by("inet", "input", 0, "tcp dport 80 log group 86 drop");
	connect_to("127.0.0.1", 8080);
	read_packets(l, &s, 1);
	expect_ends(&s.items[0].tuple, "127.0.0.1", "127.0.0.2");
	expect_ports(&s.items[0].tuple, IPPROTO_TCP, 80);
	assert_int_equal(s.items[0].has_entry, has_glue());
	if (s.items[0].has_entry) {
		assert_true(s.items[0].entry.dnat);
		assert_int_equal(s.items[0].entry.orig_dport, 8080);
		assert_int_equal(s.items[0].entry.reply_sport, 80);
	}
}

/* ---- a bridge ---- */

#define MAC_A "\x02\x42\xac\x12\x00\x02"
#define MAC_B "\x02\x42\xac\x12\x00\x03"

/* Ports of bridge0; what is on their far ends we play ourselves. */
static void make_bridge(void)
{
	sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1\n"
	   "ip link add name bridge0 type bridge\n"
	   "ip link add name port_a type veth peer name far_a\n"
	   "ip link add name port_b type veth peer name far_b\n"
	   "ip link set far_a address 02:42:ac:12:00:02\n"
	   "ip link set far_b address 02:42:ac:12:00:03\n"
	   "ip link set port_a master bridge0\n"
	   "ip link set port_b master bridge0\n"
	   "for i in bridge0 port_a port_b far_a far_b; do ip link set $i up; done\n"
	   "bridge fdb add 02:42:ac:12:00:03 dev port_b master static\n"
	   "for i in $(seq 100); do\n"
	   "[ $(bridge link show | grep -c 'state forwarding') = 2 ] && exit 0\n"
	   "sleep 0.05\n"
	   "done\n"
	   "exit 1\n");
}

#define FRAME(ethertype) MAC_B MAC_A ethertype
#define UDP_PACKET                                     \
	"\x45\0\0\x1c\0\0\0\0\x40\x11\x22\x47"         \
	"\xac\x12\0\x63\xac\x12\0\3\xc0\xde\x15\x38\0" \
	"\x08\0\0"
#define ARP_ANSWER "\0\1\x08\0\6\4\0\2" MAC_A "\xac\x12\0\x63" MAC_B "\xac\x12\0\3"

static void expect_from_port(const struct flow_packet *p)
{
	assert_int_equal(p->in, if_nametoindex("bridge0"));
	assert_int_equal(p->phys_in, if_nametoindex("port_a"));
	assert_true(p->has_mac);
	assert_memory_equal(p->mac, MAC_A, 6);
	expect_ends(&p->tuple, "172.18.0.99", "172.18.0.3");
}

static void test_spoofed_on_a_bridge(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};
	static const char arp[60] = FRAME("\x08\x06") ARP_ANSWER,
			  udp[60] = FRAME("\x08\0") UDP_PACKET,
			  tagged[64] = FRAME("\x81\0\0\7\x08\0") UDP_PACKET,
			  twice[68] = FRAME("\x88\xa8\0\7\x81\0\0\x8\x08\0") UDP_PACKET;

	(void)state;
	make_bridge();
	log_by("bridge", "prerouting", -500,
	       "iifname port_a log prefix \"quaywall spoofed\" group 86 drop");
	send_frame("far_a", arp, sizeof(arp));
	send_frame("far_a", udp, sizeof(udp));
	send_frame("far_a", tagged, sizeof(tagged));
	send_frame("far_a", twice, sizeof(twice));
	read_packets(l, &s, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(s.items[i].prefix, "quaywall spoofed");
		assert_int_equal(s.items[i].family, NFPROTO_BRIDGE);
		assert_int_equal(s.items[i].hook, 0);
		assert_int_equal(s.items[i].out, 0);
		assert_int_equal(s.items[i].ethertype, i ? ETH_P_IP : ETH_P_ARP);
		assert_int_equal(s.items[i].length, 28);
		expect_from_port(&s.items[i]);
		if (i)
			expect_ports(&s.items[i].tuple, IPPROTO_UDP, 5432);
	}
}

static void test_leaving_by_a_bridge_s_port(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};
	static const char udp[60] = FRAME("\x08\0") UDP_PACKET;

	(void)state;
	make_bridge();
	log_by("bridge", "forward", 0, "ether type ip log group 86 drop");
	send_frame("far_a", udp, sizeof(udp));
	read_packets(l, &s, 1);
	expect_from_port(&s.items[0]);
	assert_int_equal(s.items[0].out, if_nametoindex("bridge0"));
	assert_int_equal(s.items[0].phys_out, if_nametoindex("port_b"));
}

/* From container to container of one network, as br_netfilter shows it to the tables of family inet. */
static void test_same_bridge(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = NULL;
	CLEANUP_SEEN struct seen s = {0};
	static const char udp[60] = FRAME("\x08\0") UDP_PACKET;

	(void)state;
	if (access("/proc/sys/net/bridge/bridge-nf-call-iptables", W_OK) < 0)
		skip();
	make_bridge();
	sh("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
	l = open_log();
	log_by("inet", "forward", 0, "log group 86 drop");
	send_frame("far_a", udp, sizeof(udp));
	read_packets(l, &s, 1);
	assert_int_equal(s.items[0].family, NFPROTO_IPV4);
	assert_int_equal(s.items[0].hook, NF_INET_FORWARD);
	expect_from_port(&s.items[0]);
	expect_ports(&s.items[0].tuple, IPPROTO_UDP, 5432);
	assert_int_equal(s.items[0].out, if_nametoindex("bridge0"));
	assert_int_equal(s.items[0].phys_out, if_nametoindex("port_b"));
}

/* ---- the group ---- */

static int try_open(struct error *err)
{
	CLEANUP_FLOW_LOG struct flow_log *l = NULL;

	return flow_log_open(-1, GROUP, &l, err);
}

static void test_one_at_a_time(void **state)
{
	struct error err CLEANUP_ERROR = ERROR_INIT;

	(void)state;
	{
		CLEANUP_FLOW_LOG struct flow_log *l = open_log();

		assert_int_equal(try_open(&err), -EBUSY);
		assert_string_equal(error_text(&err), "log group 86: another program has it");
		assert_non_null(l);
	}
	assert_int_equal(try_open(&err), 0);
}

/* In a child, without all capabilities but KEEP, a bit of them. */
static int open_with(uint32_t keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = keep, .permitted = keep}};
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (syscall(SYS_capset, &header, data) < 0)
			_exit(100);
		_exit(-try_open(NULL));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

static void test_cap_net_admin_suffices_and_is_needed(void **state)
{
	(void)state;
	assert_int_equal(open_with(1U << CAP_NET_ADMIN), 0);
	assert_int_equal(open_with(0), -EPERM);
	{
		CLEANUP_FLOW_LOG struct flow_log *l = open_log();

		assert_int_equal(open_with(1U << CAP_NET_ADMIN), -EBUSY);
		assert_int_equal(open_with(0), -EPERM);
		assert_non_null(l);
	}
}

static void test_another_namespace_s_packets(void **state)
{
	CLEANUP_FD int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct error err CLEANUP_ERROR = ERROR_INIT;
	CLEANUP_FLOW_LOG struct flow_log *l = NULL;
	CLEANUP_SEEN struct seen s = {0};

	(void)state;
	log_by("inet", "output", 0, "log group 86");
	send_udp("127.0.0.1", 5353, 10);
	assert_int_equal(flow_log_open(here, GROUP, &l, &err), 0);
	sandbox_enter();
	assert_int_equal(try_open(&err), 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	send_udp("127.0.0.1", 5354, 10);
	read_packets(l, &s, 2); /* the ICMP error, too */
	expect_ports(&s.items[0].tuple, IPPROTO_UDP, 5354);
}

/* Datagrams that a rule drops on their way out, which the sender is told. */
static void send_refused(uint16_t port, size_t count)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (size_t i = 0; i < count; i++)
		assert_int_equal(sendto(fd, "x", 1, 0, (const void *)&to, sizeof(to)), -1);
}

/* More than the socket holds: what does not come is counted, and what comes later still comes. */
static void test_what_is_lost_is_counted(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};
	struct pollfd wait = {.fd = flow_log_fd(l), .events = POLLIN};
	const size_t sent = 20000;
	size_t calls = 0;

	(void)state;
	log_by("inet", "output", 0, "udp dport 5353 log group 86 drop");
	send_refused(5353, sent);
	/* Each call ends, whatever waits. */
	while (poll(&wait, 1, 500) == 1) {
		size_t before = s.len;

		read_waiting(l, &s);
		assert_true(s.len - before < 1000);
		calls++;
	}
	assert_true(calls > 1);
	assert_true(s.len > 1000);
	assert_true(s.len < sent);
	send_refused(5353, 1);
	read_packets(l, &s, s.len + 1);
	assert_int_equal(s.len + flow_log_lost(l), sent + 1);
	print_message("%zu of %zu came, in %zu calls\n", s.len, sent, calls);
}

static void test_nothing_waits(void **state)
{
	CLEANUP_FLOW_LOG struct flow_log *l = open_log();
	CLEANUP_SEEN struct seen s = {0};
	struct pollfd wait = {.fd = flow_log_fd(l), .events = POLLIN};

	(void)state;
	read_waiting(l, &s);
	assert_int_equal(s.len, 0);
	/* Nothing logged: nobody is woken. */
	assert_int_equal(poll(&wait, 1, 300), 0);
}

#define IN_SANDBOX(test) cmocka_unit_test_setup(test, enter)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SANDBOX(test_v4_and_v6),
		IN_SANDBOX(test_fragments),
		IN_SANDBOX(test_icmp_error),
		IN_SANDBOX(test_published_port),
		IN_SANDBOX(test_spoofed_on_a_bridge),
		IN_SANDBOX(test_leaving_by_a_bridge_s_port),
		IN_SANDBOX(test_same_bridge),
		IN_SANDBOX(test_one_at_a_time),
		IN_SANDBOX(test_cap_net_admin_suffices_and_is_needed),
		IN_SANDBOX(test_another_namespace_s_packets),
		IN_SANDBOX(test_what_is_lost_is_counted),
		IN_SANDBOX(test_nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
