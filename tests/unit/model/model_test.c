#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "build.h"

static struct model *small_model(void)
{
	struct model *m = model_new();
	size_t net = build_network(m, "n1", "br-1");
	size_t db = build_container(m, "c1", "db");

	m->engine_id = mem_strdup("ENGINE");
	m->networks[net].subnets = mem_new(1, sizeof(struct prefix));
	m->networks[net].nsubnets = 1;
	prefix_parse("172.18.0.0/16", m->networks[net].subnets);
	build_label(&m->containers[db], "a", "1", true);
	build_port(&m->containers[db], IPPROTO_TCP, 8080, "0.0.0.0");
	build_endpoint(m, "e1", net, db);
	build_interface(m, "eth0", "192.0.2.1/24");
	return m;
}

static void test_copy_owns_everything(void **state)
{
	struct model *original = small_model();
	CLEANUP_MODEL struct model *copy = model_copy(original);

	(void)state;
	/* Under the address sanitizer whatever the copy still shared would be seen below. */
	model_free(original);
	assert_string_equal(copy->engine_id, "ENGINE");
	assert_null(copy->engine_name);
	assert_string_equal(copy->networks[0].name, "net-n1");
	assert_int_equal(copy->networks[0].subnets[0].len, 16);
	assert_string_equal(copy->containers[0].name, "db");
	assert_string_equal(copy->containers[0].labels[0].value, "1");
	assert_true(copy->containers[0].labels[0].from_image);
	assert_int_equal(copy->containers[0].ports[0].host_port, 8080);
	assert_string_equal(copy->endpoints[0].id, "e1");
	assert_string_equal(copy->interfaces[0].name, "eth0");
	assert_int_equal(copy->interfaces[0].addrs[0].len, 24);
}

static void test_copy_of_empty(void **state)
{
	CLEANUP_MODEL struct model *empty = model_new();
	CLEANUP_MODEL struct model *copy = model_copy(empty);

	(void)state;
	assert_int_equal(copy->ncontainers, 0);
	assert_null(copy->containers);
	model_free(NULL);
}

static void test_clear_interfaces(void **state)
{
	CLEANUP_MODEL struct model *m = small_model();

	(void)state;
	model_clear_interfaces(m);
	assert_int_equal(m->ninterfaces, 0);
	assert_null(m->interfaces);
	assert_int_equal(m->ncontainers, 1);
}

static bool has_addresses(const struct model_interface *i, const void *data)
{
	(void)data;
	return i->naddrs;
}

static void test_same_host_where_it_counts(void **state)
{
	CLEANUP_MODEL struct model *m = small_model();
	CLEANUP_MODEL struct model *other = model_copy(m);

	(void)state;
	build_interface(other, "aaa", NULL);
	build_interface(other, "zzz", NULL);
	model_sort_interfaces(other);
	assert_false(model_same_host(m, other, NULL, NULL));
	assert_true(model_same_host(m, other, has_addresses, NULL));
	assert_true(model_same_host(other, m, has_addresses, NULL));
	build_interface(other, "zzzz", "192.0.2.2/24");
	assert_false(model_same_host(m, other, has_addresses, NULL));
	assert_false(model_same_host(other, m, has_addresses, NULL));
}

static void test_same_host(void **state)
{
	CLEANUP_MODEL struct model *m = small_model();
	CLEANUP_MODEL struct model *other = model_copy(m);
	uint16_t port = 4789;

	(void)state;
	build_container(other, "c2", "web");
	assert_true(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].addrs[0].addr.bytes[3]++;
	assert_false(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].addrs[0].addr.bytes[3]--;
	other->interfaces[0].addrs[0].len--;
	assert_false(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].addrs[0].len++;
	other->interfaces[0].name[3]++;
	assert_false(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].name[3]--;
	/* A bridge that somebody made anew under its old name. */
	other->interfaces[0].index++;
	assert_false(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].index--;
	other->interfaces[0].bridge = true;
	assert_false(model_same_host(m, other, NULL, NULL));
	other->interfaces[0].bridge = false;
	assert_true(model_same_host(m, other, NULL, NULL));
	build_interface(other, "eth1", "192.0.2.2/24");
	assert_false(model_same_host(m, other, NULL, NULL));
	build_interface(m, "eth1", "192.0.2.2/24");
	m->vxlan_ports = mem_new(1, sizeof(port));
	*m->vxlan_ports = port;
	m->nvxlan_ports = 1;
	assert_false(model_same_host(m, other, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_owns_everything),
		cmocka_unit_test(test_copy_of_empty),
		cmocka_unit_test(test_clear_interfaces),
		cmocka_unit_test(test_same_host),
		cmocka_unit_test(test_same_host_where_it_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
