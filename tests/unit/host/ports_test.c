/* Whose port of a bridge is whose, by the MAC at its other end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <string.h>

#include "netns.h"
#include "quaywall/docker.h"
#include "quaywall/host.h"
#include "quaywall/mem.h"
#include "quaywall/netlink.h"
#include "../../../controller/host/learning.h"

#define CONTAINER(id, running) "{\"id\": \"" id "\", \"running\": " running "}"
#define ENDPOINT(id, mac) \
	"{\"id\": \"e" id "\", \"network\": \"n\", \"container\": \"" id "\", \"mac\": \"" mac "\"}"
#define WORLD(containers, endpoints)                                                        \
	"{\"quaywall_snapshot\": 1, \"networks\": [{\"id\": \"n\", \"name\": \"front\","    \
	" \"driver\": \"bridge\", \"bridge\": \"br0\", \"subnets\": [\"172.18.0.0/16\"]}]," \
	"\"containers\": [" containers "], \"endpoints\": [" endpoints "]}"

#define MAC1 "02:42:ac:12:00:01"
#define MAC2 "02:42:ac:12:00:02"

static const uint8_t mac1[] = {0x02, 0x42, 0xac, 0x12, 0, 1},
		     mac2[] = {0x02, 0x42, 0xac, 0x12, 0, 2}, other_mac[] = {0x02, 0, 0, 0, 0, 9};

static const char both[] = WORLD(CONTAINER("1", "true") "," CONTAINER("2", "true"),
				 ENDPOINT("1", MAC1) "," ENDPOINT("2", MAC2));

/* A port of br0; its other end, which is called as the port with an "x", is the container's. */
static void add_port(const char *name, const uint8_t *mac, bool up)
{
	CLEANUP_FREE char *end = mem_printf("%sx", name);

	netns_add_veth(name, end);
	netns_set_mac(end, mac);
	netns_set_master(name, "br0");
	netns_set_up(name);
	if (up)
		netns_set_up(end);
}

/* What was filled last, and of which world. */
static struct {
	const char *world;
	struct model *model;
} last;

static void remember(const char *world, struct model *m)
{
	model_free(last.model);
	last.world = world;
	last.model = m;
}

static struct host *open_host(void)
{
	struct host *h = NULL;

	remember(NULL, NULL);
	netns_add_bridge("br0");
	assert_int_equal(host_open(&h, NULL), 0);
	return h;
}

/* "PORT PORT", of the endpoints in order; "-" where none is known. */
static void add_ports(const struct model *m, struct buf *out)
{
	for (size_t i = 0; i < m->nendpoints; i++)
		buf_printf(out, "%s%s", i ? " " : "",
			   *m->endpoints[i].port ? m->endpoints[i].port : "-");
}

/* Where they are others than in the same world before, that was to be seen beforehand. */
static void assert_ports(struct host *h, const char *world, const char *want)
{
	CLEANUP_MODEL struct model *m = NULL, *interfaces = model_new();
	CLEANUP_BUF struct buf is = BUF_INIT;
	CLEANUP_BUF struct buf was = BUF_INIT;
	bool differ = true;

	assert_int_equal(docker_snapshot_read(world, strlen(world), &m, NULL), 0);
	assert_int_equal(host_read_interfaces(h, interfaces, NULL), 0);
	if (last.world == world)
		differ = host_ports_differ(h, last.model);
	assert_int_equal(host_bind_ports(h, m, NULL), 0);
	add_ports(m, &is);
	assert_string_equal(buf_text(&is), want);
	if (last.world == world)
		add_ports(last.model, &was);
	assert_true(differ || !strcmp(buf_text(&is), buf_text(&was)));
	remember(world, m);
	m = NULL;
}

static void test_by_the_mac_at_the_other_end(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	assert_ports(h, both, "- -");
	add_port("p2", mac2, true);
	add_port("p1", mac1, true);
	assert_ports(h, both, "p1 p2");
}

static void test_a_port_stays_with_its_endpoint(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p1", mac1, true);
	assert_ports(h, both, "p1 -");
	netns_set_mac("p1x", mac2);
	assert_false(host_ports_differ(h, last.model));
	assert_ports(h, both, "p1 -");
	add_port("p2", mac2, true);
	assert_ports(h, both, "p1 p2");
	assert_false(host_ports_differ(h, last.model));
	netns_del_link("p1");
	assert_ports(h, both, "- p2");
}

static void test_what_can_be_found_is_seen_beforehand(void **state)
{
	CLEANUP_HOST struct host *h = open_host();
	CLEANUP_MODEL struct model *interfaces = model_new();

	(void)state;
	netns_add_bridge("br1");
	assert_ports(h, both, "- -");
	assert_false(host_ports_differ(h, last.model));
	add_port("p3", other_mac, true);
	add_port("p1", mac1, false);
	assert_int_equal(host_read_interfaces(h, interfaces, NULL), 0);
	assert_false(host_ports_differ(h, last.model));
	netns_set_up("p1x");
	assert_true(host_ports_differ(h, last.model));
	assert_ports(h, both, "p1 -");
	assert_false(host_ports_differ(h, last.model));
	netns_set_master("p1", "br1");
	assert_int_equal(host_read_interfaces(h, interfaces, NULL), 0);
	assert_true(host_ports_differ(h, last.model));
	assert_ports(h, both, "- -");
}

/* Of the links before it in the table one goes, then several. */
static void test_a_port_is_found_where_it_stands_now(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	netns_add_bridge("br1");
	add_port("p3", other_mac, true);
	add_port("p1", mac1, true);
	add_port("p2", mac2, true);
	assert_ports(h, both, "p1 p2");
	/* From here on they would be each other's, were they looked for. */
	netns_set_mac("p1x", mac2);
	netns_set_mac("p2x", mac1);
	netns_del_link("br1");
	assert_ports(h, both, "p1 p2");
	netns_del_link("p3");
	assert_ports(h, both, "p1 p2");
	netns_del_link("p1");
	assert_ports(h, both, "- p2");
}

static void test_what_two_show_is_nobodys(void **state)
{
	static const char same[] = WORLD(CONTAINER("1", "true") "," CONTAINER("2", "true"),
					 ENDPOINT("1", MAC1) "," ENDPOINT("2", MAC1));
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p1", mac1, true);
	assert_ports(h, same, "- -");
	add_port("p2", mac1, true);
	assert_ports(h, both, "- -");
}

/* Before it was bound, another port may have taught the bridge otherwise. */
static void test_the_bridge_is_told(void **state)
{
	CLEANUP_HOST struct host *h = open_host();
	CLEANUP_NETLINK struct mnl_socket *s = NULL;

	(void)state;
	netns_set_up("br0");
	add_port("p1", mac1, true);
	add_port("p2", mac2, true);
	assert_int_equal(netlink_open(NETLINK_ROUTE, -1, 0, &s, NULL), 0);
	assert_int_equal(learning_teach(s, if_nametoindex("p2"), mac1), 0);
	assert_string_equal(netns_port_of(mac1), "p2");
	assert_ports(h, both, "p1 p2");
	assert_string_equal(netns_port_of(mac1), "p1");
	assert_string_equal(netns_port_of(mac2), "p2");
}

/* 20.10 gives the pair its MAC only in the bridge, and then it can be predicted. */
static void test_who_hides_its_mac_may_show_the_one_of_a_port_that_is_down(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p1", mac2, true);
	add_port("p2", other_mac, false);
	assert_ports(h, both, "- -");
	netns_set_mac("p2x", mac1);
	netns_set_up("p2x");
	assert_ports(h, both, "p2 p1");
}

/* It has no process yet, so nothing changes a MAC for it. */
static void test_who_is_being_started_hides_nothing(void **state)
{
	static const char starting[] = WORLD(CONTAINER("1", "true") "," CONTAINER("2", "false"),
					     ENDPOINT("1", MAC1) "," ENDPOINT("2", MAC2));
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p1", mac1, true);
	add_port("p2", other_mac, false);
	assert_ports(h, starting, "p1 -");
	netns_set_mac("p2x", mac2);
	netns_set_up("p2x");
	assert_ports(h, starting, "p1 p2");
}

static void test_an_end_that_is_down_keeps_nobody_from_its_port(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p1", mac1, true);
	add_port("p2", mac2, false);
	assert_ports(h, both, "p1 -");
	netns_set_up("p2x");
	assert_ports(h, both, "p1 p2");
}

/* Also where the engine's list still has it as running, from before it was started again. */
static void test_who_comes_later_hides_nothing(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	assert_ports(h, WORLD("", ""), "");
	add_port("p1", mac1, true);
	add_port("p2", other_mac, false);
	assert_ports(h, both, "p1 -");
}

/* A container that ends: the engine tells of it when its port has long gone. */
static void test_who_has_lost_its_port_hides_nothing(void **state)
{
	CLEANUP_HOST struct host *h = open_host();

	(void)state;
	add_port("p2", mac2, true);
	assert_ports(h, both, "- p2");
	netns_del_link("p2");
	assert_ports(h, both, "- -");
	add_port("p1", mac1, true);
	add_port("p3", other_mac, false);
	assert_ports(h, both, "p1 -");
}

#define IN_NETNS(test) cmocka_unit_test_setup_teardown(test, netns_enter, netns_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_NETNS(test_by_the_mac_at_the_other_end),
		IN_NETNS(test_a_port_stays_with_its_endpoint),
		IN_NETNS(test_what_can_be_found_is_seen_beforehand),
		IN_NETNS(test_a_port_is_found_where_it_stands_now),
		IN_NETNS(test_the_bridge_is_told),
		IN_NETNS(test_what_two_show_is_nobodys),
		IN_NETNS(test_who_hides_its_mac_may_show_the_one_of_a_port_that_is_down),
		IN_NETNS(test_who_is_being_started_hides_nothing),
		IN_NETNS(test_who_comes_later_hides_nothing),
		IN_NETNS(test_who_has_lost_its_port_hides_nothing),
		IN_NETNS(test_an_end_that_is_down_keeps_nobody_from_its_port),
	};

	/* 77 is a skipped test to meson. */
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
