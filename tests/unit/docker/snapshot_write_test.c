#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "quaywall/docker.h"
#include "quaywall/mem.h"

/* Every field, none with its default. */
static const char full[] = "{\n"
			   "  \"quaywall_snapshot\": 1,\n"
			   "  \"engine\": {\n"
			   "    \"id\": \"E\",\n"
			   "    \"name\": \"Docker Engine\",\n"
			   "    \"version\": \"20.10.24\",\n"
			   "    \"api_version\": \"1.41\"\n"
			   "  },\n"
			   "  \"networks\": [\n"
			   "    {\n"
			   "      \"id\": \"n1\",\n"
			   "      \"name\": \"front\",\n"
			   "      \"driver\": \"bridge\",\n"
			   "      \"scope\": \"swarm\",\n"
			   "      \"bridge\": \"br-front\",\n"
			   "      \"internal\": true,\n"
			   "      \"icc\": false,\n"
			   "      \"encrypted\": true,\n"
			   "      \"gateway_mode4\": \"nat\",\n"
			   "      \"gateway_mode6\": \"routed\",\n"
			   "      \"subnets\": [\n"
			   "        \"172.30.0.0/24\",\n"
			   "        \"fd00:1::/64\"\n"
			   "      ],\n"
			   "      \"gateways\": [\n"
			   "        \"172.30.0.1\",\n"
			   "        \"fd00:1::1\"\n"
			   "      ],\n"
			   "      \"labels\": {\n"
			   "        \"k\": \"\\\"quoted\\\" \\u001B\"\n"
			   "      }\n"
			   "    }\n"
			   "  ],\n"
			   "  \"containers\": [\n"
			   "    {\n"
			   "      \"id\": \"c1\",\n"
			   "      \"name\": \"db\",\n"
			   "      \"image\": \"postgres:15\",\n"
			   "      \"image_id\": \"sha256:aa\",\n"
			   "      \"network_mode\": \"front\",\n"
			   "      \"running\": false,\n"
			   "      \"labels\": {\n"
			   "        \"a\": \"1\",\n"
			   "        \"b\": \"\"\n"
			   "      },\n"
			   "      \"image_labels\": [\n"
			   "        \"b\"\n"
			   "      ],\n"
			   "      \"ports\": [\n"
			   "        {\n"
			   "          \"protocol\": \"tcp\",\n"
			   "          \"container_port\": 80,\n"
			   "          \"host_port\": 8080,\n"
			   "          \"host_addr\": \"0.0.0.0\"\n"
			   "        },\n"
			   "        {\n"
			   "          \"protocol\": \"udp\",\n"
			   "          \"container_port\": 53,\n"
			   "          \"host_port\": 53,\n"
			   "          \"host_addr\": \"::\"\n"
			   "        },\n"
			   "        {\n"
			   "          \"protocol\": \"sctp\",\n"
			   "          \"container_port\": 9,\n"
			   "          \"host_port\": 99,\n"
			   "          \"host_addr\": \"127.0.0.1\"\n"
			   "        }\n"
			   "      ]\n"
			   "    }\n"
			   "  ],\n"
			   "  \"endpoints\": [\n"
			   "    {\n"
			   "      \"id\": \"e1\",\n"
			   "      \"network\": \"n1\",\n"
			   "      \"container\": \"c1\",\n"
			   "      \"name\": \"db\",\n"
			   "      \"addr4\": \"172.30.0.2\",\n"
			   "      \"addr6\": \"fd00:1::2\",\n"
			   "      \"mac\": \"02:42:ac:1e:00:02\"\n"
			   "    },\n"
			   "    {\n"
			   "      \"id\": \"e2\",\n"
			   "      \"network\": \"n1\",\n"
			   "      \"container\": null,\n"
			   "      \"name\": \"lb-front\",\n"
			   "      \"addr4\": null,\n"
			   "      \"addr6\": null,\n"
			   "      \"mac\": null\n"
			   "    }\n"
			   "  ],\n"
			   "  \"interfaces\": [\n"
			   "    {\n"
			   "      \"name\": \"br-front\",\n"
			   "      \"index\": 7,\n"
			   "      \"bridge\": true,\n"
			   "      \"addrs\": [\n"
			   "        \"172.30.0.1/24\"\n"
			   "      ]\n"
			   "    }\n"
			   "  ]\n"
			   "}\n";

static void test_every_field_comes_back(void **state)
{
	CLEANUP_ERROR struct error err = ERROR_INIT;
	CLEANUP_MODEL struct model *m = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	if (docker_snapshot_read(full, sizeof(full) - 1, &m, &err) < 0)
		fail_msg("%s", error_text(&err));
	docker_snapshot_write(m, &text);
	assert_string_equal(buf_text(&text), full);
}

/* The kernel takes any bytes as an interface's name; JSON does not. */
static void test_name_that_is_not_utf8(void **state)
{
	CLEANUP_MODEL struct model *m = model_new();
	CLEANUP_BUF struct buf text = BUF_INIT;

	(void)state;
	m->interfaces = mem_new(1, sizeof(*m->interfaces));
	m->ninterfaces = 1;
	m->interfaces[0].name = mem_strdup("eth\xff");
	docker_snapshot_write(m, &text);
	assert_non_null(strstr(buf_text(&text), "\"name\": \"eth?\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_comes_back),
		cmocka_unit_test(test_name_that_is_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
