#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/buf.h"
#include "quaywall/mem.h"

#include "../../../controller/docker/documents.h"

/* Whole documents of real engines are read by list_test, wrong ones by errors_test. */

static struct model *network(const char *fields)
{
	CLEANUP_FREE char *text = mem_printf(
		"{\"Id\": \"0123456789abcdef\", \"Scope\": \"local\", \"IPAM\": {}, %s}", fields);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	if (documents_network("network", text, strlen(text), &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	return m;
}

static void bridge_is(const char *fields, const char *want)
{
	CLEANUP_MODEL struct model *m = network(fields);

	if (!want)
		assert_null(m->networks[0].bridge);
	else
		assert_string_equal(m->networks[0].bridge, want);
}

static void test_bridge_device(void **state)
{
	(void)state;
	bridge_is("\"Name\": \"front\", \"Driver\": \"bridge\"", "br-0123456789ab");
	bridge_is("\"Name\": \"bridge\", \"Driver\": \"bridge\"", "docker0");
	bridge_is("\"Name\": \"docker_gwbridge\", \"Driver\": \"bridge\"", "docker_gwbridge");
	bridge_is("\"Name\": \"front\", \"Driver\": \"overlay\"", NULL);
	bridge_is("\"Name\": \"front\", \"Driver\": \"bridge\", \"Options\": "
		  "{\"com.docker.network.bridge.name\": \"mine0\"}",
		  "mine0");
	bridge_is("\"Name\": \"front\", \"Driver\": \"bridge\", \"Options\": "
		  "{\"com.docker.network.bridge.name\": \"\"}",
		  "br-0123456789ab");
	/* Nobody checks the options of a network that is a mere template. */
	bridge_is("\"Name\": \"front\", \"Driver\": \"null\", \"Options\": "
		  "{\"com.docker.network.bridge.name\": \"any/thing of any length\"}",
		  NULL);
}

static void test_overlay(void **state)
{
	static const char fields[] =
		"\"Name\": \"ov\", \"Driver\": \"overlay\", \"Options\": {\"encrypted\": \"\", "
		"\"com.docker.network.driver.overlay.vxlanid_list\": \"4098,4097,4098\"}, "
		"\"Peers\": [{\"Name\": \"b\", \"IP\": \"192.0.2.2\"}, {\"Name\": \"?\", \"IP\": \"\"}, "
		"{\"Name\": \"a\", \"IP\": \"192.0.2.1\"}, {\"IP\": \"fd00::1\"}, {\"IP\": \"192.0.2.2\"}]";
	CLEANUP_MODEL struct model *m = network(fields);
	const struct model_network *n = &m->networks[0];
	char text[ADDR_TEXT_SIZE];

	(void)state;
	assert_true(n->encrypted);
	assert_int_equal(n->nvnis, 2);
	assert_int_equal(n->vnis[0], 4097);
	assert_int_equal(n->vnis[1], 4098);
	assert_int_equal(n->npeers, 3);
	assert_string_equal(addr_format(&n->peers[0], text), "192.0.2.1");
	assert_string_equal(addr_format(&n->peers[2], text), "fd00::1");
	assert_ptr_equal(model_network_of_vni(m, 4098), n);
	assert_null(model_network_of_vni(m, 4099));
}

static void test_overlay_identifiers_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"x",	"4097,", ",4097", "-1", "4097;4098", "16777216", "99999999999999999999999",
		" 4097"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CLEANUP_FREE char *text = mem_printf(
			"{\"Id\": \"0123\", \"Scope\": \"swarm\", \"IPAM\": {}, \"Name\": \"x\", "
			"\"Driver\": \"overlay\", \"Options\": "
			"{\"com.docker.network.driver.overlay.vxlanid_list\": \"%s\"}}",
			wrong[i]);
		CLEANUP_ERROR struct error err = ERROR_INIT;
		struct model *m = NULL;

		assert_true(documents_network("network", text, strlen(text), &m, &err) < 0);
		assert_non_null(strstr(error_text(&err), "VXLAN"));
	}
}

static void test_network_options(void **state)
{
	CLEANUP_MODEL struct model *m = network(
		"\"Name\": \"x\", \"Driver\": \"bridge\", \"Internal\": true, \"Options\": {"
		"\"com.docker.network.bridge.enable_icc\": \"0\", \"encrypted\": \"false\", "
		"\"com.docker.network.bridge.gateway_mode_ipv4\": \"routed\"}");

	(void)state;
	assert_true(m->networks[0].internal);
	assert_false(m->networks[0].icc);
	assert_true(m->networks[0].encrypted);
	assert_string_equal(m->networks[0].gateway_mode4, "routed");
	assert_null(m->networks[0].gateway_mode6);
}

static void test_subnets_are_masked(void **state)
{
	static const char text[] =
		"{\"Id\": \"n\", \"Name\": \"x\", \"Driver\": \"bridge\", \"Scope\": \"local\", "
		"\"IPAM\": {\"Config\": [{\"Subnet\": \"10.1.2.3/16\", \"Gateway\": \"10.1.0.1/16\"}, "
		"{\"Subnet\": \"fd00::/64\", \"Gateway\": \"fd00::1\"}]}}";
	char buf[ADDR_TEXT_SIZE];
	CLEANUP_MODEL struct model *m = NULL;

	(void)state;
	assert_int_equal(documents_network("network", text, sizeof(text) - 1, &m, NULL), 0);
	assert_string_equal(prefix_format(&m->networks[0].subnets[0], buf), "10.1.0.0/16");
	assert_string_equal(addr_format(&m->networks[0].gateways[0], buf), "10.1.0.1");
	assert_string_equal(addr_format(&m->networks[0].gateways[1], buf), "fd00::1");
}

/* The key of an endpoint's container stays with it where the endpoints are sorted. */
static void test_endpoints_are_sorted_with_their_keys(void **state)
{
	CLEANUP_MODEL struct model *m = network(
		"\"Name\": \"x\", \"Driver\": \"bridge\", \"Containers\": {"
		"\"c1\": {\"EndpointID\": \"e9\", \"Name\": \"one\"}, "
		"\"c2\": {\"EndpointID\": \"e1\", \"Name\": \"two\", \"IPv4Address\": \"10.0.0.2/8\"}, "
		"\"lb-x\": {\"EndpointID\": \"e5\"}}");

	(void)state;
	assert_int_equal(m->nendpoints, 3);
	assert_string_equal(m->endpoints[0].id, "e1");
	assert_string_equal(m->endpoints[0].key, "c2");
	assert_string_equal(m->endpoints[1].name, "");
	assert_string_equal(m->endpoints[1].key, "lb-x");
	assert_string_equal(m->endpoints[2].key, "c1");
}

static struct model *container(const char *fields)
{
	CLEANUP_FREE char *text = mem_printf(
		"[{\"Id\": \"c1\", \"Image\": \"box\", \"ImageID\": \"sha256:aa\", %s}]", fields);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	struct model *m = NULL;

	if (documents_containers("containers", text, strlen(text), &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	return m;
}

static void name_is(const char *names, const char *want)
{
	CLEANUP_FREE char *fields = mem_printf("\"State\": \"created\", \"Names\": %s", names);
	CLEANUP_MODEL struct model *m = container(fields);

	assert_string_equal(m->containers[0].name, want);
	assert_string_equal(m->containers[0].network_mode, "");
	assert_false(m->containers[0].running);
}

static void test_names(void **state)
{
	(void)state;
	name_is("[\"/web\"]", "web");
	name_is("[\"/proxy/backend\", \"/web\"]", "web"); /* an alias that a link gave */
	name_is("[]", "");
	name_is("null", ""); /* about to be removed */
}

static void test_states(void **state)
{
	static const struct {
		const char *state;
		bool running;
	} cases[] = {{"running", true}, {"paused", true}, {"restarting", true}, {"created", false},
		     {"exited", false}, {"dead", false},  {"removing", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *fields = mem_printf("\"State\": \"%s\"", cases[i].state);
		CLEANUP_MODEL struct model *m = container(fields);

		assert_int_equal(m->containers[0].running, cases[i].running);
	}
}

static void test_unpublished_ports_are_left_out(void **state)
{
	CLEANUP_MODEL struct model *m = container(
		"\"State\": \"running\", \"Ports\": [{\"PrivatePort\": 53, \"Type\": \"udp\"}, "
		"{\"PrivatePort\": 53, \"PublicPort\": 5353, \"Type\": \"udp\", \"IP\": "
		"\"::\"}]");

	(void)state;
	assert_int_equal(m->containers[0].nports, 1);
	assert_int_equal(m->containers[0].ports[0].host_port, 5353);
	assert_int_equal(m->containers[0].ports[0].container_port, 53);
}

static void bindings_are(const char *ports, const char *want)
{
	CLEANUP_FREE char *text =
		mem_printf("{\"Id\": \"c1\", \"HostConfig\": {\"PortBindings\": %s}}", ports);
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_BUF struct buf is = BUF_INIT;
	struct model_port *items;
	size_t n;

	if (documents_bindings("c", "c1", text, strlen(text), &items, &n, &err) < 0)
		fail_msg("%s", error_text(&err));
	for (size_t i = 0; i < n; i++) {
		char addr[ADDR_TEXT_SIZE];

		buf_printf(&is, "%s%u/%u:%u@%s", i ? " " : "", items[i].protocol,
			   items[i].container_port, items[i].host_port,
			   addr_format(&items[i].host_addr, addr));
	}
	free(items);
	assert_string_equal(buf_text(&is), want);
}

static void test_bindings(void **state)
{
	(void)state;
	bindings_are("null", "");
	bindings_are("{}", "");
	bindings_are("{\"80/tcp\": null}", "");
	bindings_are("{\"80/tcp\": [{\"HostIp\": \"\", \"HostPort\": \"8080\"}]}",
		     "6/80:8080@0.0.0.0 6/80:8080@::");
	bindings_are("{\"53/udp\": [{\"HostIp\": \"127.0.0.1\", \"HostPort\": \"53\"}]}",
		     "17/53:53@127.0.0.1");
	bindings_are("{\"80/tcp\": [{\"HostIp\": \"::1\", \"HostPort\": \"80\"}]}", "6/80:80@::1");
}

static void test_bindings_that_the_engine_chooses(void **state)
{
	static const char *const ports[] = {"", "0", "8000-8010", "99999", "-1", "+80", "80x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		CLEANUP_FREE char *text =
			mem_printf("{\"80/tcp\": [{\"HostPort\": \"%s\"}]}", ports[i]);

		bindings_are(text, "");
	}
	bindings_are("{\"80/gre\": [{\"HostPort\": \"80\"}], \"80\": [{\"HostPort\": \"80\"}]}",
		     "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge_device),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_overlay_identifiers_that_are_none),
		cmocka_unit_test(test_network_options),
		cmocka_unit_test(test_subnets_are_masked),
		cmocka_unit_test(test_endpoints_are_sorted_with_their_keys),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_bindings_that_the_engine_chooses),
		cmocka_unit_test(test_unpublished_ports_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
