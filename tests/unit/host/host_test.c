/*
 * In a network namespace of its own, which vanishes with the process. Where neither root nor an
 * unprivileged user may make one the tests are skipped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "netns.h"
#include "quaywall/host.h"
#include "quaywall/mem.h"

/* ---- what quaywall sees ---- */

/* "NAME[*] ADDR …; …", a bridge with its star; link-local addresses are left out. */
static void assert_interfaces(struct host *h, const char *want)
{
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_BUF struct buf b = BUF_INIT;
	char text[ADDR_TEXT_SIZE];

	assert_int_equal(host_read_interfaces(h, m, NULL), 0);
	for (size_t i = 0; i < m->ninterfaces; i++) {
		const struct model_interface *at = &m->interfaces[i];

		assert_int_equal(at->index, if_nametoindex(at->name));
		buf_printf(&b, "%s%s%s", i ? "; " : "", at->name, at->bridge ? "*" : "");
		for (size_t k = 0; k < at->naddrs; k++)
			if (!addr_is_link_local(&at->addrs[k].addr))
				buf_printf(&b, " %s", prefix_format(&at->addrs[k], text));
	}
	assert_string_equal(buf_text(&b), want);
}

static bool changed(struct host *h)
{
	bool ret = false;

	assert_int_equal(host_dispatch(h, &ret, NULL), 0);
	return ret;
}

static bool readable(const struct host *h)
{
	struct pollfd fd = {.fd = host_fd(h), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

static struct host *open_host(void)
{
	struct host *h = NULL;

	assert_int_equal(host_open(&h, NULL), 0);
	return h;
}

/* ---- tests ---- */

static void test_reads_links_and_addresses(void **state)
{
	CLEANUP_HOST struct host *h = NULL;

	(void)state;
	netns_add_bridge("br0");
	netns_add_addr("br0", "172.18.0.1/16");
	netns_add_addr("br0", "2001:db8::1/64");
	netns_add_veth("eth0", "peer0");
	netns_add_addr("eth0", "192.0.2.1/24");
	netns_add_addr("eth0", "192.0.2.2/24");
	h = open_host();
	assert_interfaces(h, "br0* 172.18.0.1/16 2001:db8::1/64; "
			     "eth0 192.0.2.1/24 192.0.2.2/24; lo; peer0");
	assert_false(readable(h));
}

static void test_routes(void **state)
{
	static const char *const cases[][2] = {
		{"192.0.2.9", "eth0"}, {"172.18.0.2", "br0"}, {"203.0.113.1", NULL}};
	CLEANUP_HOST struct host *h = NULL;
	struct addr a;

	(void)state;
	netns_add_bridge("br0");
	netns_add_veth("eth0", "peer0");
	for (size_t i = 0; i < 3; i++)
		netns_set_up((const char *[]) {"br0", "eth0", "peer0"}[i]);
	netns_add_addr("br0", "172.18.0.1/16");
	netns_add_addr("eth0", "192.0.2.1/24");
	h = open_host();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got;

		assert_int_equal(addr_parse(cases[i][0], &a), 0);
		got = host_route(h, &a, NULL, NULL);
		if (cases[i][1])
			assert_string_equal(got, cases[i][1]);
		else
			assert_null(got);
	}
}

static void test_peer_address_is_not_the_host(void **state)
{
	CLEANUP_HOST struct host *h = NULL;

	(void)state;
	netns_add_veth("tun0", "tun1");
	netns_change_addr(RTM_NEWADDR, "tun0", "10.9.0.1/24", "10.8.0.2");
	h = open_host();
	assert_interfaces(h, "lo; tun0 10.9.0.1/32; tun1");
}

static void test_follows_changes(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	assert_false(changed(h));
	netns_add_bridge("br0");
	assert_true(readable(h));
	assert_true(changed(h));
	assert_false(readable(h));
	netns_add_addr("br0", "10.0.0.1/8");
	assert_true(changed(h));
	assert_interfaces(h, "br0* 10.0.0.1/8; lo");
	netns_rename_link("br0", "br1");
	assert_true(changed(h));
	assert_interfaces(h, "br1* 10.0.0.1/8; lo");
	netns_change_addr(RTM_DELADDR, "br1", "10.0.0.1/8", NULL);
	assert_true(changed(h));
	assert_interfaces(h, "br1*; lo");
	netns_del_link("br1");
	assert_true(changed(h));
	assert_interfaces(h, "lo");
}

static void test_reading_alone_is_up_to_date(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	netns_add_bridge("br0");
	assert_interfaces(h, "br0*; lo");
}

static void test_ports_of_bridges_are_no_interfaces(void **state)
{
	CLEANUP_HOST struct host *h = NULL;

	(void)state;
	netns_add_bridge("br0");
	netns_add_veth("veth0", "peer0");
	netns_set_master("veth0", "br0");
	h = open_host();
	assert_interfaces(h, "br0*; lo; peer0");

	/* It goes up, which gives it a link-local address, and the bridge speaks of it: no change. */
	netns_set_up("veth0");
	assert_true(readable(h));
	assert_false(changed(h));
	netns_add_addr("veth0", "fe80::9/64");
	assert_false(changed(h));
	netns_add_addr("veth0", "192.0.2.9/24");
	assert_true(changed(h));
	assert_interfaces(h, "br0*; lo; peer0; veth0 192.0.2.9/24");
	netns_change_addr(RTM_DELADDR, "veth0", "192.0.2.9/24", NULL);
	assert_true(changed(h));

	/* The bridge announces the port's leaving as a RTM_DELLINK of its own family. */
	netns_set_master("veth0", NULL);
	assert_true(changed(h));
	assert_interfaces(h, "br0*; lo; peer0; veth0");
}

static void test_lost_notifications_are_listed(void **state)
{
	CLEANUP_HOST struct host *h = open_host();
	const int small = 1;

	(void)state;
	/* More than the socket takes while nobody reads. */
	assert_int_equal(setsockopt(host_fd(h), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 100; i++) {
		netns_add_addr("lo", "10.9.9.9/32");
		netns_change_addr(RTM_DELADDR, "lo", "10.9.9.9/32", NULL);
	}
	netns_add_bridge("br0");
	assert_true(changed(h));
	assert_interfaces(h, "br0*; lo");
	assert_false(changed(h));
}

static void test_bridge_filter(void **state)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		CLEANUP_ERROR struct error err = ERROR_INIT;
		CLEANUP_FD int fd = -1;

		if (host_bridge_filter(families[i]) == HOST_BRIDGE_FILTER_ABSENT) {
			assert_int_equal(host_bridge_filter_enable(families[i], &err), -ENOENT);
			continue;
		}
		fd = open(families[i] == AF_INET ? "/proc/sys/net/bridge/bridge-nf-call-iptables"
						 : "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
			  O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* an unprivileged user's namespace, on some kernels */
		assert_int_equal(write(fd, "0\n", 2), 2);
		assert_int_equal(host_bridge_filter(families[i]), HOST_BRIDGE_FILTER_OFF);
		assert_int_equal(host_bridge_filter_enable(families[i], &err), 0);
		assert_int_equal(host_bridge_filter(families[i]), HOST_BRIDGE_FILTER_ON);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_links_and_addresses, netns_enter,
						netns_leave),
		cmocka_unit_test_setup_teardown(test_routes, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_peer_address_is_not_the_host, netns_enter,
						netns_leave),
		cmocka_unit_test_setup_teardown(test_follows_changes, netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_reading_alone_is_up_to_date, netns_enter,
						netns_leave),
		cmocka_unit_test_setup_teardown(test_ports_of_bridges_are_no_interfaces,
						netns_enter, netns_leave),
		cmocka_unit_test_setup_teardown(test_lost_notifications_are_listed, netns_enter,
						netns_leave),
		cmocka_unit_test_setup_teardown(test_bridge_filter, netns_enter, netns_leave),
	};

	/* 77 is a skipped test to meson. */
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
